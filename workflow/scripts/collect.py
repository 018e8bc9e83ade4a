"""Rule `measurements`: the rows and the calls of all runs, each in one CSV, checked."""

import pandas as pd

from reporting.errors import run_script
from reporting.read import read_calls, read_texts


def main(snakemake):
    rows = pd.DataFrame(read_texts(snakemake.input.rows))
    rows.to_csv(snakemake.output.rows, index=False, lineterminator="\n")
    read_calls(snakemake.input.calls).to_csv(snakemake.output.calls, index=False, lineterminator="\n")


if __name__ == "__main__":
    run_script(main, snakemake)  # noqa: F821
