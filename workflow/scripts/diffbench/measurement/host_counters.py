"""The host of a run: CPU time of the machine and of the run, and the CPU's clock."""

import os
import time
from pathlib import Path

import psutil

from diffbench.system.threads import usable_cpus

from .session import session_pids

PERIOD_S = 1.0  # between two samples, at least
SHARE = 0.001  # of the time at most goes into sampling: on 128 CPUs a sample takes milliseconds
MOST_CLOCKS = 8  # CPUs whose clock is read


class Host:
    """Samples of the host, no more often than their cost allows."""

    def __init__(self):
        self.next_s = 0.0
        self.clock_files = clock_files()
        self.used_s = {}

    def is_due(self):
        return time.monotonic() >= self.next_s

    def sample(self, session):
        """Seconds of CPU time since the start of the machine and of the run that `session` leads, and the CPU's clock.

        Raises psutil.Error and OSError where the machine does not give them, or the run has ended.
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

    def own_s(self, session):
        """CPU seconds that the session's processes have used, those that have ended included: it never shrinks."""
        for pid in session_pids(session):
            try:
                process = psutil.Process(pid)
                times = process.cpu_times()
            except psutil.Error:  # it has just ended
                continue
            self.used_s[process] = times.user + times.system
        return sum(self.used_s.values())


def clock_files():
    """The kernel's files of the present clock of some of the CPUs that this process may use, spread over them; in kHz."""
    cpus = usable_cpus()
    chosen = cpus[:: -(-len(cpus) // MOST_CLOCKS)]
    files = [Path(f"/sys/devices/system/cpu/cpu{cpu}/cpufreq/scaling_cur_freq") for cpu in chosen]
    return [file for file in files if file.is_file()]


def clock_mhz(files):
    """The CPU's clock as the machine reports it, the mean over these files, else over all its CPUs; None where it does not."""
    try:
        if files:
            return sum(int(file.read_text(encoding="utf-8")) for file in files) / len(files) / 1000
        return psutil.cpu_freq().current
    except Exception:  # what is there differs from machine to machine
        return None
