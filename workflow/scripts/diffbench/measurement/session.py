"""The processes of a run: all processes in the session that the measuring process leads, such as a compiler's workers."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from diffbench.system.printing import say

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

FORKSERVER, SPAWN = START_METHODS = ("forkserver", "spawn")  # the words of Python's multiprocessing
KILL_S = 30.0  # a process that has not died by then waits in the kernel for a driver or a file system
POLL_S = 0.1
PR_SET_PDEATHSIG = 1  # prctl(2)
UNREPORTED = 74  # exit code of a measuring process that could not write its report (EX_IOERR of sysexits.h)
PROGRAM = Path(__file__).resolve().parents[2] / "measuring_process.py"


def die_with_parent() -> None:
    """In the child: be killed when the parent dies, so that no orphan keeps the device. Linux only."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def session_pids(session: int) -> list[int]:
    """The pids of the processes in a session, in any process group."""
    found = []
    for pid in psutil.pids():
        try:
            if os.getsid(pid) == session:
                found.append(pid)
        except OSError:  # it has just ended
            continue
    return found


def resident_kib(pid: int) -> float:
    """Resident memory of a process: a page that n processes share counts in each of them. Raises OSError, ValueError."""
    return int(Path(f"/proc/{pid}/statm").read_text(encoding="utf-8").split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**10


def proportional_kib(pid: int) -> float:
    """Proportional set size of a process: a page that n processes share counts as 1/n in each (man 5 proc). Resident memory
    if the kernel does not report it. Raises OSError, ValueError.

    The kernel walks all pages for it: about 9 ms per GiB of pages of 4 KiB.
    """
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="utf-8").splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    except (OSError, StopIteration):
        return resident_kib(pid)


def total_mib(session: int, kib_of: Callable[[int], float], template: int | None = None) -> float:
    """The sum of `resident_kib` or `proportional_kib` over a session's processes and the process `template`, in MiB; 0
    without /proc."""
    total_kib = 0.0
    for pid in session_pids(session) + ([template] if template else []):
        try:
            total_kib += kib_of(pid)
        except (OSError, ValueError):  # it has just ended
            continue
    return total_kib / 2**10


def is_dead(pid: int) -> bool:
    """Whether a process has ended, even if its parent has not collected it yet."""
    try:
        return psutil.Process(pid).status() in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
    except psutil.Error:
        return True


def kill_session(process: Any) -> str | None:
    """Kill the child and all processes in its session, and collect it.

    Returns None, or one line about processes that the kernel has not ended after KILL_S seconds; the line is also printed.
    """
    deadline_s = time.monotonic() + KILL_S
    while True:
        for pid in session_pids(process.pid):
            try:
                os.kill(pid, signal.SIGKILL)
            except OSError:
                continue
        try:
            process.wait(timeout=POLL_S)
        except subprocess.TimeoutExpired:
            pass
        alive = [pid for pid in session_pids(process.pid) if not is_dead(pid)]
        if not alive:
            return None
        if time.monotonic() > deadline_s:
            break
        time.sleep(0.01)
    stuck = (
        f"process {', '.join(map(str, alive))} could not be killed within {KILL_S:g} s and still holds the device: see "
        f"`ps -o pid,stat,wchan,args {alive[0]}`; if it does not end, restart the machine"
    )
    say(stuck)
    return stuck


def is_being_killed(pid: int) -> bool:
    """Whether a process has received SIGKILL and has not died yet; False if that is unknown."""
    try:
        fields = dict(
            line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
        )
        pending = int(fields["ShdPnd"], 16) | int(fields["SigPnd"], 16)
    except (OSError, KeyError, ValueError):
        return False
    return bool(pending >> (signal.SIGKILL - 1) & 1) and not is_dead(pid)
