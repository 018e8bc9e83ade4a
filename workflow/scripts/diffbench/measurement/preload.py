"""The imports of a process before runs are forked from it, and whether these have opened a device."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

from diffbench.libraries.failure import is_out_of_memory
from diffbench.mechanisms.registry import compiles
from diffbench.system.nvml import visible_capability

from .garbage import importing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping


CUDA_NOT_INITIALIZED = 3  # CUDA_ERROR_NOT_INITIALIZED (cuda.h)
GPU_FILES = ("/dev/kfd", "/dev/dri")  # open in a process that has touched a GPU of AMD or Intel


def classes_of(stage: Mapping[str, Any]) -> list[str]:
    """The classes of a stage's pipeline and components."""
    components = stage.get("architecture", stage).get("components") or {}
    return [stage["class"], *(part["class"] for part in components.values() if part)]


class Properties:
    """A replacement for torch's properties of a GPU, with the capability from NVML. Any other attribute opens the GPU."""

    def __init__(self, read: Callable[[], Any], capability: tuple[int, int]) -> None:
        self.read, (self.major, self.minor) = read, capability

    def __getattr__(self, name: str) -> Any:
        return getattr(self.read(), name)


@contextlib.contextmanager
def asking_nvml() -> Iterator[None]:
    """A context in which torch asks NVML for its GPU's capability: libraries ask for it at import, and CUDA would open the
    GPU."""
    import torch

    read, read_properties = torch.cuda.get_device_capability, torch.cuda.get_device_properties

    def capability(device: Any = None) -> tuple[int, int]:
        try:
            return visible_capability()
        except Exception:  # no NVML: the GPU is opened, and `touched` sees it
            return read(device)

    def properties(device: Any = None) -> Properties:
        return Properties(functools.partial(read_properties, device), capability(device))

    replaced: dict[str, Any] = {"get_device_capability": capability, "get_device_properties": properties}
    with mock.patch.multiple(torch.cuda, current_device=lambda: 0, **replaced):
        yield


def preload(spec: Mapping[str, Any], compiler: bool) -> None:
    """Import what the run will need, with `compiler` also torch's compiler if the run compiles. The run itself reports a
    class that cannot be imported. Raises any exception of the libraries."""
    with importing(), asking_nvml():
        from diffbench.libraries import classes  # noqa: F401

        from . import ceiling, load, measure_stage, provenance, unsupported  # noqa: F401

        provenance.installed_libraries()
        definition = spec.get("definition", {"stages": [], "variant": {}})
        for description in definition["stages"]:
            for path in classes_of(description):
                try:
                    classes.find_class(path)
                except (Exception, SystemExit) as error:
                    if is_out_of_memory(error):
                        raise
        if compiler and compiles(definition["variant"]):
            unsupported.import_compiler()


def describe_touched() -> str | None:
    """What the imports have opened that would not work in a child, in a few words; None if nothing."""
    if "torch" in sys.modules and sys.modules["torch"].cuda.is_initialized():
        return "torch has opened the GPU"
    if "libcuda.so" in Path("/proc/self/maps").read_text(encoding="utf-8"):
        count = ctypes.c_int()
        if ctypes.CDLL("libcuda.so.1").cuDeviceGetCount(ctypes.byref(count)) != CUDA_NOT_INITIALIZED:
            return "the CUDA driver was started"
    for number in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            if os.readlink(f"/proc/self/fd/{number}").startswith(GPU_FILES):
                return "a GPU was opened"
    if len(sys._current_frames()) > 1:
        return "a thread of Python was started"
    return None
