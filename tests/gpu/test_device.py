"""The device path of the measurement on a real CUDA device: clocks, memory counters, CUDA graphs, NVML, lock and labels.

pytest tests/gpu
python tests/gpu/run.py --only tests     those that have not passed yet on this GPU
"""

import os
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
import torch

from conftest import VISIBLE, visible_gpus
from diffbench.catalogue.definition import catalogue, resolve
from diffbench.catalogue.devices import check_device, find_device, label_device
from diffbench.measurement import ceiling, memory
from diffbench.measurement.load import load_pipeline
from diffbench.measurement.locking import lock_path
from diffbench.measurement.measure_stage import free_stage
from diffbench.measurement.monitor import Monitor
from diffbench.measurement.random_weights import Draw, Uniform
from diffbench.measurement.stage import Stage
from diffbench.measurement.timer import TimedLoop, clock_s
from diffbench.measurement.weights_digest import weights_digest
from diffbench.system.nvml import visible_gpu
from diffbench.vocabulary.errors import SetupError
from running import measure, rows_of
from stages import Report, run_stages

if not torch.cuda.is_available():
    pytest.skip(f"torch {torch.__version__} sees no CUDA device", allow_module_level=True)
DEVICE = torch.device("cuda", 0)
FULL = {"device": DEVICE, "scale": "full", "steps": 10}
HOLDS_A_CONTEXT = "import sys, torch; torch.ones(1, device='cuda'); print('ready', flush=True); sys.stdin.read()"


@pytest.fixture(autouse=True, scope="module")
def no_gpu():
    """Takes the place of the fixture that hides the GPU from all other tests."""
    with visible_gpus(VISIBLE):
        yield


@pytest.fixture(autouse=True)
def alone():
    """Each test finds the device as empty as this process can leave it."""
    yield
    torch.cuda.set_per_process_memory_fraction(1.0)
    free_stage(DEVICE, compiled=False)


@pytest.fixture(scope="module")
def stage():
    """SD 1.5 at full scale with random weights, warm."""
    definition = resolve("sd-txt2img", 1, "eager", "random", "full")
    stage = Stage({**definition["stages"][0], "steps": 20}, definition, DEVICE, torch.float16)
    for _ in range(3):
        stage.call()
    return stage


def test_events_of_the_device_agree_with_the_synchronized_clock(stage, monkeypatch):
    start, end, elapsed_s = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True), []

    def enter(loop, plain=TimedLoop.__enter__):
        loop = plain(loop)
        start.record()
        return loop

    def leave(loop, *exception, plain=TimedLoop.__exit__):
        end.record()
        plain(loop, *exception)
        elapsed_s.append(start.elapsed_time(end) / 1000)

    monkeypatch.setattr(TimedLoop, "__enter__", enter)
    monkeypatch.setattr(TimedLoop, "__exit__", leave)
    loops_s = [stage.call().loop_s for _ in range(7)]
    assert np.median(np.array(elapsed_s) / np.array(loops_s)) == pytest.approx(1, abs=0.01)


def test_the_clock_waits_for_the_device():
    matrix = torch.randn(8192, 8192, device=DEVICE, dtype=torch.float16)
    torch.mm(matrix, matrix)
    start_s = clock_s(DEVICE)
    for _ in range(50):
        torch.mm(matrix, matrix)
    queued_s, done_s = time.perf_counter() - start_s, clock_s(DEVICE) - start_s
    assert queued_s < done_s / 2, "the products were queued, not waited for"


def test_memory_counters_see_what_is_allocated():
    memory.reset_peaks(DEVICE)
    before = memory.peaks_mib(DEVICE)
    block = torch.empty(512 * memory.MIB, dtype=torch.uint8, device=DEVICE)
    after = memory.peaks_mib(DEVICE)
    assert after["peak_allocated_mib"] - before["peak_allocated_mib"] == pytest.approx(512, abs=4)
    assert after["peak_reserved_mib"] >= after["peak_allocated_mib"]
    del block
    memory.reset_peaks(DEVICE)
    assert memory.peaks_mib(DEVICE)["peak_allocated_mib"] <= before["peak_allocated_mib"] + 4


