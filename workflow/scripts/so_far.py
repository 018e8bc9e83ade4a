"""Rule `so_far`: tables and figures of what is on disk; cells without a row of their present definition print `…`."""

from pathlib import Path

import pandas as pd

from render import write_all
from reporting.errors import run_script
from reporting.labels import read_labels
from reporting.options import read_options
from reporting.read import read_measurements
from reporting.summary import CELL, summarize


def main(snakemake):
    """Reads the run.csv of every planned run that exists; writes to the folder `snakemake.params.folder`."""
    runs, folder = snakemake.params.runs, Path(snakemake.params.folder)
    measurements = read_measurements([path for path in runs if Path(path).is_file()])
    definitions = pd.DataFrame(snakemake.params.cells, columns=[*CELL, "definition"])
    current = measurements.merge(definitions, on=[*CELL, "definition"])
    print(f"{len(current.drop_duplicates([*CELL, 'round']))} of {len(runs)} runs are measured")
    summary = summarize(current, definitions, snakemake.params.baseline)
    options = read_options(snakemake.params.options)
    write_all(summary, read_labels(snakemake.params.catalogues), snakemake.params.baseline, folder, options)
    print((folder / "tables.md").read_text(encoding="utf-8"))


if __name__ == "__main__":
    run_script(main, snakemake)  # noqa: F821
