"""Limits of this torch, Python, device and Diffusers that are found before anything is loaded."""

from __future__ import annotations

import platform
import re
from contextlib import suppress
from importlib import import_module
from typing import TYPE_CHECKING

import torch

from diffbench.libraries.classes import find_class
from diffbench.libraries.failure import refusing
from diffbench.mechanisms.registry import compiles
from diffbench.vocabulary.errors import Unsupported

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any


def has_kernels(capability: tuple[int, int], architectures: Iterable[str]) -> bool:
    """Whether code for `architectures` (torch.cuda.get_arch_list()) runs on a GPU of that capability, such as (9, 0).

    Machine code runs within its major version from its own minor version on, `sm_90a` only on 9.0; PTX (`compute_80`) runs
    on everything newer (CUDA C++ Programming Guide, "Binary Compatibility" and "PTX Compatibility").
    """
    for architecture in architectures:
        match = re.match(r"(sm|compute)_(\d+)(\d)([a-z]?)\Z", architecture)
        if not match:
            continue
        kind, built, exact = match.group(1), (int(match.group(2)), int(match.group(3))), match.group(4) == "a"
        if exact:
            fits = built == capability
        elif kind == "sm":
            fits = built[0] == capability[0] and built[1] <= capability[1]
        else:
            fits = built <= capability
        if fits:
            return True
    return False


def check_kernels(device: torch.device) -> None:
    """Raises Unsupported if this torch was built without code for the GPU."""
    if device.type != "cuda" or torch.version.hip:
        return
    capability, architectures = torch.cuda.get_device_capability(device), torch.cuda.get_arch_list()
    if not has_kernels(capability, architectures):
        raise Unsupported(
            f"torch {torch.__version__} has no kernel for this GPU's architecture, sm_{capability[0]}{capability[1]}; "
            f"it has {', '.join(architectures)}"
        )


def check_compile() -> None:
    """Raises Unsupported if this torch cannot compile on this Python, which torch reports at once."""
    with refusing(f"torch {torch.__version__} cannot compile on Python {platform.python_version()}", RuntimeError):
        torch.compile(check_compile)


def import_compiler() -> None:
    """Import torch's compiler before anything is timed, because a forked run has it already. A failure is left to the first
    call."""
    with suppress(Exception):
        import_module("torch._inductor.compile_fx")


def check_classes(stage: Mapping[str, Any]) -> None:
    """Raises Unsupported if this release of Diffusers or transformers lacks a class of the stage."""
    components = stage.get("architecture", stage).get("components", {})
    for path in [stage["class"], *(part["class"] for part in components.values() if part)]:
        find_class(path)


def check_support(stage: Mapping[str, Any], recipe: Mapping[str, Any], device: torch.device) -> None:
    """Raises Unsupported for limits that are known before the stage is loaded."""
    check_kernels(device)
    if compiles(recipe):
        check_compile()
        import_compiler()
    check_classes(stage)
