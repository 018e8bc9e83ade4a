"""How many CPU threads torch uses: by default the physical cores that this process may use, whatever `--cores` Snakemake
has."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import TYPE_CHECKING

from diffbench.vocabulary.errors import SetupError

if TYPE_CHECKING:
    from collections.abc import Iterable

CPUS = Path("/sys/devices/system/cpu")
CGROUPS = Path("/sys/fs/cgroup")


def usable_cpus() -> list[int]:
    """The numbers of the logical CPUs that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def count_cores(cpus: Iterable[int], folder: Path = CPUS) -> int:
    """The number of physical cores of these logical CPUs; each CPU counts as a core if the kernel does not report cores."""
    cores: set[str | int] = set()
    for cpu in cpus:
        try:
            cores.add((folder / f"cpu{cpu}" / "topology" / "thread_siblings_list").read_text(encoding="utf-8").strip())
        except OSError:
            cores.add(cpu)
    return len(cores)


def cpu_quota(membership: str | None = None, root: Path = CGROUPS) -> float | None:
    """The CPU time that the control groups of this process grant it, in CPUs; None if there is no limit or none is known.

    `membership` is the text of /proc/self/cgroup.
    """
    try:
        text = Path("/proc/self/cgroup").read_text(encoding="utf-8") if membership is None else membership
    except OSError:
        return None
    limits = []
    for line in text.splitlines():
        _, controllers, path = line.split(":", 2)
        group = path.strip("/")
        if controllers == "":
            limits += [read_quota(folder, "cpu.max") for folder in parent_groups(root, group)]
        elif "cpu" in controllers.split(","):
            limits += [read_quota(folder, "cpu.cfs_quota_us") for folder in parent_groups(root / controllers, group)]
            limits += [read_quota(folder, "cpu.cfs_quota_us") for folder in parent_groups(root / "cpu", group)]
    return min(filter(None, limits), default=None)


def parent_groups(root: Path, group: str) -> list[Path]:
    """The folder of a control group and of its parents."""
    folder = root / group
    return [folder, *folder.parents[: len(folder.parts) - len(root.parts)]]


def read_quota(folder: Path, name: str) -> float | None:
    """The CPUs that a control group's folder grants; None without a limit."""
    try:
        quota, *period = (folder / name).read_text(encoding="utf-8").split()
        period = period or (folder / "cpu.cfs_period_us").read_text(encoding="utf-8").split()
        return int(quota) / int(period[0]) if int(quota) > 0 else None
    except (OSError, ValueError):  # no such file, or "max"
        return None


def default_threads() -> int:
    """The physical cores that this process may use, or fewer if its control group grants less time."""
    cores = count_cores(usable_cpus())
    return max(1, min(cores, math.floor(cpu_quota() or cores)))


def check_threads(threads: int, key: str) -> None:
    """Raises SetupError if there are more threads than CPUs to run them on; `key` is the user's setting."""
    usable = len(usable_cpus())
    if threads > usable:
        raise SetupError(f"{key}: found {threads}, but this process may use {usable} CPU(s); lower it, or leave it out")
