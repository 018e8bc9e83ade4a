"""Versions, device and settings, read inside the measuring process from the imported libraries and the device."""

from __future__ import annotations

import datetime
import os
import platform
import sys
from typing import TYPE_CHECKING, Any

import torch

from diffbench.catalogue.devices import cpu_name
from diffbench.catalogue.environments import INSTALLED, is_built
from diffbench.libraries.releases import same_release
from diffbench.libraries.versions import package_version
from diffbench.mechanisms.registry import installed_libraries
from diffbench.system.environment_variables import PADDING, describe_recorded
from diffbench.vocabulary.errors import SetupError

if TYPE_CHECKING:
    from collections.abc import Mapping

VERSIONS = {  # what an environment may name: the column that has its release
    "torch": "torch_version",
    "cuda": "cuda_version",
    "triton": "triton_version",
    "diffusers": "diffusers_version",
    "transformers": "transformers_version",
    "accelerate": "accelerate_version",
    "python": "python_version",
}


def read_device(device: torch.device) -> dict[str, Any]:
    """Name, memory, capability and cuDNN of the device, as torch reports them."""
    if device.type != "cuda":
        return {"device_name": cpu_name()}
    properties = torch.cuda.get_device_properties(device)
    return {
        "device_name": properties.name,
        "device_memory_mib": properties.total_memory / 2**20,
        "device_capability": f"{properties.major}.{properties.minor}",
        "cudnn_version": torch.backends.cudnn.version(),
    }


def read_provenance(device: torch.device) -> dict[str, Any]:
    """The provenance columns that the process itself can know."""
    import diffusers

    return {
        **read_device(device),
        "torch_version": torch.__version__,
        "cuda_version": torch.version.cuda,
        "triton_version": package_version("triton") or package_version("pytorch-triton"),
        "diffusers_version": diffusers.__version__,
        "transformers_version": package_version("transformers"),
        "accelerate_version": package_version("accelerate"),
        "python_version": platform.python_version(),
        "libraries": installed_libraries(),
        "environment_variables": describe_recorded(os.environ),
        "environment_padding_bytes": len(os.environ.get(PADDING, "")),
        "threads": torch.get_num_threads(),
        "started_at": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }


def remedy_for(torch_build: str) -> str:
    """Advice for an environment that is not the one named."""
    if not is_built():
        return "start the workflow again" if torch_build == INSTALLED else "use the Python of that environment"
    return f"start the workflow again; if that does not help, remove {sys.prefix}, so that it is built again"


def check_environment(
    expected: Mapping[str, str], provenance: Mapping[str, Any], device: torch.device, torch_build: str
) -> None:
    """Refuse an environment that is not the one named: no column may show another release's number.

    A release matches any build (`2.13.0` also matches `2.13.0+cpu`) unless a build is named; CUDA counts only on a GPU.
    """
    for name, version in expected.items():
        found = provenance[VERSIONS[name]] if name in VERSIONS else package_version(name)
        if name == "cuda" and device.type != "cuda":
            continue
        if not same_release(found, version):
            raise SetupError(
                f"the run is for {name} {version}, but {name} {found} was imported; {remedy_for(torch_build)}"
            )
