"""Limits of a run within a job's allocation on a cluster: they are below the job's, so that a run that is too big ends as a
row and not as a lost job."""

from __future__ import annotations

import math
from typing import NamedTuple, Optional

from diffbench.vocabulary.errors import SetupError

RESERVED_MIB = 1000  # for Snakemake, which a job starts twice, and the parent: three processes of 100 to 250 MiB
RESERVED_S = 90  # for Snakemake's start before the run, and the rows' way to a shared disk after it
LEAST_MIB = 200  # nothing that measures takes less
ORIGIN = ", which the job's allocation leaves: raise `job` in config/gpus.yaml and delete this run"
MOST_WAITING = 0.5  # share of the time that waiting for the device may take


class Limits(NamedTuple):
    """The time and host memory that a run may use (None: no limit). `…_origin` says where a limit comes from, if not from
    the config."""

    time_s: float
    memory_mib: Optional[float]
    time_origin: str = ""
    memory_origin: str = ""


def lower_limits(
    time_limit_s: float, memory_limit_mib: float | None, allocated_mib: int, allocated_minutes: int, waited_s: float
) -> Limits:
    """The Limits of the run: the given ones, lowered to what the allocation leaves; an allocation of 0 means none.
    `waited_s` is the part of the time that the run has already waited for the device.

    Raises SetupError if too little is left to judge a run.
    """
    time_origin = memory_origin = ""
    if allocated_minutes:
        whole_s = 60 * allocated_minutes - RESERVED_S
        check_left(whole_s > 0, f"{allocated_minutes} min", f"{RESERVED_S} s")
        if waited_s > MOST_WAITING * whole_s:
            raise SetupError(
                f"the device was busy for {waited_s:.0f} s of the job's {allocated_minutes} minutes; start the run again, "
                "and have the cluster give the device to one job alone"
            )
        if whole_s - waited_s < time_limit_s:
            time_limit_s, time_origin = whole_s - waited_s, ORIGIN
    if allocated_mib:
        left_mib = allocated_mib - RESERVED_MIB
        check_left(left_mib >= LEAST_MIB, f"{allocated_mib} MiB", f"{RESERVED_MIB} MiB")
        if left_mib < (memory_limit_mib or math.inf):
            memory_limit_mib, memory_origin = left_mib, ORIGIN
    return Limits(time_limit_s, memory_limit_mib, time_origin, memory_origin)


def check_left(enough: bool, allocated: str, reserved: str) -> None:
    """Raises SetupError if the allocation is not above what is reserved."""
    if not enough:
        raise SetupError(
            f"the job's allocation is {allocated}, of which {reserved} are not the run's; raise `job` in config/gpus.yaml"
        )
