"""Which GPU a run is on, read from a stand-in for NVIDIA's driver."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from conftest import ROOT
from diffbench.catalogue import devices
from diffbench.catalogue.devices import describe_gpu, describe_passed_over, find_device, resolve_auto
from diffbench.measurement.child_environment import pad
from diffbench.measurement.locking import lock_path
from diffbench.measurement.preload import asking_nvml
from diffbench.system import nvml
from diffbench.vocabulary.errors import SetupError
from drivers import A100, OTHER_A100, T4, Driver
from running import measure, rows_of

SLICE = (20096, "MIG-11112222-0000", "NVIDIA A100-SXM4-40GB MIG 3g.20gb", True)
CUDA = {"label": "any"}


@pytest.fixture(autouse=True)
def forget():
    yield
    nvml.read_visible.cache_clear()


def without_driver(monkeypatch, tmp_path, visible=None):
    """This process finds no library."""
    Driver(tmp_path).install(monkeypatch, visible)
    monkeypatch.setattr(nvml, "NVML_PATHS", (str(tmp_path / "missing.so"),))


@pytest.mark.parametrize(
    ("visible", "uuid"),
    [
        (None, T4[1]),
        ("0", T4[1]),
        ("1", A100[1]),
        (" 1,0", A100[1]),
        ("GPU-ab12", A100[1]),
        (OTHER_A100[1], OTHER_A100[1]),
        ("", None),
        ("-1", None),
        ("NoDevFiles", None),
    ],
)
def test_the_gpu_is_the_first_that_cuda_visible_devices_names_in_bus_order(monkeypatch, tmp_path, visible, uuid):
    Driver(tmp_path, T4, A100, OTHER_A100).install(monkeypatch, visible)
    gpu = nvml.visible_gpu()
    assert (gpu and gpu.uuid) == uuid


@pytest.mark.parametrize(("visible", "capability"), [(None, (7, 5)), ("1", (8, 0)), (A100[1], (8, 0))])
def test_a_library_that_is_imported_learns_the_capability_without_opening_the_gpu(
    monkeypatch, tmp_path, visible, capability
):
    Driver(tmp_path, T4, A100).install(monkeypatch, visible)
    before = torch.cuda.get_device_capability
    with asking_nvml():
        assert torch.cuda.get_device_capability() == capability
        properties = torch.cuda.get_device_properties(torch.cuda.current_device())
        assert (properties.major, properties.minor) == capability
        with pytest.raises((AssertionError, RuntimeError)):
            properties.name  # what only CUDA knows opens the GPU, of which this torch has none  # noqa: B018
    assert torch.cuda.get_device_capability is before


@pytest.mark.parametrize(
    ("visible", "found"), [("3", "no GPU"), ("GPU-ab", "several GPUs"), ("MIG-9", "no GPU"), ("x", "no GPU")]
)
def test_a_name_that_fits_no_gpu_or_several_is_refused(monkeypatch, tmp_path, visible, found):
    Driver(tmp_path, T4, A100, OTHER_A100).install(monkeypatch, visible)
    with pytest.raises(SetupError, match=f"CUDA_VISIBLE_DEVICES: '{visible}' names {found}; this machine has GPU-77"):
        resolve_auto()


def test_a_gpu_of_another_job_is_not_counted(monkeypatch, tmp_path):
    Driver(tmp_path, (*T4, nvml.NO_PERMISSION), A100).install(monkeypatch, "0")
    assert nvml.visible_gpu().uuid == A100[1]


def test_a_lost_gpu_is_left_out_where_a_uuid_names_another_and_refused_where_numbers_may_have_shifted(
    monkeypatch, tmp_path
):
    for visible in (A100[1], "GPU-ab12"):
        Driver(tmp_path, (*T4, nvml.GPU_IS_LOST), A100).install(monkeypatch, visible)
        assert nvml.visible_gpu().uuid == A100[1]
    for visible in (None, "0", "1"):
        Driver(tmp_path, (*T4, nvml.GPU_IS_LOST), A100).install(monkeypatch, visible)
        with pytest.raises(SetupError, match="there is an NVIDIA GPU, but it cannot be read: NVML"):
            nvml.visible_gpu()


@pytest.mark.parametrize("visible", [None, "1", "GPU-ab12", SLICE[1]])
def test_a_divided_gpu_is_its_first_slice(monkeypatch, tmp_path, visible):
    Driver(tmp_path, T4, A100, SLICE).install(monkeypatch, visible or "1")
    assert nvml.visible_gpu().uuid == SLICE[1]
    assert resolve_auto() == "A100-MIG-3g.20gb"


def test_the_measuring_process_sees_the_locked_gpu_alone(monkeypatch, tmp_path):
    Driver(tmp_path, T4, A100).install(monkeypatch, "1,0")
    device = find_device("A100", CUDA)
    assert device.environment() == {"CUDA_VISIBLE_DEVICES": A100[1]}
    assert A100[1] in str(lock_path(device.identity))
    assert device.columns()["driver_version"] == "580.65.06"


def test_auto_and_an_unnamed_card_are_labelled_by_what_nvml_reports(monkeypatch, tmp_path):
    Driver(tmp_path, (11264, "GPU-1", "NVIDIA GeForce GTX 1080 Ti")).install(monkeypatch)
    assert resolve_auto() == "GTX-1080-Ti"
    assert describe_gpu("GTX-1080-Ti")["label"] == "NVIDIA GeForce GTX 1080 Ti"


@pytest.mark.parametrize("visible", [None, "0", "GPU-ab12"])
def test_a_machine_without_a_driver_is_a_cpu_whatever_variables_announce(monkeypatch, tmp_path, visible):
    without_driver(monkeypatch, tmp_path, visible)
    assert resolve_auto() == "CPU"
    with pytest.raises(SetupError, match="the run is for gpu A100, but this machine has no NVIDIA GPU"):
        find_device("A100", CUDA)


def test_a_gpu_that_cannot_be_read_is_never_taken_for_a_cpu(monkeypatch, tmp_path):
    without_driver(monkeypatch, tmp_path)
    monkeypatch.setattr(nvml, "has_driver", lambda: True)
    for ask in (resolve_auto, lambda: find_device("A100", CUDA)):
        with pytest.raises(SetupError, match="there is an NVIDIA GPU, but it cannot be read"):
            ask()


def test_a_library_without_a_loaded_driver_is_a_cpu(monkeypatch, tmp_path):
    Driver(tmp_path, fails=(nvml.DRIVER_NOT_LOADED, 99)).install(monkeypatch)
    assert resolve_auto() == "CPU"


def test_a_driver_that_fails_for_a_while_is_asked_again_and_then_refused(monkeypatch, tmp_path):
    Driver(tmp_path / "once", A100, fails=(999, 1)).install(monkeypatch)
    assert find_device("A100", CUDA).identity == A100[1]
    Driver(tmp_path / "always", A100, fails=(999, 99)).install(monkeypatch)
    with pytest.raises(SetupError, match="cannot be read: NVML: Unknown Error"):
        find_device("A100", CUDA)


def test_wsl_may_have_a_gpu_that_no_file_names(monkeypatch):
    """/dev/dxg is there for GPUs of all makers; NVIDIA's library is there where Windows has its driver."""
    files = set()
    monkeypatch.setattr(Path, "exists", lambda path: str(path) in files)
    monkeypatch.setattr(Path, "is_dir", lambda path: str(path) in files)
    assert not nvml.has_driver()
    files.add("/dev/dxg")
    assert nvml.has_driver(), "a container: nobody knows"
    files.add("/usr/lib/wsl/lib")
    assert not nvml.has_driver(), "a GPU of another maker"
    files.add("/usr/lib/wsl/lib/libnvidia-ml.so.1")
    assert nvml.has_driver()


