"""Rule `summary`: one row a cell and stage."""

import pandas as pd

from render import write_summary
from reporting.errors import run_script
from reporting.read import read_measurements
from reporting.summary import CELL, summarize


def main(snakemake):
    cells = pd.DataFrame(snakemake.params.cells, columns=CELL)
    write_summary(
        summarize(read_measurements([snakemake.input.rows]), cells, snakemake.params.baseline), snakemake.output[0]
    )


if __name__ == "__main__":
    run_script(main, snakemake)  # noqa: F821
