"""What a job's allocation on a cluster leaves for a run: its own limits lie below, so that a run that is too big ends as a row
and not as a lost job."""

from .errors import SetupError

RESERVED_MIB = 1000  # for Snakemake, which a job starts twice, and the parent: three processes of 100 to 250 MiB
RESERVED_S = 90  # for Snakemake's start before the run, and the rows' way to a shared disk after it
MOST_WAITING = 0.5  # share of the time that waiting for the device may take


def limits(time_limit_s, memory_limit_mib, allocated_mib, allocated_minutes, waited_s):
    """(seconds, MiB or None) that the run may take: the given limits, lowered to what the allocation leaves; 0 allocated means
    that there is none. `waited_s` is what waiting for the device has taken of it.

    Raises SetupError where too little is left for a run to be judged by.
    """
    if allocated_minutes:
        whole_s = 60 * allocated_minutes - RESERVED_S
        check(whole_s > 0, f"{allocated_minutes} minutes", f"{RESERVED_S} s")
        if waited_s > MOST_WAITING * whole_s:
            raise SetupError(
                f"the device was busy for {waited_s:.0f} s of the job's {allocated_minutes} minutes; start the run again, "
                "and have the cluster give the device to one job alone"
            )
        time_limit_s = min(time_limit_s, whole_s - waited_s)
    if allocated_mib:
        left_mib = allocated_mib - RESERVED_MIB
        check(left_mib > 0, f"{allocated_mib} MiB", f"{RESERVED_MIB} MiB")
        memory_limit_mib = min(memory_limit_mib or left_mib, left_mib)
    return time_limit_s, memory_limit_mib


def check(enough, allocated, reserved):
    """Raises SetupError where the allocation does not go beyond what is reserved."""
    if not enough:
        raise SetupError(
            f"the job's allocation is {allocated}, of which {reserved} are not the run's; raise `job` in config/gpus.yaml"
        )
