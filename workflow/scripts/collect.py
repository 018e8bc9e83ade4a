"""Rule `measurements`: the rows and the calls of all runs, each in one CSV, checked."""

from scripting import run_script

from pathlib import Path

import pandas as pd

from reporting.errors import AGAIN, AGAIN_BESIDE
from reporting.own_runs import check_calls, check_definitions
from reporting.read import read_calls, read_files


def main(snakemake):
    """`input.runs` are the run.csv of the dataset, each with its calls.csv beside it; `rows` and `calls` come from elsewhere,
    and were held against their definitions when planned."""
    found = snakemake.input
    rows, counts = read_files([*found.runs, *found.rows])
    check_definitions(found.runs, rows, counts, snakemake.params.cells, AGAIN)
    calls = read_calls([*(Path(path).with_name("calls.csv") for path in found.runs), *found.calls])
    check_calls(found.runs, rows, counts, calls, AGAIN_BESIDE)
    pd.DataFrame(rows).to_csv(snakemake.output.rows, index=False, lineterminator="\n")
    calls.to_csv(snakemake.output.calls, index=False, lineterminator="\n")


if __name__ == "__main__":
    run_script(main, snakemake)  # noqa: F821