class Starving(Report):
    """From the beginning of a phase on, the device gives this process no more memory than it holds."""

    def __init__(self, at):
        super().__init__()
        self.at = at

    def phase(self, name):
        super().phase(name)
        if name == self.at:
            torch.cuda.empty_cache()
            total = torch.cuda.get_device_properties(DEVICE).total_memory
            torch.cuda.set_per_process_memory_fraction(torch.cuda.memory_reserved(DEVICE) / total)


@pytest.mark.parametrize("phase", ["load", "first-call", "warmup", "call-1", "call-2"])
def test_running_out_of_memory_is_a_row_of_its_phase_and_the_next_run_recovers(tmp_path, phase):
    options = {**FULL, "settings": {"warmup_calls": 2, "max_warmup_calls": 2, "calls": 2, "max_calls": 2}}
    (starved,) = run_stages(tmp_path, report=Starving(phase), **options)
    assert (starved.status, starved.columns["phase"]) == ("oom", phase), starved.detail
    torch.cuda.set_per_process_memory_fraction(1.0)
    (fed,) = run_stages(tmp_path, **options)
    assert fed.status == "ok" and fed.columns["iterations_per_second"] > 0


def test_running_out_of_memory_in_a_check_leaves_the_number(tmp_path):
    (starved,) = run_stages(tmp_path, report=Starving("evidence"), **FULL)
    assert starved.status == "ok" and starved.columns["iterations_per_second"] > 0
    assert starved.columns["unverified"].startswith("attention kernels: OutOfMemoryError")


@pytest.mark.parametrize(
    ("variant", "evidence"),
    [
        ("cuda-graph", "CUDA graphs, replayed"),
        ("compile", "CUDA graphs: 1 of 1 graphs"),
        ("regional", "BasicTransformerBlock of unet compiled"),
    ],
)
def test_a_variant_takes_effect_and_makes_the_image_of_eager(tmp_path, variant, evidence):
    latents = {}
    for name in ("eager", variant):
        (tmp_path / name).mkdir()
        (outcome,) = run_stages(tmp_path / name, variant=name, device=DEVICE)
        assert outcome.status == "ok", outcome.detail
        latents[name] = np.load(tmp_path / name / "stage-1.npy", allow_pickle=False)
    assert evidence in outcome.columns["evidence"]
    assert np.corrcoef(latents["eager"].ravel(), latents[variant].ravel())[0, 1] > 0.99


@pytest.mark.parametrize("kernel", ["sdpa-flash", "sdpa-efficient", "sdpa-math"])
def test_the_kernel_of_attention_is_seen_in_the_profile(tmp_path, kernel):
    (outcome,) = run_stages(tmp_path, variant=kernel, device=DEVICE)
    assert outcome.status in ("ok", "unsupported"), outcome.detail
    assert outcome.status == "unsupported" or "attention" in outcome.columns["evidence"]


def test_nvml_tells_clock_power_and_energy_that_belong_together():
    monitor, matrix = Monitor(visible_gpu().uuid), torch.randn(8192, 8192, device=DEVICE, dtype=torch.float16)
    assert monitor.gpu is not None, "NVML does not tell of this device"
    start_s = time.monotonic()
    while time.monotonic() < start_s + 4:
        torch.mm(matrix, matrix)
        torch.cuda.synchronize()
        if not monitor.samples or time.monotonic() > monitor.samples[-1]["at_s"] + 0.1:
            monitor.sample(os.getpid(), time.monotonic())
    begin_s, end_s = monitor.samples[5]["at_s"], monitor.samples[-1]["at_s"]
    columns = monitor.columns(begin_s, end_s, images=1)
    assert 0 < columns["sm_clock_mhz"] <= monitor.gpu.largest_mhz
    assert columns["peak_device_mib"] * memory.MIB >= matrix.numel() * 2
    assert 10 < columns["temperature_c"] < 110
    if "energy_per_image_j" in columns:
        assert columns["energy_per_image_j"] == pytest.approx(columns["power_w"] * (end_s - begin_s), rel=0.2)


def test_another_process_on_the_device_is_counted():
    monitor = Monitor(visible_gpu().uuid)

    def others():
        monitor.sample(os.getpid(), time.monotonic())
        return monitor.samples[-1]["others"]

    torch.ones(1, device=DEVICE)
    if not monitor.gpu.read("nvmlDeviceGetComputeRunningProcesses"):
        pytest.skip("the driver does not tell of processes here")
    before = others()
    # not a child of this process: those count as the run's own
    with subprocess.Popen(
        ["setsid", "--fork", sys.executable, "-c", HOLDS_A_CONTEXT],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        encoding="utf-8",
        errors="replace",
    ) as foreign:
        assert foreign.stdout.readline() == "ready\n"
        assert others() == before + 1
        foreign.stdin.close()


