"""Rules `summary` and `measured_summary`: one row a cell and stage."""

import pandas as pd

from render import write_summary
from reporting.errors import run_script
from reporting.read import read_measurements
from reporting.summary import CELL, summarize


def main(snakemake):
    """`params.cells` are those of the matrix; a committed dataset has none but those of its rows."""
    measurements = read_measurements([snakemake.input.rows])
    planned = snakemake.params.get("cells")
    cells = pd.DataFrame(planned, columns=CELL) if planned else measurements[CELL].drop_duplicates()
    write_summary(summarize(measurements, cells, snakemake.params.baseline), snakemake.output[0])


if __name__ == "__main__":
    run_script(main, snakemake)  # noqa: F821
