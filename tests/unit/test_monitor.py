"""What the parent notes of the machine while calls are measured."""

import os
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest

from measurement.monitor import Gpu, Monitor

SPIN = "import time; end = time.monotonic() + {seconds}\nwhile time.monotonic() < end: pass"


class Nvml:
    """A driver that tells of a device with a largest SM clock of 1000 MHz; what it lacks it refuses as NVML does."""

    NVML_CLOCK_SM, NVML_TEMPERATURE_GPU = 1, 0

    class NVMLError(Exception):
        pass

    def __init__(self, **samples):
        self.samples = samples

    def __getattr__(self, name):
        if name not in self.samples:
            raise AttributeError(name)
        values = self.samples[name]

        def read(handle, *arguments):
            value = values.pop(0) if isinstance(values, list) else values
            if value is None:
                raise self.NVMLError("not supported")
            return value

        return read


def watched(seconds=(0, 1, 2, 3), **samples):
    """A Monitor that has sampled such a device at these times."""
    gpu = Gpu.__new__(Gpu)
    gpu.nvml, gpu.handle, gpu.largest_mhz = Nvml(**samples), None, 1000
    monitor = Monitor("none")
    monitor.gpu = gpu
    for at_s in seconds:
        monitor.sample(os.getpid(), at_s)
    return monitor


def test_energy_is_the_counters_growth_over_the_window_an_image():
    monitor = watched(nvmlDeviceGetTotalEnergyConsumption=[1000, 101_000, 301_000, 401_000])
    assert monitor.columns(0.5, 2.5, 10)["energy_per_image_j"] == pytest.approx((351 - 51) / 10)
    assert "energy_per_image_j" not in monitor.columns(0.5, 3.5, 10), "the counter was not read after it"


def test_clocks_power_and_limits_are_of_the_window_alone():
    monitor = watched(
        nvmlDeviceGetClockInfo=[100, 900, 700, 100],
        nvmlDeviceGetPowerUsage=[1, 300_000, 500_000, 1],
        nvmlDeviceGetTemperature=[99, 70, 72, 99],
        nvmlDeviceGetCurrentClocksEventReasons=[0x40, 0x1, 0x4, 0x40],
    )
    columns = monitor.columns(0.5, 2.5, 1)
    assert columns["sm_clock_mhz"] == 800
    assert columns["low_clock_percent"] == 50
    assert columns["power_w"] == 400
    assert columns["temperature_c"] == 72
    assert columns["clock_limits"] == "power cap", "0x1 is idle, which limits nothing"


def test_an_older_driver_tells_of_the_reasons_under_their_old_name():
    monitor = watched(nvmlDeviceGetCurrentClocksThrottleReasons=0x8)
    assert monitor.columns(0, 3, 1)["clock_limits"] == "hardware slowdown"


def test_a_foreign_process_on_the_device_is_counted_and_our_own_is_not():
    own = subprocess.Popen([sys.executable, "-c", SPIN.format(seconds=20)])
    users = [SimpleNamespace(pid=os.getpid()), SimpleNamespace(pid=own.pid), SimpleNamespace(pid=1)]
    try:
        assert watched(nvmlDeviceGetComputeRunningProcesses=[users] * 4).columns(0, 3, 1)["device_processes"] == 1
        alone = watched(nvmlDeviceGetComputeRunningProcesses=[users[:2]] * 4)
        assert alone.columns(0, 3, 1)["device_processes"] == 0
    finally:
        own.kill()


def test_pids_of_the_host_are_not_taken_for_another_run():
    """A container's driver may know the run by a pid that nobody here has."""
    users = [SimpleNamespace(pid=10**9)]
    assert watched(nvmlDeviceGetComputeRunningProcesses=[users] * 4).columns(0, 3, 1)["device_processes"] == 0
    users.append(SimpleNamespace(pid=10**9 + 1))
    assert watched(nvmlDeviceGetComputeRunningProcesses=[users] * 4).columns(0, 3, 1)["device_processes"] == 1


def test_a_clock_that_cannot_be_read_loses_nothing_else(monkeypatch):
    import psutil

    def refuse():
        raise NotImplementedError("can't find current frequency file")

    monkeypatch.setattr(psutil, "cpu_freq", refuse)
    monitor = Monitor("cpu")
    monitor.sample(os.getpid(), 1.0)
    (sample,) = monitor.samples
    assert sample["cpu_clock_mhz"] is None
    assert sample["total_s"] > 0


def test_what_the_driver_does_not_tell_is_left_empty():
    columns = watched(nvmlDeviceGetPowerUsage=None).columns(0, 3, 1)
    assert {name: value for name, value in columns.items() if value is not None} == {}


def test_other_processes_take_cpu_time_from_a_run():
    """The run sleeps; as many processes as there are CPUs spin beside it."""
    run = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(30)"])
    others = [subprocess.Popen([sys.executable, "-c", SPIN.format(seconds=30)]) for _ in range(os.cpu_count())]
    monitor = Monitor("cpu")
    try:
        time.sleep(0.5)
        for _ in range(8):
            monitor.sample(run.pid, time.monotonic())
            time.sleep(0.1)
    finally:
        for process in (run, *others):
            process.kill()
            process.wait()
    times = [sample["at_s"] for sample in monitor.samples]
    assert monitor.columns(times[1], times[-2], 1)["other_cpu_percent"] > 50


def test_a_run_that_has_ended_is_no_error():
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    monitor = Monitor("cpu")
    monitor.sample(ended.pid, 1.0)
    assert monitor.samples == []
    assert monitor.columns(0, 2, 1)["clock_limits"] is None
