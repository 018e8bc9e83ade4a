"""How many CPU threads torch uses: by default the physical cores that this process may use, whatever Snakemake was given."""

import math
import os
from pathlib import Path

from diffbench.vocabulary.errors import SetupError

CPUS = Path("/sys/devices/system/cpu")
CGROUPS = Path("/sys/fs/cgroup")


def usable_cpus():
    """The numbers of the logical CPUs that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def count_cores(cpus, folder=CPUS):
    """How many physical cores these logical CPUs belong to; each is one where the kernel does not say."""
    cores = set()
    for cpu in cpus:
        try:
            cores.add((folder / f"cpu{cpu}" / "topology" / "thread_siblings_list").read_text(encoding="utf-8").strip())
        except OSError:
            cores.add(cpu)
    return len(cores)


def cpu_quota(membership=None, root=CGROUPS):
    """How many CPUs' worth of time the control groups of this process grant it; None where they set no limit, or none is known.

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
            limits += [read_quota(folder, "cpu.max") for folder in upwards(root, group)]
        elif "cpu" in controllers.split(","):
            limits += [read_quota(folder, "cpu.cfs_quota_us") for folder in upwards(root / controllers, group)]
            limits += [read_quota(folder, "cpu.cfs_quota_us") for folder in upwards(root / "cpu", group)]
    return min(filter(None, limits), default=None)


def upwards(root, group):
    """The folder of a control group and of those that it is in."""
    folder = root / group
    return [folder, *folder.parents[: len(folder.parts) - len(root.parts)]]


def read_quota(folder, name):
    """The CPUs that a control group's folder grants; None without a limit."""
    try:
        quota, *period = (folder / name).read_text(encoding="utf-8").split()
        period = period or (folder / "cpu.cfs_period_us").read_text(encoding="utf-8").split()
        return int(quota) / int(period[0]) if int(quota) > 0 else None
    except (OSError, ValueError):  # no such file, or "max"
        return None


def default_threads():
    """The physical cores that this process may use, or fewer if its control group grants less time."""
    cores = count_cores(usable_cpus())
    return max(1, min(cores, math.floor(cpu_quota() or cores)))


def check_threads(threads, key):
    """Raises SetupError where there are more threads than CPUs to run them on; `key` is what the user has set."""
    usable = len(usable_cpus())
    if threads > usable:
        raise SetupError(f"{key}: found {threads}, but this process may use {usable} CPU(s); lower it, or leave it out")