def test_two_devices_have_two_ids_that_name_none(monkeypatch, tmp_path):
    ids = []
    for visible in ("0", "1", "0"):
        Driver(tmp_path, A100, OTHER_A100).install(monkeypatch, visible)
        ids.append(find_device("A100", CUDA).id)
    assert ids[0] == ids[2] != ids[1]
    ids.append(find_device("CPU", {"device": "cpu"}).id)
    assert all(re.fullmatch("[0-9a-f]{8}", id) for id in ids)


def test_the_monitor_opens_the_gpu_by_its_uuid(monkeypatch, tmp_path):
    """In a process of its own: pynvml keeps the library that it has loaded."""
    code = (
        "from diffbench.measurement.monitor import Monitor\n"
        f"print(Monitor('{OTHER_A100[1]}').gpu.read('nvmlDeviceGetName'), Monitor('GPU-0').gpu)"
    )
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT / "workflow/scripts"),
        **Driver(tmp_path, T4, OTHER_A100).environment(),
    }
    output = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert output.stdout == f"{OTHER_A100[2]} None\n"


def gpu_run(tmp_path, driver, visible="0"):
    """Measure with `auto` on a machine with such a driver; without nvidia-smi on its PATH."""
    environment = {**driver.environment(), "CUDA_VISIBLE_DEVICES": visible, "PATH": ""}
    return measure(tmp_path / "run", environment=environment)


