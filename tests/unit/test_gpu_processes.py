"""Which processes on a GPU are the run's, the memory that they hold, and what a sample asks NVML for."""

from types import SimpleNamespace

import pytest

from diffbench.measurement import gpu_samples
from diffbench.measurement.gpu_samples import GpuSampler, RunPids, split_users
from diffbench.measurement.monitor import MIB, Monitor
from fake_nvml import Nvml, watched


def users(**held):
    return [SimpleNamespace(pid=int(pid[1:]), usedGpuMemory=bytes_held) for pid, bytes_held in held.items()]


@pytest.fixture
def own(monkeypatch):
    """The run that 10 leads, with 11; 20 is another's process, and nobody here has another pid."""
    monkeypatch.setattr(gpu_samples, "session_pids", lambda session: [10, 11])
    monkeypatch.setattr(gpu_samples, "exists", lambda pid: pid in (10, 11, 20))
    return RunPids(10)


@pytest.mark.parametrize(
    ("listed", "others", "held"),
    [
        ({}, 0, None),
        ({"p10": 5}, 0, 5),
        ({"p10": 5, "p11": 7, "p20": 9}, 1, 12),
        ({"p10": 5, "p11": None}, 0, None),
        ({"p20": 9}, 1, None),
        ({"p99": 9}, 0, 9),
        ({"p99": 9, "p20": 5}, 1, 9),
        ({"p99": 9, "p98": 5}, 1, None),
        ({"p10": 5, "p99": 9}, 1, 5),
    ],
)
def test_processes_are_the_runs_or_others_and_their_memory_the_runs_alone(own, listed, others, held):
    assert split_users([], own) == (0, None), "before the run opens the GPU"
    assert split_users(users(**listed), own) == (others, held)


def test_a_process_that_had_the_gpu_before_the_run_is_never_taken_for_it(own):
    assert split_users(users(p99=9), own) == (1, None)
    assert split_users(users(p99=9), own) == (1, None)
    assert split_users(users(p99=9, p98=5), own) == (1, 5), "the run has come"
    assert split_users(users(p98=5), own) == (0, 5)


def test_pids_are_looked_up_only_when_a_new_one_turns_up(own, monkeypatch):
    looked = []
    monkeypatch.setattr(gpu_samples, "session_pids", lambda session: looked.append(session) or [10, 11])
    assert own.split(set()) == (set(), set())
    assert own.split({10}) == ({10}, set())
    assert looked == []
    for _ in range(3):
        assert own.split({10, 11, 20, 99}) == ({10, 11}, {99})
    assert looked == [10]


def test_a_gpu_that_nvml_does_not_open_loses_nothing_else(monkeypatch):
    def fail(uuid):
        raise ImportError("pynvml")

    monkeypatch.setattr(gpu_samples, "GpuSampler", fail)
    assert Monitor("GPU-1").gpu is None
    monkeypatch.setattr(gpu_samples, "GpuSampler", lambda uuid: uuid)
    assert Monitor("GPU-1").gpu == "GPU-1"
    assert Monitor(None).gpu is None


def test_a_sample_has_the_memory_of_the_device_and_of_the_run(own):
    made = watched(
        (),
        nvmlDeviceGetMemoryInfo=SimpleNamespace(used=3 * MIB),
        nvmlDeviceGetComputeRunningProcesses=[users(p10=5, p20=9)],
        nvmlDeviceGetTotalEnergyConsumption=77,
    )
    sample = made.gpu.sample(own)
    assert sample == {
        "sm_clock_mhz": None,
        "power_mw": None,
        "energy_mj": 77,
        "temperature_c": None,
        "limits": None,
        "used_bytes": 3 * MIB,
        "others": 1,
        "process_bytes": 5,
    }


def test_clocks_of_a_slice_are_its_cards_and_power_its_own():
    """Which handle each function gets: the slice's or the card's."""
    made = GpuSampler.__new__(GpuSampler)
    asked = {}

    class Both(Nvml):
        def __getattr__(self, name):
            return lambda handle, *arguments: asked.setdefault(name, (handle, *arguments)) and None

    made.nvml, made.handle, made.card = Both(), "slice", "card"
    made.sample(None)
    assert asked == {
        "nvmlDeviceGetCurrentClocksEventReasons": ("card",),
        "nvmlDeviceGetCurrentClocksThrottleReasons": ("card",),
        "nvmlDeviceGetMemoryInfo": ("slice",),
        "nvmlDeviceGetComputeRunningProcesses": ("slice",),
        "nvmlDeviceGetClockInfo": ("card", Nvml.NVML_CLOCK_SM),
        "nvmlDeviceGetPowerUsage": ("slice",),
        "nvmlDeviceGetTotalEnergyConsumption": ("slice",),
        "nvmlDeviceGetTemperature": ("card", Nvml.NVML_TEMPERATURE_GPU),
    }
