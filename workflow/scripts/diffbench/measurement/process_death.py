"""How the measuring process died, as a row's status and detail, or as an error of the set-up."""

import os
import resource
import signal
from pathlib import Path

from diffbench.vocabulary.errors import SetupError, one_line

from .session import UNREPORTED

FAULT = "fault"  # the status of a death that is no outcome of a cell
FAULTS = {  # signals that no program sends to itself, and what they mean
    signal.SIGBUS: "a file in memory cannot be read or written: look for a full /dev/shm, and at `dmesg`",
    signal.SIGXCPU: "raise `ulimit -t`",
    signal.SIGXFSZ: "raise `ulimit -f`",
    **dict.fromkeys(
        (
            *(signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2),
            *(signal.SIGALRM, signal.SIGVTALRM, signal.SIGPROF, signal.SIGPIPE, signal.SIGIO),
        ),
        "somebody stopped it: start it again",
    ),
}
REMEDIES = {  # of a limit that was reached while libraries were imported
    "timeout": "raise the time limit",
    "oom": "raise the memory limit, or use a machine with more memory",
}


def kernel_oom_kills():
    """How many processes the kernel has killed for want of memory, on the machine and in this control group."""
    total = 0
    try:
        groups = Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines()
        group = next((line[3:].lstrip("/") for line in groups if line.startswith("0::")), None)
    except OSError:
        group = None
    sources = ["/proc/vmstat"] + ([f"/sys/fs/cgroup/{group}/memory.events"] if group is not None else [])
    for source in sources:
        try:
            lines = Path(source).read_text(encoding="utf-8").splitlines()
        except OSError:
            continue
        total += sum(int(line.split()[1]) for line in lines if line.startswith("oom_kill "))
    return total


def with_stuck(detail, stuck):
    """The detail of a row, with the processes that could not be killed, if there are any."""
    return f"{detail}; {stuck}" if stuck else detail


def signal_name(number):
    """SIGKILL for 9; real-time signals have no name."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return "a real-time signal"


def cpu_limit_s(wall_s):
    """The limit of a process's CPU time (`ulimit -t`) that one which has lived so long may have reached; None if none."""
    _, limit_s = resource.getrlimit(resource.RLIMIT_CPU)
    return limit_s if 0 <= limit_s <= wall_s * os.cpu_count() + 1 and limit_s != resource.RLIM_INFINITY else None


def describe_death(returncode, oom_kills, limit_s=None):
    """(status, detail) of a child that ended by itself before it had reported every stage; `limit_s` is the limit of its CPU
    time, if it may have reached it."""
    if returncode == -signal.SIGKILL and oom_kills:
        return "oom", "killed by the kernel: the machine or its control group ran out of host memory"
    if returncode == -signal.SIGKILL and limit_s is not None:
        return FAULT, f"killed by signal 9 (SIGKILL) under a limit of {limit_s} s of CPU time; raise `ulimit -t`"
    if -returncode in FAULTS:
        return FAULT, f"killed by signal {-returncode} ({signal_name(-returncode)}); {FAULTS[-returncode]}"
    if returncode == UNREPORTED:
        return FAULT, "it could not write what it measured; make room in the folder for temporary files, or set TMPDIR"
    if returncode < 0:
        return "crashed", f"killed by signal {-returncode} ({signal_name(-returncode)})"
    return "crashed", f"the measuring process ended with exit code {returncode} before its work was done"


def check_begun(events, death, log, since):
    """Raises SetupError where the measuring process ended while it imported torch and diffusers, so that nothing of the cell was
    tried, or by what is no outcome of a cell. Numbers that stand already are kept.

    `death` is None or (status, detail); `log` is the path of what it printed, `since` the size that this file had before.
    Returns the death as a row has it.
    """
    phases = [event["phase"] for event in events if event["event"] == "phase"]
    if not death and any(event["stage"] for event in events):
        return None
    status, detail = death or ("crashed", "a library ended the measuring process with exit code 0")
    if not phases:
        said = "" if status in REMEDIES else last_line(log, since)
        remedy = REMEDIES.get(status, "see the log, and start it again")
        raise SetupError(f"measuring cannot start here: {detail}{': ' * bool(said)}{said}; {remedy}")
    if status != FAULT:
        return death
    if phases[-1] != "evidence":
        raise SetupError(f"the measuring process ended in phase {phases[-1]}: {detail}")
    return "crashed", detail


def last_line(path, since):
    """The last line that was added to a log since it had that size; an empty text if there is none."""
    try:
        with open(path, "rb") as file:
            file.seek(since)
            lines = file.read().decode("utf-8", "replace").splitlines()
    except OSError:
        return ""
    return next((one_line(line, 120) for line in reversed(lines) if line.strip()), "")
