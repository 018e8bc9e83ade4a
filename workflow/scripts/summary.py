"""Rules `summary` and `measured_summary`: one row per cell and stage."""

from diffbench.terminal.rule_script import Snakemake, run_script

from collections.abc import Sequence

import pandas as pd

from diffbench.data.measurements import read_files, remedy_of, to_frame
from diffbench.data.run_checks import check_calls
from diffbench.documents.render import write_summary
from diffbench.statistics.summary import summarize
from diffbench.statistics.summary_inputs import read_evidence
from diffbench.vocabulary.columns import CELL


def listed(paths: str | Sequence[str]) -> list[str]:
    """A list of paths, also if Snakemake gives a single path."""
    return [paths] if isinstance(paths, str) else list(paths)


def main(snakemake: Snakemake) -> None:
    """`params.cells` are those of the matrix; a committed dataset has only the cells of its rows."""
    rows, calls = snakemake.input.rows, listed(snakemake.input.calls)
    columns, counts = read_files([rows])
    measurements = to_frame(columns)
    fidelity, ceilings = listed(snakemake.input.fidelity), listed(snakemake.input.ceilings)
    evidence = read_evidence(calls, fidelity, ceilings, snakemake.input.gpus)
    if evidence.calls is not None:
        check_calls([rows], columns, counts, evidence.calls, remedy_of(rows), complete=False)
    planned = snakemake.params.get("cells")
    cells = pd.DataFrame(planned, columns=CELL) if planned else measurements[CELL].drop_duplicates()
    write_summary(summarize(measurements, cells, snakemake.params.baseline, evidence), snakemake.output[0])


if __name__ == "__main__":
    run_script(main, snakemake)  # noqa: F821