def test_a_run_needs_no_nvidia_smi(tmp_path):
    result = gpu_run(tmp_path, Driver(tmp_path, T4, A100), "1")
    assert "the run is for gpu A100-40GB-SXM, but torch" in result.stderr, "this torch has no CUDA"


def test_a_run_whose_gpu_cannot_be_read_is_refused_in_one_line(tmp_path):
    result = gpu_run(tmp_path, Driver(tmp_path, T4, fails=(999, 99)))
    assert result.returncode == 1 and not (tmp_path / "run").exists()
    (line,) = result.stderr.splitlines()
    assert line.startswith("error: there is an NVIDIA GPU, but it cannot be read: NVML: Unknown Error")


def test_a_row_states_its_host_also_after_a_short_window(tmp_path):
    assert measure(tmp_path, "--calls", 1, "--max-calls", 1, "--warmup-calls", 1).returncode == 0
    (row,) = rows_of(tmp_path)
    assert row["host_cpu"] == row["device_name"]
    assert int(row["host_cores"]) == len(os.sched_getaffinity(0))
    assert row["device_id"] and not row["driver_version"]
    assert 0 < float(row["host_busy_cores"]) <= os.cpu_count() * 1.2
    assert 0 <= float(row["other_cpu_percent"]) <= 100
    assert 0 <= int(row["environment_padding_bytes"]) < 4096


def test_the_environment_of_each_run_has_another_size():
    environments = [{} for _ in range(20)]
    for environment in environments:
        pad(environment)
    lengths = [len(environment["DIFFBENCH_PADDING"]) for environment in environments]
    assert len(set(lengths)) > 10 and max(lengths) < 4096


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """A machine without NVIDIA's driver that has the files that a test adds; nothing is hidden."""
    files = set()
    without_driver(monkeypatch, tmp_path)
    monkeypatch.setattr(devices, "PCI", tmp_path / "pci")
    exists = Path.exists
    monkeypatch.setattr(
        Path, "exists", lambda path: str(path) in files if str(path).startswith("/dev/") else exists(path)
    )
    return files


def test_a_gpu_that_auto_does_not_take_is_named(monkeypatch, machine):
    assert (resolve_auto(), describe_passed_over("CPU")) == ("CPU", None)
    machine.add("/dev/kfd")
    assert resolve_auto() == "CPU"
    assert describe_passed_over("CPU") == (
        "auto: found an AMD GPU (/dev/kfd), but measures the CPU; to measure the GPU: name it, as config/gpus.yaml does"
    )
    assert describe_passed_over("T4") is None
    for name, value in (("HIP", "-1"), ("ROCR", ""), ("CUDA", "")):
        with monkeypatch.context() as patch:
            patch.setenv(f"{name}_VISIBLE_DEVICES", value)
            assert describe_passed_over("CPU") is None, "it is hidden"


def test_an_nvidia_card_without_a_driver_is_named(machine, tmp_path):
    for number, (vendor, kind) in enumerate([("0x10de", "0x040300"), ("0x1002", "0x030000"), ("0x10de", "0x030200")]):
        assert describe_passed_over("CPU") is None
        folder = tmp_path / f"pci/0000:00:0{number}.0"
        folder.mkdir(parents=True)
        (folder / "vendor").write_text(f"{vendor}\n")
        (folder / "class").write_text(f"{kind}\n")
    assert "found an NVIDIA GPU without a driver, but measures the CPU" in describe_passed_over("CPU")


def test_a_gpu_of_another_maker_under_windows_is_named(monkeypatch, machine):
    machine.add("/dev/dxg")
    is_dir = Path.is_dir
    monkeypatch.setattr(Path, "is_dir", lambda path: str(path) == "/usr/lib/wsl/lib" or is_dir(path))
    assert resolve_auto() == "CPU"
    assert "found a GPU of Windows (/dev/dxg)" in describe_passed_over("CPU")


@pytest.mark.parametrize("file", ["/dev/nvidia0", "/dev/nvidiactl", "/dev/dxg"])
def test_a_file_of_nvidias_driver_without_its_library_is_no_cpu(machine, file):
    machine.add(file)
    with pytest.raises(SetupError, match="there is an NVIDIA GPU, but it cannot be read"):
        resolve_auto()
