"""Every number of a real run is what its calls, its events and the samples of the machine give, computed here a second time.

The run has batch size 2 and two stages of different lengths, on the CPU; a GPU is played by functions of time, so that a number
from another stage's window, or from outside any window, is another number.
"""

import shutil
import statistics
import time

import psutil
import pytest
import torch
import yaml

from conftest import ROOT
from diffbench.commands import measure
from diffbench.measurement import memory
from diffbench.measurement.monitor import Monitor
from running import rows_of

MIB = 2**20
BATCH_SIZE = 2


class PlayedGpu:
    """A GPU whose readings change with time: each window sees others, and energy grows faster and faster."""

    largest_mhz = 1000

    def __init__(self):
        self.start_s = time.monotonic()

    def sample(self, own):
        age_s = time.monotonic() - self.start_s
        return {
            "sm_clock_mhz": 700 + 10 * age_s,
            "power_mw": 1000 * (100 + age_s),
            "energy_mj": 1000 * age_s**2,
            "temperature_c": 40 + age_s,
            "limits": 0,
            "used_bytes": (3000 + 10 * age_s) * MIB,
            "others": 0,
            "process_bytes": (2000 + 10 * age_s) * MIB,
        }


class PlayedMonitor(Monitor):
    """Watches the run and the played GPU; the last one made is kept."""

    last = None

    def __init__(self, gpu_uuid, events):
        super().__init__(None, events)
        self.gpu = PlayedGpu()
        PlayedMonitor.last = self


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Rows and calls by stage, events and samples of one run."""
    root, output = tmp_path_factory.mktemp("root"), tmp_path_factory.mktemp("output")
    shutil.copytree(ROOT / "config", root / "config")
    (root / "resources").symlink_to(ROOT / "resources")
    catalogue = yaml.safe_load((root / "config/pipelines.yaml").read_text(encoding="utf-8"))
    stages = [catalogue[name]["stages"][0] for name in ("sd-txt2img", "sd-img2img")]
    catalogue = {"two-stages": {"label": "two stages", "stages": stages}}
    (root / "config/pipelines.yaml").write_text(yaml.safe_dump(catalogue), encoding="utf-8")
    arguments = ["--pipeline", "two-stages", "--batch-size", BATCH_SIZE, "--variant", "eager", "--gpu", "CPU"]
    arguments += ["--calls", 6, "--max-calls", 6, "--max-warmup-calls", 4, "--root", root, "--output", output]
    events = []
    with pytest.MonkeyPatch.context() as patch:
        read_events = measure.read_events
        patch.setattr(measure, "read_events", lambda path: events.extend(read_events(path)) or list(events))
        patch.setattr(measure, "Monitor", PlayedMonitor)
        measure.measure(measure.parse_arguments(list(map(str, arguments))))
    assert [row["status"] for row in rows_of(output)] == ["ok", "ok"]
    return rows_of(output), rows_of(output, "calls.csv"), events, PlayedMonitor.last.samples


def numbers(calls, stage, column, *kinds):
    return [float(call[column]) for call in calls if call["stage"] == stage and call["kind"] in kinds]


def near(value):
    """Equal but for the six significant digits of a CSV."""
    return pytest.approx(value, rel=2e-5, abs=2e-5)


def test_rates_and_latencies_are_those_of_the_measured_calls(run):
    rows, calls, _, _ = run
    for row in rows:
        latencies_s, loops_s, iterations, denoiser_calls = (
            numbers(calls, row["stage"], column, "call")
            for column in ("latency_s", "loop_s", "iterations", "denoiser_calls")
        )
        rates = [count / seconds for count, seconds in zip(iterations, loops_s)]
        q1, median, q3 = statistics.quantiles(latencies_s, n=4, method="inclusive")
        expected = {
            "calls": 6,
            "iterations": iterations[0],
            "denoiser_calls": denoiser_calls[0],
            "iterations_per_second": statistics.median(rates),
            "denoiser_calls_per_second": statistics.median(
                count / seconds for count, seconds in zip(denoiser_calls, loops_s)
            ),
            "images_per_second": BATCH_SIZE / median,
            "latency_s": median,
            "latency_q1_s": q1,
            "latency_q3_s": q3,
        }
        assert {name: float(row[name]) for name in expected} == {name: near(value) for name, value in expected.items()}
        half_width_percent = 100 * (max(rates) - min(rates)) / 2 / statistics.median(rates)
        assert float(row["half_width_percent"]) == pytest.approx(half_width_percent, abs=1e-3), "of rounded seconds"
        assert float(row["latency_s"]) > float(row["iterations"]) / float(row["iterations_per_second"])


def test_the_start_is_that_of_the_calls_before(run):
    rows, calls, _, _ = run
    for row in rows:
        early_s = numbers(calls, row["stage"], "latency_s", "first", "warmup")
        assert float(row["first_call_s"]) == near(early_s[0])
        assert int(row["warmup_calls"]) == len(early_s)
        assert float(row["startup_s"]) == pytest.approx(sum(early_s) - len(early_s) * float(row["latency_s"]), abs=1e-4)
        assert float(row["warmup_spread_percent"]) == pytest.approx(
            100 * (max(early_s[-3:]) / min(early_s[-3:]) - 1), abs=0.01
        )
        assert row["compile_s"] == row["cache"] == "", "nothing was compiled"


def window_of(events, stage):
    edges = {
        event["edge"]: event["at_s"] for event in events if event["event"] == "window" and str(event["stage"]) == stage
    }
    return edges["start"], edges["end"]


def test_the_windows_hold_the_measured_calls_and_no_others(run):
    rows, calls, events, _ = run
    windows = [window_of(events, row["stage"]) for row in rows]
    assert windows[0][1] < windows[1][0]
    for row, (start_s, end_s) in zip(rows, windows):
        measured_s = sum(numbers(calls, row["stage"], "latency_s", "call"))
        assert measured_s <= end_s - start_s <= 1.5 * measured_s + 0.5


def test_the_machine_is_that_of_the_stages_own_window(run):
    rows, _, events, samples = run
    for row in rows:
        start_s, end_s = window_of(events, row["stage"])
        inside = [sample for sample in samples if start_s <= sample["at_s"] <= end_s]
        clocks = [sample["sm_clock_mhz"] for sample in inside]
        expected = {
            "sm_clock_mhz": statistics.median(clocks),
            "low_clock_percent": 100 * sum(clock < 750 for clock in clocks) / len(clocks),
            "power_w": statistics.mean(sample["power_mw"] for sample in inside) / 1000,
            "temperature_c": max(sample["temperature_c"] for sample in inside),
            "peak_device_mib": max(sample["used_bytes"] for sample in inside) / MIB,
            "peak_process_mib": max(sample["process_bytes"] for sample in inside) / MIB,
            "device_processes": 0,
        }
        assert {name: float(row[name]) for name in expected} == {name: near(value) for name, value in expected.items()}


def at(samples, column, at_s):
    """A counter at a time between two samples."""
    known = [sample for sample in samples if column in sample]
    before = max((one for one in known if one["at_s"] <= at_s), key=lambda one: one["at_s"])
    after = min((one for one in known if one["at_s"] >= at_s), key=lambda one: one["at_s"])
    share = (at_s - before["at_s"]) / ((after["at_s"] - before["at_s"]) or 1)
    return before[column] + share * (after[column] - before[column])


def test_energy_is_that_of_the_window_per_image(run):
    rows, _, events, samples = run
    for row in rows:
        start_s, end_s = window_of(events, row["stage"])
        joules = (at(samples, "energy_mj", end_s) - at(samples, "energy_mj", start_s)) / 1000
        assert float(row["energy_per_image_j"]) == near(joules / (int(row["calls"]) * BATCH_SIZE))


def test_the_host_was_as_busy_as_its_counters_say(run):
    rows, _, events, samples = run
    for row in rows:
        start_s, end_s = window_of(events, row["stage"])
        total_s, idle_s, own_s = (
            at(samples, name, end_s) - at(samples, name, start_s) for name in ("total_s", "idle_s", "own_s")
        )
        assert float(row["host_busy_cores"]) == pytest.approx((total_s - idle_s) / (end_s - start_s), rel=1e-4)
        assert float(row["other_cpu_percent"]) == pytest.approx(
            100 * max(0, total_s - idle_s - own_s) / total_s, rel=1e-4
        )
        assert 0.3 * (end_s - start_s) < own_s < 1.2 * psutil.cpu_count() * (end_s - start_s), "the run's own work"


def test_the_start_of_a_stage_is_no_other_stages(run):
    rows, _, events, samples = run
    for row in rows:
        begin_s = min(event["at_s"] for event in events if str(event["stage"]) == row["stage"])
        start_s, _ = window_of(events, row["stage"])
        before = [sample["process_bytes"] for sample in samples if begin_s <= sample["at_s"] <= start_s]
        assert float(row["start_peak_process_mib"]) == near(max(before) / MIB)


def test_peaks_of_the_process_are_new_after_a_reset_and_in_mib():
    block = torch.ones(400 * MIB, dtype=torch.uint8)
    with_block = memory.peaks_mib(torch.device("cpu"))["peak_rss_mib"]
    assert with_block >= psutil.Process().memory_info().rss / MIB
    del block
    memory.reset_peaks(torch.device("cpu"))
    after = memory.peaks_mib(torch.device("cpu"))["peak_rss_mib"]
    if after == with_block:
        pytest.skip("this kernel does not let a process reset its peak")
    assert after < with_block - 300
    assert after == pytest.approx(psutil.Process().memory_info().rss / MIB, rel=0.03)
