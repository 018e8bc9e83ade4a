"""Watching the machine while calls are measured, from the parent: clocks, power, energy, memory and other processes of the GPU by
NVML; the host's CPU time and clock (host_counters.py)."""

import json

import numpy
import psutil

from diffbench.vocabulary.thresholds import LOW_CLOCK

from .gpu_samples import LIMITS, MIB, Own, open_gpu
from .host_counters import Host


class Edges:
    """Notices when the measuring process reports that its measured calls start or end, from the file of its events."""

    def __init__(self, path):
        self.path, self.place = path, 0

    def passed(self):
        """Whether it has done so since the last time of asking."""
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
    """Samples of the machine at `sample`, and the columns that they give for a window of time.

    `gpu_uuid` names the GPU of the run, if it has one. `events` is the file of its events: the host is sampled at the window's
    edges, and between them only about once per second, for that takes time on a large machine; without it, each time.
    """

    def __init__(self, gpu_uuid=None, events=None):
        self.gpu = open_gpu(gpu_uuid) if gpu_uuid else None
        self.edges = Edges(events) if events else None
        self.host = Host()
        self.own = None
        self.samples = []

    def sample(self, pid, at_s):
        """Note how the machine is; `pid` leads the session of the run, `at_s` is the monotonic clock."""
        if self.own is None or self.own.session != pid:
            self.own = Own(pid)
        at_edge = self.edges is None or self.edges.passed()
        sample = {"at_s": at_s}
        try:
            if self.gpu:
                sample.update(self.gpu.sample(self.own))
            if at_edge or self.host.is_due():
                sample.update(self.host.sample(pid))
        except (psutil.Error, OSError):
            return  # the run has just ended, or the machine does not report it
        self.samples.append(sample)

    def values(self, name, start_s, end_s):
        """What the samples within the window say, without those that say nothing."""
        inside = [sample for sample in self.samples if start_s <= sample["at_s"] <= end_s]
        return [sample[name] for sample in inside if sample.get(name) is not None]

    def growth(self, name, start_s, end_s):
        """By how much a counter grew in the window, between samples by interpolation; None where it was not read around it."""
        known = [(sample["at_s"], sample[name]) for sample in self.samples if sample.get(name) is not None]
        if not known or known[0][0] > start_s or known[-1][0] < end_s:
            return None
        start, end = numpy.interp([start_s, end_s], *zip(*known))
        return float(end - start)

    def columns(self, start_s, end_s, images):
        """The columns of a row whose calls were measured from `start_s` to `end_s` and made `images` images."""
        columns = {}
        clocks = self.values("sm_clock_mhz", start_s, end_s)
        if clocks:
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

    def start_columns(self, start_s, end_s):
        """The columns of a row whose stage began at `start_s` and had its measured calls from `end_s` on."""
        held = self.values("process_bytes", start_s, end_s)
        return {"start_peak_process_mib": max(held) / MIB} if held else {}

    def cpu_columns(self, start_s, end_s):
        """How busy the host was, what share of its CPU time others took, and the CPU's clock."""
        columns = {}
        total, idle, own = (self.growth(name, start_s, end_s) for name in ("total_s", "idle_s", "own_s"))
        if total:
            columns["other_cpu_percent"] = 100 * max(0.0, total - idle - own) / total
            columns["host_busy_cores"] = max(0.0, total - idle) / (end_s - start_s)
        clocks = self.values("cpu_clock_mhz", start_s, end_s)
        if clocks:
            columns["cpu_clock_mhz"] = float(numpy.median(clocks))
            columns["cpu_clock_lowest_mhz"] = float(min(clocks))
        return columns
