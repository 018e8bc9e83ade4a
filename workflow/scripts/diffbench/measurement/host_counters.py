"""The host of a run: CPU time of the machine and of the run, and the CPU's clock."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from diffbench.system.threads import usable_cpus

from .session import session_pids

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

PERIOD_S = 1.0  # between two samples, at least
SHARE = 0.001  # of the time at most goes into sampling: on 128 CPUs a sample takes milliseconds
MOST_CLOCKS = 8  # CPUs whose clock is read


class HostSampler:
    """Samples of the host, no more often than their cost allows."""

    def __init__(self) -> None:
        self.next_s = 0.0
        self.clock_files = clock_files()
        self.used_s: dict[psutil.Process, float] = {}

    def is_due(self) -> bool:
        return time.monotonic() >= self.next_s

    def sample(self, session: int) -> dict[str, Any]:
        """Seconds of CPU time since the start of the machine and of the run that `session` leads, and the CPU's clock.

        Raises psutil.Error and OSError if the machine does not report them, or the run has ended.
        """
        start_s = time.monotonic()
        os.getsid(session)
        total = psutil.cpu_times()
        sample = {
            "own_s": self.own_s(session),
            "idle_s": total.idle + getattr(total, "iowait", 0.0),
            "total_s": sum(total) - getattr(total, "guest", 0.0) - getattr(total, "guest_nice", 0.0),
            "cpu_clock_mhz": clock_mhz(self.clock_files),
        }
        end_s = time.monotonic()
        self.next_s = end_s + max(PERIOD_S, (end_s - start_s) / SHARE)
        return sample

    def own_s(self, session: int) -> float:
        """CPU seconds of the session's processes, ended ones included, so that it never shrinks."""
        for pid in session_pids(session):
            try:
                process = psutil.Process(pid)
                times = process.cpu_times()
            except psutil.Error:  # it has just ended
                continue
            self.used_s[process] = times.user + times.system
        return sum(self.used_s.values())


def clock_files() -> list[Path]:
    """The kernel's files with the current clock, in kHz, of some of the CPUs that this process may use, evenly spread."""
    cpus = usable_cpus()
    chosen = cpus[:: -(-len(cpus) // MOST_CLOCKS)]
    files = [Path(f"/sys/devices/system/cpu/cpu{cpu}/cpufreq/scaling_cur_freq") for cpu in chosen]
    return [file for file in files if file.is_file()]


def clock_mhz(files: Sequence[Path]) -> float | None:
    """The CPU's clock, the mean over these files, else over all CPUs of the machine; None if the machine does not report
    it."""
    try:
        if files:
            return sum(int(file.read_text(encoding="utf-8")) for file in files) / len(files) / 1000
        return psutil.cpu_freq().current
    except Exception:  # the files differ between machines
        return None
