"""Rule `so_far`: tables and figures of what is on disk; cells without a row of their present definition print `…`."""

from pathlib import Path

import pandas as pd

from draw import name_baseline
from reporting.errors import run_script
from reporting.figures import draw_speedups, save_figure
from reporting.labels import read_labels
from reporting.read import read_measurements
from reporting.summary import CELL, summarize
from tabulate_summary import write_tables


def main(snakemake):
    """Reads the run.csv of every planned run that exists; writes to the folder `snakemake.params.folder`."""
    runs, folder = snakemake.params.runs, Path(snakemake.params.folder)
    measurements = read_measurements([path for path in runs if Path(path).is_file()])
    definitions = pd.DataFrame(snakemake.params.cells, columns=[*CELL, "definition"])
    current = measurements.merge(definitions, on=[*CELL, "definition"])
    print(f"{len(current.drop_duplicates([*CELL, 'round']))} of {len(runs)} runs are measured")
    summary = summarize(current, definitions, snakemake.params.baseline)
    labels = read_labels(snakemake.params.catalogues)
    (folder / "figures").mkdir(parents=True, exist_ok=True)
    summary.to_csv(folder / "summary.csv", index=False, lineterminator="\n", float_format="%.6g")
    write_tables(summary, labels, folder)
    figure = draw_speedups(summary, labels, name_baseline(snakemake.params.baseline, labels))
    save_figure(figure, [folder / "figures" / f"speedup.{kind}" for kind in ("svg", "png")])
    print((folder / "tables.md").read_text(encoding="utf-8"))


if __name__ == "__main__":
    run_script(main, snakemake)  # noqa: F821
