"""How the measuring process died, as a row's status and detail, or as an error of the set-up."""

from __future__ import annotations

import os
import resource
import signal
from pathlib import Path
from typing import TYPE_CHECKING

from diffbench.libraries.failure import Outcome
from diffbench.vocabulary.errors import SetupError, one_line

from .session import UNREPORTED

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

FAULT = "fault"  # the status of a death that is no outcome of a cell
FAULTS: dict[int, str] = {  # signals that no program sends to itself, and what they mean
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


def kernel_oom_kills() -> int:
    """How many processes the kernel has killed for lack of memory, on the machine and in this control group."""
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


def add_stuck(detail: str, stuck: str | None) -> str:
    """The detail of a row, with the processes that could not be killed, if any."""
    return f"{detail}; {stuck}" if stuck else detail


def signal_name(number: int) -> str:
    """The name of a signal, such as SIGKILL for 9; real-time signals have none."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return "a real-time signal"


def cpu_limit_s(wall_s: float) -> int | None:
    """The limit on a process's CPU time (`ulimit -t`) that may have been reached after this wall time; None if none."""
    _, limit_s = resource.getrlimit(resource.RLIMIT_CPU)
    return limit_s if 0 <= limit_s <= wall_s * (os.cpu_count() or 1) + 1 and limit_s != resource.RLIM_INFINITY else None


def describe_death(returncode: int, oom_kills: int, limit_s: int | None = None) -> Outcome:
    """The Outcome of a child that ended by itself before it had reported every stage; `limit_s` is the limit on its CPU
    time, if it may have reached it."""
    if returncode == -signal.SIGKILL and oom_kills:
        return Outcome("oom", "killed by the kernel: the machine or its control group ran out of host memory")
    if returncode == -signal.SIGKILL and limit_s is not None:
        return Outcome(
            FAULT, f"killed by signal 9 (SIGKILL) under a limit of {limit_s} s of CPU time; raise `ulimit -t`"
        )
    if -returncode in FAULTS:
        return Outcome(FAULT, f"killed by signal {-returncode} ({signal_name(-returncode)}); {FAULTS[-returncode]}")
    if returncode == UNREPORTED:
        return Outcome(
            FAULT, "it could not write what it measured; make room in the folder for temporary files, or set TMPDIR"
        )
    if returncode < 0:
        return Outcome("crashed", f"killed by signal {-returncode} ({signal_name(-returncode)})")
    return Outcome("crashed", f"the measuring process ended with exit code {returncode} before its work was done")


def check_begun(events: Sequence[dict[str, Any]], death: Outcome | None, log: str | Path, since: int) -> Outcome | None:
    """The Outcome of the measuring process for the rows of its unfinished stages; None if it ended by itself after its
    work.

    `death` is None if it exited with code 0; `log` is the path of its output, `since` the size of that file before. Raises
    SetupError if the process ended while it imported torch and diffusers, so that nothing of the cell was tried, or because
    of a fault that is not an outcome of the cell. Numbers that are already measured are kept.
    """
    phases = [event["phase"] for event in events if event["event"] == "phase"]
    if not death and any(event["stage"] for event in events):
        return None
    status, detail = death or Outcome("crashed", "a library ended the measuring process with exit code 0")
    if not phases:
        said = "" if status in REMEDIES else last_line(log, since)
        remedy = REMEDIES.get(status, "see the log, and start it again")
        raise SetupError(f"measuring cannot start here: {detail}{': ' * bool(said)}{said}; {remedy}")
    if status != FAULT:
        return death
    if phases[-1] != "evidence":
        raise SetupError(f"the measuring process ended in phase {phases[-1]}: {detail}")
    return Outcome("crashed", detail)


def last_line(path: str | Path, since: int) -> str:
    """The last line that was added to a log after it had this size; empty if there is none."""
    try:
        with open(path, "rb") as file:
            file.seek(since)
            lines = file.read().decode("utf-8", "replace").splitlines()
    except OSError:
        return ""
    return next((one_line(line, 120) for line in reversed(lines) if line.strip()), "")
