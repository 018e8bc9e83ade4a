"""Rule `measurements`: the rows and the calls of all runs, each in one CSV, checked."""

from diffbench.terminal.rule_script import Snakemake, run_script

from pathlib import Path

import pandas as pd

from diffbench.data.errors import AGAIN, AGAIN_BESIDE
from diffbench.data.measurements import read_calls, read_files
from diffbench.data.run_checks import check_calls, check_definitions, check_stages
from diffbench.vocabulary.columns import IDENTITY


def main(snakemake: Snakemake) -> None:
    """`input.runs` are the run.csv files of the dataset, each with its calls.csv next to it; `rows` and `calls` come from other
    machines, and planning has checked their definitions."""
    runs = snakemake.input.runs
    rows, counts = read_files([*runs, *snakemake.input.rows])
    check_definitions(runs, rows, counts, snakemake.params.cells, AGAIN)
    paths = [path for path, count in zip(runs, counts) for _ in range(count)]
    check_stages(zip(paths, zip(*(rows[axis] for axis in IDENTITY))), AGAIN)
    calls = read_calls([Path(path).with_name("calls.csv") for path in runs])
    check_calls(runs, rows, counts, calls, AGAIN_BESIDE)
    pd.DataFrame(rows).to_csv(snakemake.output.rows, index=False, lineterminator="\n")
    calls = pd.concat([calls, read_calls(snakemake.input.calls)], ignore_index=True) if snakemake.input.calls else calls
    calls.to_csv(snakemake.output.calls, index=False, lineterminator="\n")


if __name__ == "__main__":
    run_script(main, snakemake)  # noqa: F821
