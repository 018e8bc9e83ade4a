"""Rule `summary`: one row a cell and stage."""

import pandas as pd

from reporting.errors import run_script
from reporting.read import read_measurements
from reporting.summary import CELL, summarize


def main(snakemake):
    cells = pd.DataFrame(snakemake.params.cells, columns=CELL)
    summary = summarize(read_measurements(snakemake.input), cells, snakemake.params.baseline)
    summary.to_csv(snakemake.output[0], index=False, lineterminator="\n", float_format="%.6g")


if __name__ == "__main__":
    run_script(main, snakemake)  # noqa: F821
