"""What the parent notes of the machine while calls are measured."""

import json
import os
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import psutil
import pytest

from diffbench.measurement import host_counters
from diffbench.measurement.monitor import MIB, Monitor
from diffbench.measurement.rows import machine_columns
from diffbench.measurement.session import is_dead, kill_session, session_pids
from fake_nvml import watched

SLEEP = "import time; time.sleep(60)"
SPIN = "import time; end = time.monotonic() + {seconds}\nwhile time.monotonic() < end: pass"


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


@pytest.fixture
def run():
    """A process that leads a session, as a measuring process does, and has a child."""
    code = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {SLEEP!r}]); {SLEEP}"
    process = subprocess.Popen([sys.executable, "-c", code], start_new_session=True)
    while len(session_pids(process.pid)) < 2:
        time.sleep(0.05)
    yield process
    kill_session(process)


def users(**held_mib):
    """NVML's list of the processes on a device: what each holds, by its pid with a letter before it; None: not known."""
    return [
        SimpleNamespace(pid=int(pid[1:]), usedGpuMemory=None if held is None else held * MIB)
        for pid, held in held_mib.items()
    ]


def seen_by_nvml(pid, *samples):
    """The columns of a run that `pid` leads, where NVML lists these processes at 0 s, 1 s, ...; measured from 2 s on."""
    monitor = watched((), nvmlDeviceGetComputeRunningProcesses=list(samples))
    for at_s in range(len(samples)):
        monitor.sample(pid, at_s)
    return {**monitor.start_columns(0, 1.5), **monitor.columns(1.5, len(samples), 1)}


def test_a_foreign_process_on_the_device_is_counted_and_those_of_the_run_are_not(run):
    (child,) = set(session_pids(run.pid)) - {run.pid}
    alone = users(**{f"p{run.pid}": 1, f"p{child}": 1})
    assert seen_by_nvml(run.pid, *[alone] * 4)["device_processes"] == 0
    assert seen_by_nvml(run.pid, *[[*alone, *users(p1=1)]] * 4)["device_processes"] == 1


def test_memory_of_the_run_is_the_most_that_its_processes_held_together_in_each_period(run):
    (child,) = set(session_pids(run.pid)) - {run.pid}

    def sample(own, of_child):
        return users(**{f"p{run.pid}": own, f"p{child}": of_child, "p1": 5000})

    columns = seen_by_nvml(run.pid, sample(700, 0), sample(300, 100), sample(100, 400), sample(450, 100))
    assert columns["start_peak_process_mib"] == 700
    assert columns["peak_process_mib"] == 550


def test_each_stage_has_the_memory_of_its_own_start_and_calls(run):
    """Two stages, each 4 s: it begins, its measured calls start 2 s later and end another second later."""
    held = [users(**{f"p{run.pid}": mib}) for mib in (900, 100, 300, 10, 700, 50, 400, 20)]
    monitor = watched((), nvmlDeviceGetComputeRunningProcesses=held)
    for at_s in range(len(held)):
        monitor.sample(run.pid, at_s + 0.5)
    events = [{"event": "provenance", "stage": None, "at_s": 0}]
    for stage, begin_s in ((1, 0), (2, 4)):
        events.append({"event": "phase", "stage": stage, "at_s": begin_s})
        events.append({"event": "window", "edge": "start", "stage": stage, "at_s": begin_s + 2})
        events.append({"event": "window", "edge": "end", "stage": stage, "at_s": begin_s + 3})
    names = ("start_peak_process_mib", "peak_process_mib")
    rows = [{"stage": stage, "status": "ok", "calls": 1, "batch_size": 1} for stage in (1, 2)]
    found = [machine_columns(row, events, monitor) for row in rows]
    assert [[columns[name] for name in names] for columns in found] == [[900, 300], [700, 400]]
    failed = machine_columns({**rows[1], "status": "oom"}, events[:-1], monitor)
    assert failed == {"start_peak_process_mib": 700}, "its calls did not come to their end"


def test_memory_that_the_driver_does_not_report_is_empty_not_zero(run):
    columns = seen_by_nvml(run.pid, [], [], users(**{f"p{run.pid}": None}), users(p1=100))
    assert not {"start_peak_process_mib", "peak_process_mib"} & set(columns)
    assert columns["device_processes"] == 1


def test_pids_of_the_host_are_not_taken_for_another_run(run):
    """A container's driver may know the run by a pid that nobody here has. It is not there before the run opens the GPU."""
    columns = seen_by_nvml(run.pid, [], *[users(p1000000000=200)] * 4)
    assert columns["device_processes"] == 0
    assert columns["peak_process_mib"] == columns["start_peak_process_mib"] == 200
    columns = seen_by_nvml(run.pid, [], *[users(p1000000000=200, p1000000001=300)] * 4)
    assert columns["device_processes"] == 1
    assert "peak_process_mib" not in columns, "nobody knows which of the two it is"


