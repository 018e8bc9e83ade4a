"""The device of a run and its label. Imports no torch: the device's lock (locking.py) is taken before torch is imported."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Optional

from diffbench.system.nvml import HIDDEN, visible_gpu
from diffbench.system.threads import usable_cpus
from diffbench.vocabulary.errors import DiffbenchError, SetupError, list_known
from diffbench.vocabulary.names import NAME

from .definition import ROOT, catalogue

if TYPE_CHECKING:
    from collections.abc import Mapping


PCI = Path("/sys/bus/pci/devices")
NVIDIA, DISPLAYS = "0x10de", ("0x0300", "0x0302")  # of PCI: the vendor, and the classes of GPUs
MEMORY_RANGE = (0.83, 1.02)  # of the nominal memory: drivers and ECC use some of it (T4: 14.6 of 16 GiB)


def cpu_name() -> str:
    """The processor's name from Linux or macOS (for Apple's chips also the GPU's only name), else the machine's
    architecture."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            for line in file:
                if line.startswith("model name"):
                    return line.split(":", 1)[1].strip()
    except OSError:
        pass
    command = ["sysctl", "-n", "machdep.cpu.brand_string"]
    try:
        name = subprocess.run(
            command, capture_output=True, encoding="utf-8", errors="replace", timeout=60, check=True
        ).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        name = ""
    return name or os.uname().machine


class Device(NamedTuple):
    """The device of a run, read once by its parent: `kind` is torch's name (cuda, cpu, mps); `identity` distinguishes the
    devices of a machine: an NVIDIA GPU's UUID, otherwise the kind."""

    kind: str
    identity: str
    driver_version: Optional[str] = None

    @property
    def gpu_uuid(self) -> str | None:
        """The UUID of an NVIDIA GPU; None for another device."""
        return self.identity if self.identity.startswith(("GPU-", "MIG-")) else None

    @property
    def id(self) -> str:
        """Eight hexadecimal digits that differ between devices, also between devices of two machines, and reveal no name."""
        identity = self.gpu_uuid or f"{os.uname().nodename} {self.identity}"
        return hashlib.sha256(identity.encode()).hexdigest()[:8]

    def environment(self) -> dict[str, str]:
        """Variables that show the measuring process only this device, so that the locked device is the measured one."""
        return {"CUDA_VISIBLE_DEVICES": self.gpu_uuid} if self.gpu_uuid else {}

    def columns(self) -> dict[str, Any]:
        """The columns of a row that identify device and host."""
        return {
            "host_cpu": cpu_name(),
            "host_cores": len(usable_cpus()),
            "device_id": self.id,
            "driver_version": self.driver_version,
        }


class UnmeasuredGpu(NamedTuple):
    """A GPU that `auto` does not measure, in words, and the advice to measure it."""

    name: str
    remedy: str


def find_device(name: str, entry: Mapping[str, Any]) -> Device:
    """The Device that a run for gpu `name`, with this entry in the catalogue, will use. Raises SetupError if a GPU is
    missing or cannot be read: its lock would get another name, and two runs would measure at the same time."""
    kind = entry.get("device", "cuda")
    if kind != "cuda":
        return Device(kind, kind)
    gpu = visible_gpu()
    if gpu is not None:
        return Device(kind, gpu.uuid, gpu.driver_version)
    if Path("/dev/kfd").exists():  # AMD GPUs, which torch calls cuda too; one lock for all of them
        return Device(kind, kind)
    hidden = "" if os.environ.get("CUDA_VISIBLE_DEVICES") is None else ", or none that CUDA_VISIBLE_DEVICES leaves"
    raise SetupError(
        f"the run is for gpu {name}, but this machine has no NVIDIA GPU{hidden}; run it where there is one"
    )


def has_memory(entry: Mapping[str, Any], memory_mib: float | None) -> bool:
    """Whether a device's memory (None: unknown) matches the entry."""
    least, most = (share * 1024 * entry.get("memory_gib", 0) for share in MEMORY_RANGE)
    return memory_mib is None or not most or least <= memory_mib <= most