def test_the_lock_is_of_this_device_and_runs_wait_for_each_other(tmp_path):
    device = find_device("this one", {})
    assert device.gpu_uuid and device.gpu_uuid in str(lock_path(device.identity))
    properties = torch.cuda.get_device_properties(DEVICE)
    if hasattr(properties, "uuid"):  # torch 2.4 or newer
        assert str(properties.uuid) in device.gpu_uuid, "what is locked is not what torch uses"
    results = {}

    def run(name):
        results[name] = measure(tmp_path / name)

    threads = [threading.Thread(target=run, args=(name,)) for name in ("one", "other")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [result.returncode for result in results.values()] == [0, 0]
    assert sum("waiting for the device" in result.stderr for result in results.values()) == 1


def test_the_device_has_its_label_and_takes_no_other(tmp_path):
    _, name, memory_mib, _ = visible_gpu()
    gpus = catalogue("gpus")
    label = label_device(name, gpus, memory_mib)
    if label in gpus:
        check_device(label, gpus[label], name, memory_mib)
    other = next(entry for entry in ("T4", "V100") if entry != label)
    with pytest.raises(SetupError):
        check_device(other, gpus[other], name, memory_mib)
    result = measure(tmp_path / "run", "--gpu", other)
    assert result.returncode == 1 and f"the run is for gpu {other}, but this" in result.stderr
    assert not (tmp_path / "run").exists()


def test_a_row_states_the_device(tmp_path):
    result = measure(tmp_path / "run", "--target-percent", "none")
    assert result.returncode == 0, result.stderr
    (row,) = rows_of(tmp_path / "run")
    assert (row["status"], row["dtype"]) == ("ok", "float16"), row["detail"]
    assert row["device_name"] == torch.cuda.get_device_name(DEVICE)
    for column in ("cuda_version", "driver_version", "device_capability", "device_memory_mib", "device_id", "host_cpu"):
        assert row[column], column
    for column in ("peak_allocated_mib", "peak_reserved_mib", "start_peak_allocated_mib", "host_busy_cores"):
        assert float(row[column]) > 0, column
    if row["peak_process_mib"]:  # the driver reports it
        assert float(row["peak_reserved_mib"]) < float(row["peak_process_mib"]) <= float(row["peak_device_mib"])


def test_ceilings_are_those_of_a_gpu():
    columns = {name: ceiling.ceiling_columns(DEVICE, name) for name in ("float16", "bfloat16", "float32", "tf32")}
    for name in ("float16", "float32"):
        assert columns[name]["matmul_tflops"] > 1 and columns[name]["copy_gib_per_second"] > 50
    if torch.cuda.get_device_capability(DEVICE) >= (8, 0):
        assert columns["bfloat16"]["matmul_tflops"] > columns["float32"]["matmul_tflops"]
        assert columns["tf32"]["matmul_tflops"] > 1.5 * columns["float32"]["matmul_tflops"]


def test_random_weights_are_those_of_a_cpu_bit_for_bit():
    """So that what is offloaded, whose weights are created on the CPU, is compared with a baseline of the same weights."""
    definition = resolve("sd-controlnet", 1, "eager", "random", "tiny")
    (stage,) = definition["stages"]
    made = {device: load_pipeline(stage, "random", device, torch.float16) for device in (torch.device("cpu"), DEVICE)}
    digests = {weights_digest(stage, "random", pipeline) for pipeline in made.values()}
    assert len(digests) == 1 and None not in digests
    for part in ("unet", "controlnet", "vae", "text_encoder"):
        here, there = (getattr(pipeline, part).state_dict() for pipeline in made.values())
        for name, weight in here.items():
            assert torch.equal(weight, there[name].cpu()), (part, name)


def test_a_gpu_draws_many_times_as_fast_as_a_cpu():
    def seconds(device):
        tensor, draw = torch.empty(2**26, dtype=torch.float16, device=device), Draw("unet", 0, Uniform(), (2**26,))
        draw.fill(tensor)
        start_s = clock_s(device)
        draw.fill(tensor)
        return clock_s(device) - start_s

    assert seconds(DEVICE) < seconds(torch.device("cpu")) / 5