def test_a_process_that_was_there_before_the_run_is_not_taken_for_it(run):
    for other in (users(p1=9000), users(p1000000000=9000)):
        columns = seen_by_nvml(run.pid, *[other] * 4)
        assert columns["device_processes"] == 1 and "start_peak_process_mib" not in columns


def test_a_clock_that_cannot_be_read_loses_nothing_else(monkeypatch, run):
    def refuse():
        raise NotImplementedError("can't find current frequency file")

    monkeypatch.setattr(psutil, "cpu_freq", refuse)
    monkeypatch.setattr(host_counters, "clock_files", list)
    monitor = Monitor()
    monitor.sample(run.pid, 1.0)
    (sample,) = monitor.samples
    assert sample["cpu_clock_mhz"] is None
    assert sample["total_s"] > 0


def test_the_clock_is_read_from_a_few_cpus(tmp_path):
    files = [tmp_path / str(cpu) for cpu in range(2)]
    for file, khz in zip(files, (2_000_000, 3_000_000)):
        file.write_text(f"{khz}\n")
    assert host_counters.clock_mhz(files) == 2500
    assert len(host_counters.clock_files()) <= host_counters.MOST_CLOCKS


def test_what_the_driver_does_not_tell_is_left_empty():
    columns = watched(nvmlDeviceGetPowerUsage=None).columns(0, 3, 1)
    assert not any(value for name, value in columns.items() if "cpu" not in name and name != "host_busy_cores")


def test_other_processes_take_cpu_time_from_a_run(run):
    """The run sleeps; as many processes as there are CPUs spin next to it. So it is for a run on a GPU."""
    others = [subprocess.Popen([sys.executable, "-c", SPIN.format(seconds=30)]) for _ in range(os.cpu_count())]
    monitor = Monitor()
    try:
        time.sleep(0.5)
        for _ in range(8):
            monitor.sample(run.pid, time.monotonic())
            time.sleep(0.1)
    finally:
        for process in others:
            process.kill()
            process.wait()
    times = [sample["at_s"] for sample in monitor.samples]
    columns = monitor.columns(times[1], times[-2], 1)
    assert columns["other_cpu_percent"] > 50
    assert os.cpu_count() / 2 < columns["host_busy_cores"] < os.cpu_count() * 1.2


def test_the_time_of_what_a_run_has_started_is_its_own():
    child = SPIN.format(seconds=60)
    code = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {child!r}], process_group=0); {SLEEP}"
    run = subprocess.Popen([sys.executable, "-c", code], start_new_session=True)
    watching = host_counters.HostSampler()
    try:
        while len(session_pids(run.pid)) < 2:
            time.sleep(0.05)
        (child,) = set(session_pids(run.pid)) - {run.pid}
        before_s = watching.own_s(run.pid)
        while (used_s := psutil.Process(child).cpu_times().user) < before_s + 0.5:
            time.sleep(0.05)
        assert watching.own_s(run.pid) - before_s >= used_s - before_s > 0
    finally:
        kill_session(run)


def test_the_own_time_never_shrinks_when_a_worker_ends(run):
    watching = host_counters.HostSampler()
    (child,) = set(session_pids(run.pid)) - {run.pid}
    watching.used_s = {psutil.Process(child): 50.0, psutil.Process(run.pid): 1.0}
    os.kill(child, signal.SIGKILL)
    while not is_dead(child):
        time.sleep(0.01)
    before_s = watching.own_s(run.pid)
    kill_session(run)
    assert watching.own_s(run.pid) == before_s > 0


def test_a_run_that_has_ended_is_no_error():
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    monitor = Monitor()
    monitor.sample(ended.pid, 1.0)
    assert monitor.samples == []
    assert monitor.columns(0, 2, 1)["clock_limits"] is None


def test_the_host_is_sampled_at_the_edges_of_the_window_and_rarely_between(tmp_path, run):
    """Ten samples per second for 3 s: the GPU's each time, the host's about once per second, and at the two edges."""
    events = tmp_path / "events.jsonl"
    monitor = Monitor(events=events)
    for number in range(30):
        if number in (13, 17):
            with open(events, "a", encoding="utf-8") as file:
                file.write(json.dumps({"event": "phase", "phase": "é"}) + "\n" + json.dumps({"event": "window"}) + "\n")
        monitor.sample(run.pid, number)
        time.sleep(0.1)
    sampled = [sample["at_s"] for sample in monitor.samples if "total_s" in sample]
    assert len(monitor.samples) == 30
    assert {0, 13, 17} <= set(sampled) and len(sampled) <= 6, sampled


def test_sampling_takes_a_small_share_of_the_time(monkeypatch, run):
    """Where a sample takes 5 ms, as on a large machine, the next one comes after 5 s."""
    watching, slow = host_counters.HostSampler(), host_counters.clock_mhz
    monkeypatch.setattr(host_counters, "clock_mhz", lambda files: time.sleep(0.005) or slow(files))
    watching.sample(run.pid)
    assert watching.next_s - time.monotonic() > 4
