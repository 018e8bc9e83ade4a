"""NVIDIA's management library (NVML): which GPU a run will use. It is called through ctypes and needs no package, so that a
plan and a run read the same in any Python. The monitor (monitor.py) reads changing values through pynvml."""

from __future__ import annotations

import ctypes
import os
import time
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from diffbench.vocabulary.errors import SetupError

NVML_PATHS = ("libnvidia-ml.so.1", "/usr/lib/wsl/lib/libnvidia-ml.so.1")
HIDDEN = ("", "-1", "NoDevFiles")  # values of CUDA_VISIBLE_DEVICES that leave no GPU
ATTEMPTS, PAUSE_S = 3, 1.0  # a driver that is busy may answer a second later
NO_PERMISSION, DRIVER_NOT_LOADED, GPU_IS_LOST = 4, 9, 15  # nvmlReturn_t
LONGEST = 128  # bytes of a text that NVML writes: names are at most 96
HIDE_HINT = "or hide it with CUDA_VISIBLE_DEVICES= to measure the CPU"


class Gpu(NamedTuple):
    """A GPU, or a slice of one (MIG), as NVML names it."""

    uuid: str
    name: str
    memory_mib: float
    driver_version: str


class NvmlError(Exception):
    """NVML refused a call."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


class Memory(ctypes.Structure):
    """nvmlMemory_t, in bytes."""

    _fields_ = [(name, ctypes.c_ulonglong) for name in ("total", "free", "used")]


class Nvml:
    """The library, ready for calls. Raises OSError if it is missing and NvmlError if it does not start."""

    def __init__(self) -> None:
        self.library = load_library()
        self.library.nvmlErrorString.restype = ctypes.c_char_p
        self.call("nvmlInit_v2")

    def call(self, function: str, *arguments: Any) -> None:
        """Call a function of the library. Raises NvmlError if it returns an error, or if the driver is too old to have it."""
        try:
            code = getattr(self.library, function)(*arguments)
        except AttributeError:
            raise NvmlError(0, f"this driver has no {function}") from None
        if code:
            raise NvmlError(code, self.library.nvmlErrorString(code).decode())

    def text(self, function: str, *arguments: Any) -> str:
        buffer = ctypes.create_string_buffer(LONGEST)
        self.call(function, *arguments, buffer, ctypes.c_uint(LONGEST))
        return buffer.value.decode()

    def number(self, function: str, *arguments: Any) -> int:
        number = ctypes.c_uint()
        self.call(function, *arguments, ctypes.byref(number))
        return number.value

    def handle(self, function: str, *arguments: Any) -> ctypes.c_void_p:
        handle = ctypes.c_void_p()
        self.call(function, *arguments, ctypes.byref(handle))
        return handle

    def handles(self, without: tuple[int, ...] = (NO_PERMISSION,)) -> list[ctypes.c_void_p]:
        """The GPUs that this process may use, in PCI bus order, as CUDA counts them with CUDA_DEVICE_ORDER=PCI_BUS_ID.

        GPUs with an error in `without` are left out: a cluster gives those without permission to other jobs.
        """
        found = []
        for index in range(self.number("nvmlDeviceGetCount_v2")):
            try:
                found.append(self.handle("nvmlDeviceGetHandleByIndex_v2", ctypes.c_uint(index)))
            except NvmlError as error:
                if error.code not in without:
                    raise
        return found

    def first_slice(self, handle: ctypes.c_void_p) -> ctypes.c_void_p:
        """The first slice of a GPU that is divided (MIG), the only one that CUDA uses; else the GPU itself."""
        current, pending = ctypes.c_uint(), ctypes.c_uint()
        try:
            self.call("nvmlDeviceGetMigMode", handle, ctypes.byref(current), ctypes.byref(pending))
            slices = self.number("nvmlDeviceGetMaxMigDeviceCount", handle) if current.value else 0
        except NvmlError:  # a device or a driver without MIG
            return handle
        for index in range(slices):
            try:
                return self.handle("nvmlDeviceGetMigDeviceHandleByIndex", handle, ctypes.c_uint(index))
            except NvmlError:  # no slice has this number
                continue
        return handle

    def describe(self, handle: ctypes.c_void_p) -> Gpu:
        """The Gpu of a handle."""
        memory = Memory()
        self.call("nvmlDeviceGetMemoryInfo", handle, ctypes.byref(memory))
        return Gpu(
            self.text("nvmlDeviceGetUUID", handle),
            self.text("nvmlDeviceGetName", handle),
            memory.total / 2**20,
            self.text("nvmlSystemGetDriverVersion"),
        )


def load_library() -> ctypes.CDLL:
    """The library of the system or of WSL2. Raises OSError if there is none."""
    for path in NVML_PATHS[:-1]:
        try:
            return ctypes.CDLL(path)
        except OSError:
            continue
    return ctypes.CDLL(NVML_PATHS[-1])


def has_driver() -> bool:
    """Whether this machine has files of an NVIDIA driver. WSL2 has one device file for GPUs of all vendors, and NVIDIA's
    library if Windows has NVIDIA's driver; a container there sees only the device file."""
    wsl = Path("/usr/lib/wsl/lib")
    on_wsl = Path("/dev/dxg").exists() and (not wsl.is_dir() or (wsl / "libnvidia-ml.so.1").exists())
    return any(Path("/dev", name).exists() for name in ("nvidiactl", "nvidia0")) or on_wsl