def label_device(device_name: str, gpus: Mapping[str, Mapping[str, Any]], memory_mib: float | None = None) -> str:
    """The first name in config/gpus.yaml whose pattern and memory match the device, or a name made from the device's own."""
    for name, entry in gpus.items():
        if "pattern" in entry and re.search(entry["pattern"], device_name) and has_memory(entry, memory_mib):
            return name
    slug = re.sub(r"[^A-Za-z0-9._-]+", "-", re.sub(r"^NVIDIA (GeForce )?", "", device_name)).strip("-.")
    return slug if NAME.match(slug) else "GPU"


def resolve_auto(root: str | Path = ROOT) -> str:
    """The name of this machine's device: of its first visible NVIDIA GPU, otherwise CPU.

    Raises SetupError if there is a GPU that cannot be read: it must not be taken for a CPU.
    """
    gpu = visible_gpu()
    return label_device(gpu.name, catalogue("gpus", root), gpu.memory_mib) if gpu else "CPU"


def has_nvidia_card() -> bool:
    """Whether an NVIDIA GPU is on the PCI bus, with a driver or without."""
    for folder in PCI.glob("*"):
        try:
            vendor, kind = ((folder / name).read_text(encoding="utf-8").strip() for name in ("vendor", "class"))
        except OSError:
            continue
        if vendor == NVIDIA and kind.startswith(DISPLAYS):
            return True
    return False


def is_hidden(maker: str) -> bool:
    """Whether a variable hides all GPUs: CUDA_VISIBLE_DEVICES, HIP_VISIBLE_DEVICES or ROCR_VISIBLE_DEVICES."""
    return os.environ.get(f"{maker}_VISIBLE_DEVICES", "0").split(",")[0].strip() in HIDDEN


def find_unmeasured_gpu() -> UnmeasuredGpu | None:
    """A GPU that this machine has, or may have, although `auto` is the CPU; None if there is none or variables hide it."""
    if is_hidden("CUDA"):
        return None
    if Path("/dev/kfd").exists() and not is_hidden("HIP") and not is_hidden("ROCR"):
        return UnmeasuredGpu("an AMD GPU (/dev/kfd)", "name it, as config/gpus.yaml does")
    if sys.platform == "darwin" and os.uname().machine == "arm64":
        return UnmeasuredGpu("Apple's GPU", "name it, as config/gpus.yaml does")
    if has_nvidia_card():
        return UnmeasuredGpu("an NVIDIA GPU without a driver", "install one, or give the container the GPU")
    if Path("/dev/dxg").exists():
        return UnmeasuredGpu("a GPU of Windows (/dev/dxg) that is not NVIDIA's", "start outside of WSL")
    return None


def describe_passed_over(name: str) -> str | None:
    """One line about a GPU that is not measured if `auto` is the device `name`; None if there is none."""
    gpu = find_unmeasured_gpu() if name == "CPU" else None
    return f"auto: found {gpu.name}, but measures the CPU; to measure the GPU: {gpu.remedy}" if gpu else None


def describe_gpu(name: str, root: str | Path = ROOT) -> dict[str, Any]:
    """The catalogue's entry for a name; a GPU without an entry gets one with its own name."""
    gpus = catalogue("gpus", root)
    if name in gpus:
        known: dict[str, Any] = gpus[name]
        return known
    gpu = visible_gpu()
    if gpu and label_device(gpu.name, gpus, gpu.memory_mib) == name:
        return {"label": gpu.name, "pattern": re.escape(gpu.name)}
    raise DiffbenchError(
        f"unknown gpu {name!r}; auto is this machine's, and config/gpus.yaml has: {list_known(gpus, name)}"
    )


def check_device(name: str, entry: Mapping[str, Any], device_name: str, memory_mib: float | None = None) -> None:
    """Raises SetupError if the device is not the one named."""
    pattern = entry.get("pattern")
    if pattern and not re.search(pattern, device_name):
        raise SetupError(f"the run is for gpu {name}, but this device is {device_name!r}; run it where a {name} is")
    if memory_mib is not None and not has_memory(entry, memory_mib):
        found = f"{memory_mib / 1024:.1f} GiB, expected {entry['memory_gib']:g} GB as config/gpus.yaml says"
        raise SetupError(f"the run is for gpu {name}, but this {device_name!r} has {found}; run it where a {name} is")
