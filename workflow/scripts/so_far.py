"""Rule `so_far`: tables and figures of what is on disk; cells without a row of their present definition print `…`."""

from pathlib import Path

import pandas as pd

from render import write_all
from reporting.ceilings import read_ceilings
from reporting.errors import run_script
from reporting.evidence import Evidence, read_prices
from reporting.fidelity import compare_runs
from reporting.figure_strips import write_strips
from reporting.labels import read_labels
from reporting.options import read_options
from reporting.outputs import read_runs
from reporting.read import read_calls
from reporting.summary import CELL, summarize


def main(snakemake):
    """Reads the run.csv of every planned run that exists; writes to the folder `snakemake.params.folder`."""
    runs, folder = snakemake.params.runs, Path(snakemake.params.folder)
    done = [Path(path) for path in runs if Path(path).is_file()]
    measurements = read_runs(done)
    definitions = pd.DataFrame(snakemake.params.cells, columns=[*CELL, "definition"])
    current = measurements.merge(definitions, on=[*CELL, "definition"])
    print(f"{len(current.drop_duplicates([*CELL, 'round']))} of {len(runs)} runs are measured")
    fidelity = compare_runs(current, snakemake.params.baseline)
    evidence = Evidence(
        read_calls([path.with_name("calls.csv") for path in done]),
        fidelity,
        read_ceilings([path for path in snakemake.params.ceilings if Path(path).is_file()]),
        read_prices(snakemake.params.gpus),
    )
    summary = summarize(current, definitions, snakemake.params.baseline, evidence)
    options, labels = read_options(snakemake.params.options), read_labels(snakemake.params.catalogues)
    write_all(summary, labels, snakemake.params.baseline, folder, options)
    write_strips(summary, current, fidelity, labels, snakemake.params.baseline, folder / "strips")
    print((folder / "tables.md").read_text(encoding="utf-8"))


if __name__ == "__main__":
    run_script(main, snakemake)  # noqa: F821