def visible_gpu() -> Gpu | None:
    """The first NVIDIA GPU that CUDA_VISIBLE_DEVICES leaves, read once per process; None if there is none.

    Raises SetupError if there is a GPU that cannot be read: it must not be taken for a CPU, nor get another lock.
    """
    return read_visible(os.environ.get("CUDA_VISIBLE_DEVICES"))


@lru_cache(maxsize=None)
def read_visible(visible: str | None) -> Gpu | None:
    """The first GPU that such a value of CUDA_VISIBLE_DEVICES leaves (None: all), see `visible_gpu`."""
    first = None if visible is None else visible.split(",")[0].strip()
    if first in HIDDEN:
        return None
    for attempt in range(ATTEMPTS):
        time.sleep(PAUSE_S if attempt else 0)
        try:
            nvml = Nvml()
            # a lost GPU may shift the numbers of the others, but not their UUIDs
            by_uuid = first is not None and not first.isdecimal()
            handles = nvml.handles((NO_PERMISSION, GPU_IS_LOST) if by_uuid else (NO_PERMISSION,))
            if handles:
                return nvml.describe(nvml.first_slice(choose_handle(nvml, handles, first)))
            problem = "NVML reports none that this process may use"
            if not has_driver():
                return None
        except OSError as error:  # no library
            problem = str(error)
            if not has_driver():
                return None
        except NvmlError as error:
            problem = f"NVML: {error}"
            if error.code == DRIVER_NOT_LOADED and not has_driver():
                return None
    raise SetupError(f"there is an NVIDIA GPU, but it cannot be read: {problem}; see what nvidia-smi says, {HIDE_HINT}")


def visible_capability() -> tuple[int, int]:
    """The compute capability, (major, minor), of the first GPU that CUDA_VISIBLE_DEVICES leaves.

    Raises OSError, NvmlError and SetupError.
    """
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    nvml = Nvml()
    handle = choose_handle(nvml, nvml.handles(), None if visible is None else visible.split(",")[0].strip())
    major, minor = ctypes.c_int(), ctypes.c_int()
    nvml.call("nvmlDeviceGetCudaComputeCapability", handle, ctypes.byref(major), ctypes.byref(minor))
    return major.value, minor.value


def choose_handle(nvml: Nvml, handles: list[ctypes.c_void_p], first: str | None) -> ctypes.c_void_p:
    """The handle of an entry of CUDA_VISIBLE_DEVICES: an index, a UUID or the unique beginning of one; None: the first.

    Raises SetupError if the entry names none or several.
    """
    if first is None:
        return handles[0]
    found = []
    if first.isdecimal():
        found = handles[int(first) : int(first) + 1]
    elif first.startswith("GPU-"):
        found = [handle for handle in handles if nvml.text("nvmlDeviceGetUUID", handle).startswith(first)]
    elif first.startswith("MIG-"):
        try:
            found = [nvml.handle("nvmlDeviceGetHandleByUUID", first.encode())]
        except NvmlError:
            pass
    if len(found) == 1:
        return found[0]
    names = ", ".join(nvml.text("nvmlDeviceGetUUID", handle) for handle in handles)
    many = "several GPUs" if found else "no GPU"
    raise SetupError(f"CUDA_VISIBLE_DEVICES: {first!r} names {many}; this machine has {names}: name one, {HIDE_HINT}")
