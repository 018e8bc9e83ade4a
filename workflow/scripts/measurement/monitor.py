"""Watching the machine while calls are measured, from the parent: clocks, power, energy and other processes of the GPU by
NVML; the CPU time that others take, and the CPU's clock, where the CPU is what is measured."""

import numpy
import psutil

from thresholds import LOW_CLOCK

from .device import query_nvidia

MIB = 2**20
LIMITS = {  # bits of NVML's clocks event reasons (nvml.h) that slow a device down
    0x4: "power cap",
    0x8: "hardware slowdown",
    0x20: "software thermal slowdown",
    0x40: "hardware thermal slowdown",
    0x80: "hardware power brake",
}


class Gpu:
    """The GPU of the run, by NVML. What the driver does not tell is left out."""

    def __init__(self, uuid):
        import pynvml

        self.nvml = pynvml
        pynvml.nvmlInit()
        self.handle = pynvml.nvmlDeviceGetHandleByUUID(uuid)
        self.largest_mhz = self.read("nvmlDeviceGetMaxClockInfo", pynvml.NVML_CLOCK_SM)

    def read(self, function, *arguments):
        """What a function of NVML says of the device; None where the device, the driver or the package cannot say it."""
        try:
            return getattr(self.nvml, function)(self.handle, *arguments)
        except Exception:  # NVMLError, a driver that lacks the function: no reason to lose a measurement
            return None

    def sample(self, process):
        """One sample; `process` leads the run's own."""
        reasons = self.read("nvmlDeviceGetCurrentClocksEventReasons")
        if reasons is None:
            reasons = self.read("nvmlDeviceGetCurrentClocksThrottleReasons")
        memory = self.read("nvmlDeviceGetMemoryInfo")
        users = self.read("nvmlDeviceGetComputeRunningProcesses")
        return {
            "sm_clock_mhz": self.read("nvmlDeviceGetClockInfo", self.nvml.NVML_CLOCK_SM),
            "power_mw": self.read("nvmlDeviceGetPowerUsage"),
            "energy_mj": self.read("nvmlDeviceGetTotalEnergyConsumption"),
            "temperature_c": self.read("nvmlDeviceGetTemperature", self.nvml.NVML_TEMPERATURE_GPU),
            "limits": reasons,
            "used_bytes": None if memory is None else memory.used,
            "others": None if users is None else count_others({user.pid for user in users}, process),
        }


def count_others(users, process):
    """How many of the pids are not of the run that `process` leads.

    In a container a driver may give the pids of the host, among which the run's own cannot be told: then it counts as one.
    """
    others = users - {process.pid}
    if others:
        others -= {child.pid for child in process.children(recursive=True)}
    return len(others) - (1 if others and others == users else 0)


def cpu_clock_mhz():
    """The CPU's clock as the machine tells it, the mean over its CPUs; None where it does not."""
    try:
        return psutil.cpu_freq().current
    except Exception:  # psutil reads files that differ from machine to machine
        return None


def find_gpu():
    """The Gpu that the run will use; None where NVML cannot tell of it."""
    found = query_nvidia("uuid")
    try:
        return Gpu(found[0]) if found else None
    except Exception:  # no package, no library, no permission: the measurement does not depend on it
        return None


class Monitor:
    """Samples of the machine at `sample`, and the columns that they give for a window of time."""

    def __init__(self, device_type):
        self.gpu = find_gpu() if device_type == "cuda" else None
        self.on_cpu = device_type == "cpu"
        self.samples = []

    def sample(self, pid, at_s):
        """Note how the machine is; `pid` leads the processes of the run, `at_s` is the monotonic clock."""
        sample = {"at_s": at_s}
        try:
            process = psutil.Process(pid)
            if self.gpu:
                sample.update(self.gpu.sample(process))
            if self.on_cpu:
                own, total = process.cpu_times(), psutil.cpu_times()
                sample["own_s"] = own.user + own.system
                sample["idle_s"] = total.idle + getattr(total, "iowait", 0.0)
                sample["total_s"] = sum(total) - getattr(total, "guest", 0.0) - getattr(total, "guest_nice", 0.0)
                sample["cpu_clock_mhz"] = cpu_clock_mhz()
        except (psutil.Error, OSError):
            return  # the run has just ended, or the machine does not tell
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

    def cpu_columns(self, start_s, end_s):
        """Of a run on the CPU: the share of the machine's CPU time that other processes took, and the CPU's clock."""
        columns = {}
        total, idle, own = (self.growth(name, start_s, end_s) for name in ("total_s", "idle_s", "own_s"))
        if total:
            columns["other_cpu_percent"] = 100 * max(0.0, total - idle - own) / total
        clocks = self.values("cpu_clock_mhz", start_s, end_s)
        if clocks:
            columns["cpu_clock_mhz"] = float(numpy.median(clocks))
            columns["cpu_clock_lowest_mhz"] = float(min(clocks))
        return columns
