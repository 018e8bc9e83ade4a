"""What measured: read inside the process that measures, from what it imported and the device it runs on."""

import datetime
import platform
from importlib import metadata

import torch

from .device import cpu_name, query_nvidia
from .errors import SetupError


def package_version(name):
    """The installed version of a package, or None."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def read_device(device):
    """Name, capability, driver and libraries of the device."""
    if device.type != "cuda":
        return {"device_name": cpu_name() if device.type == "cpu" else device.type}
    properties = torch.cuda.get_device_properties(device)
    driver = query_nvidia("driver_version")
    return {
        "device_name": properties.name,
        "device_capability": f"{properties.major}.{properties.minor}",
        "driver_version": driver[0] if driver else None,
        "cuda_version": torch.version.cuda,
        "cudnn_version": torch.backends.cudnn.version(),
    }


def read_provenance(device, dtype):
    """The provenance columns that the process itself can know."""
    import diffusers

    return {
        **read_device(device),
        "torch_version": torch.__version__,
        "diffusers_version": diffusers.__version__,
        "transformers_version": package_version("transformers"),
        "accelerate_version": package_version("accelerate"),
        "python_version": platform.python_version(),
        "threads": torch.get_num_threads(),
        "dtype": str(dtype).replace("torch.", ""),
        "started_at": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }


def check_environment(expected, provenance):
    """Refuse an environment that is not the one named: no column may show another release's number."""
    for package, version in expected.items():
        found = provenance.get(f"{package}_version")
        if found != version:
            raise SetupError(
                f"the run is for {package} {version}, but {package} {found} was imported; start the workflow anew"
            )
