"""Monitoring the machine while calls are measured, from the parent: clocks, power, energy, memory and other processes of
the GPU by NVML; the host's CPU time and clock (host_counters.py)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy
import psutil

from diffbench.vocabulary.thresholds import LOW_CLOCK

from .gpu_samples import LIMITS, MIB, RunPids, open_gpu
from .host_counters import HostSampler

if TYPE_CHECKING:
    from typing import Any


class WindowEdges:
    """Detects in the file of events that the measuring process reports the start or the end of its measured calls."""

    def __init__(self, path: str) -> None:
        self.path, self.place = path, 0

    def passed(self) -> bool:
        """Whether it has reported one since the last call."""
        try:
            with open(self.path, "rb") as file:
                file.seek(self.place)
                text = file.read()
        except OSError:  # nothing is reported yet
            return False
        lines = text[: text.rfind(b"\n") + 1]
        self.place += len(lines)
        return any(json.loads(line)["event"] == "window" for line in lines.splitlines())


class Monitor:
    """Samples of the machine, taken by `sample`, and their columns for a window of time.

    `gpu_uuid` names the GPU of the run, if it has one. `events` is the file of its events: the host is sampled at the edges
    of the window, and otherwise only about once per second, because a sample takes time on a large machine; without
    `events`, each time.
    """

    def __init__(self, gpu_uuid: str | None = None, events: str | None = None) -> None:
        self.gpu = open_gpu(gpu_uuid) if gpu_uuid else None
        self.edges = WindowEdges(events) if events else None
        self.host = HostSampler()
        self.pids: RunPids | None = None
        self.samples: list[dict[str, Any]] = []

    def sample(self, pid: int, at_s: float) -> None:
        """Take one sample; `pid` leads the session of the run, `at_s` is the monotonic clock."""
        if self.pids is None or self.pids.session != pid:
            self.pids = RunPids(pid)
        at_edge = self.edges is None or self.edges.passed()
        sample = {"at_s": at_s}
        try:
            if self.gpu:
                sample.update(self.gpu.sample(self.pids))
            if at_edge or self.host.is_due():
                sample.update(self.host.sample(pid))
        except (psutil.Error, OSError):
            return  # the run has just ended, or the machine does not report it
        self.samples.append(sample)

    def values(self, name: str, start_s: float, end_s: float) -> list[Any]:
        """The known values of the samples within the window."""
        inside = [sample for sample in self.samples if start_s <= sample["at_s"] <= end_s]
        return [sample[name] for sample in inside if sample.get(name) is not None]

    def growth(self, name: str, start_s: float, end_s: float) -> float | None:
        """The growth of a counter in the window, interpolated between samples; None if there are none before and after it."""
        known = [(sample["at_s"], sample[name]) for sample in self.samples if sample.get(name) is not None]
        if not known or known[0][0] > start_s or known[-1][0] < end_s:
            return None
        at_s, counts = zip(*known)
        start, end = numpy.interp([start_s, end_s], at_s, counts)
        return float(end - start)

    def columns(self, start_s: float, end_s: float, images: int) -> dict[str, Any]:
        """The columns of a row whose calls were measured from `start_s` to `end_s` and made `images` images."""
        columns: dict[str, Any] = {}
        clocks = self.values("sm_clock_mhz", start_s, end_s)
        if clocks and self.gpu:
            columns["sm_clock_mhz"] = float(numpy.median(clocks))
            if self.gpu.largest_mhz:
                low = numpy.asarray(clocks) < LOW_CLOCK * self.gpu.largest_mhz
                columns["low_clock_percent"] = 100 * float(low.mean())
        for name, values in (
            ("temperature_c", self.values("temperature_c", start_s, end_s)),
            ("device_processes", self.values("others", start_s, end_s)),
            ("peak_device_mib", [used / MIB for used in self.values("used_bytes", start_s, end_s)]),
            ("peak_process_mib", [held / MIB for held in self.values("process_bytes", start_s, end_s)]),
        ):
            if values:
                columns[name] = max(values)
        power = self.values("power_mw", start_s, end_s)
        if power:
            columns["power_w"] = float(numpy.mean(power)) / 1000
        energy = self.growth("energy_mj", start_s, end_s)
        if energy:
            columns["energy_per_image_j"] = energy / 1000 / images
        seen = 0
        for reasons in self.values("limits", start_s, end_s):
            seen |= reasons
        names = [name for bit, name in LIMITS.items() if seen & bit]
        columns["clock_limits"] = ", ".join(names) or None
        return {**columns, **self.cpu_columns(start_s, end_s)}

    def start_columns(self, start_s: float, end_s: float) -> dict[str, Any]:
        """The columns of a row whose stage began at `start_s` and whose measured calls began at `end_s`."""
        held = self.values("process_bytes", start_s, end_s)
        return {"start_peak_process_mib": max(held) / MIB} if held else {}

    def cpu_columns(self, start_s: float, end_s: float) -> dict[str, Any]:
        """How busy the host was, the share of its CPU time that other processes took, and the CPU's clock."""
        columns = {}
        total, idle, own = (self.growth(name, start_s, end_s) for name in ("total_s", "idle_s", "own_s"))
        if total and idle is not None and own is not None:
            columns["other_cpu_percent"] = 100 * max(0.0, total - idle - own) / total
            columns["host_busy_cores"] = max(0.0, total - idle) / (end_s - start_s)
        clocks = self.values("cpu_clock_mhz", start_s, end_s)
        if clocks:
            columns["cpu_clock_mhz"] = float(numpy.median(clocks))
            columns["cpu_clock_lowest_mhz"] = float(min(clocks))
        return columns
