"""The lines that `snakemake` prints before its first job and after its last one."""

import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from diffbench.data.types import AnyPath

from . import job_lines
from .progress import Progress, Run

MEASURING = job_lines.MEASURING


def describe_table(plan: Any, measuring: int, total: int, so_far: str, left_out: Sequence[str]) -> list[str]:
    """The lines above the progress table that explain it. `measuring`: how many of the `total` runs are to be measured;
    `so_far`: the command of the target so_far; `left_out`: lines about cells that the config leaves out."""
    baseline = ", ".join(f"{axis} {value}" for axis, value in plan.config["baseline"].items())
    done = f"{total - measuring} of {total} runs are measured already" if measuring < total else f"{total} runs"
    return [
        *left_out,
        f"{done}. Speed-ups are relative to the baseline ({baseline}) in the same round; images are compared at the end.",
        f"Tables of the results so far: {so_far}",
    ]


def show_progress(
    logger: logging.Logger, plan: Any, dag: Any, path_of: Callable[[Run], AnyPath], so_far: str, left_out: Sequence[str]
) -> job_lines.Display | None:
    """Print a row for each run that ends, and a line for each other job. Returns the Display; None if another plugin writes to
    the terminal. `dag`: Snakemake's; `path_of`: returns the path of a run's run.csv."""
    needed = [dict(job.wildcards.items()) for job in dag.needrun_jobs() if job.rule.name == MEASURING]
    if not needed:
        return job_lines.show(logger, None, [])
    total = sum(job.rule.name == MEASURING for job in dag.jobs)
    progress = Progress(plan.config, needed, total - len(needed), path_of, time.monotonic())
    return job_lines.show(logger, progress, describe_table(plan, len(needed), total, so_far, left_out))


def print_tables(folder: Path, since: float, left_out: Sequence[str]) -> None:
    """Print the tables in a folder of results, if they were made after `since`, and the path of the folder."""
    path = folder / "tables.md"
    if path.is_file() and path.stat().st_mtime >= since:
        print(path.read_text(encoding="utf-8"))
        print(*left_out, f"Results: {folder}/", sep="\n")
