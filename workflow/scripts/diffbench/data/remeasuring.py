"""The commands that measure the cells of a dataset again, which the reader's page shows."""

import shlex
from typing import NamedTuple

from diffbench.vocabulary.sizes import split_name

from .types import Row

MEASURE = "workflow/scripts/measure.py"
CELL_OF_RUNS = ["gpu", "torch", "pipeline", "batch_size", "variant"]  # a pipeline at another size is named so


class Remeasurement(NamedTuple):
    """How to measure the cells of a dataset again: with Snakemake if they have runs, otherwise with measure.py alone."""

    run_pattern: str = ""  # of its run.csv files; empty: Snakemake measures no cell of this dataset
    cells: list[str] | None = None  # CELL_OF_RUNS joined by slashes, of the cells that have runs; None: all
    rounds: int = 0  # 0: as many as were measured
    snakemake_arguments: tuple[str, ...] = ()
    sets_threads: bool = False  # whether the command of Snakemake sets the `threads` of the row
    measure_arguments: tuple[str, ...] = ()

    def command(self, row: Row) -> str:
        """The command that measures the cell of a row of a summary again."""
        cell = "/".join(str(row[axis]) for axis in CELL_OF_RUNS)
        is_run = self.run_pattern and (self.cells is None or cell in self.cells)
        return shlex.join(self.snakemake_command(row) if is_run else self.measure_command(row))

    def snakemake_command(self, row: Row) -> list[str]:
        """The words of the Snakemake command that measures the runs of a row's cell."""
        rounds = int(self.rounds or row["rounds"] or 1)
        paths = [self.run_pattern.format(**{**row, "round": number}) for number in range(1, rounds + 1)]
        words = ["snakemake", *paths, "--cores", "1", "--forcerun", "measure", *self.snakemake_arguments]
        if self.sets_threads and str(row["threads"]).isdigit():
            words += ["--config", f"threads={row['threads']}"]
        return words

    def measure_command(self, row: Row) -> list[str]:
        """The words of the command that measures a row's cell once, without Snakemake."""
        pipeline, size = split_name(row["pipeline"])
        options = {"gpu": row["gpu"], "torch": row["torch"], "pipeline": pipeline, "batch-size": row["batch_size"]}
        options |= {"size": size, "variant": row["variant"]}
        options |= {name: row[name] for name in ("weights", "scale") if row[name]}
        options |= {"threads": row["threads"]} if str(row["threads"]).isdigit() else {}
        words = [part for name, value in options.items() for part in (f"--{name}", str(value))]
        return ["python", MEASURE, *words, *self.measure_arguments, "--output", "again"]
