"""The environment of a measuring process."""

from __future__ import annotations

import os
import secrets
import site
from pathlib import Path
from typing import TYPE_CHECKING

from diffbench.catalogue.environments import INSTALLED
from diffbench.system.environment_variables import (
    PACKAGES,
    PADDING,
    THREADS,
    inherit_variables,
    package_folders,
    with_english_messages,
)

if TYPE_CHECKING:
    from collections.abc import MutableMapping

PADDING_BYTES = 4096  # a page: the range of `pad`


def child_environment(cache: str | Path, device_type: str, threads: int, torch: str = INSTALLED) -> dict[str, str]:
    """The environment of the measuring process: offline, with its own compiler caches and the number of CPU threads.
    Nothing in it changes what is measured (environment_variables.py)."""
    environment = with_english_messages(inherit_variables(os.environ))
    pinned = torch != INSTALLED
    environment[PACKAGES] = package_folders(os.environ, pinned)
    if pinned or not site.ENABLE_USER_SITE:
        environment["PYTHONNOUSERSITE"] = "1"  # without packages that the user has installed elsewhere
    environment["PYTHONIOENCODING"] = "utf-8:backslashreplace"  # a library may print any character in any locale
    environment.update(dict.fromkeys(THREADS, str(threads)))
    cache = Path(os.path.abspath(cache))
    environment["TORCHINDUCTOR_CACHE_DIR"] = str(cache / "inductor")
    environment["TRITON_CACHE_DIR"] = str(cache / "triton")
    environment["CUDA_DEVICE_ORDER"] = "PCI_BUS_ID"  # as nvml.py counts them
    environment["CCACHE_DISABLE"] = "1"  # through it a compiler would reuse the files of an earlier cold round
    environment["HF_HUB_OFFLINE"] = "1"
    environment["DIFFUSERS_VERBOSITY"] = environment.get("DIFFUSERS_VERBOSITY", "error")
    environment["TRANSFORMERS_VERBOSITY"] = environment.get("TRANSFORMERS_VERBOSITY", "error")
    if device_type == "cpu":
        # Vector instructions are a fact of the CPU, not of the cell: without this, every cold cache would compile the
        # same four probes of them again (torch/_inductor/config.py, vec_isa_ok).
        environment.setdefault("TORCHINDUCTOR_VEC_ISA_OK", "1")
        # Inductor's worker processes compile Triton alone; on a CPU they would only take cores from the measured calls.
        environment.setdefault("TORCH_WARM_POOL", "0")
    return environment


def pad(environment: MutableMapping[str, str]) -> None:
    """Add a variable of random length, which moves the stack of the process: a fixed size of the environment can favour one
    variant by chance (Mytkowicz et al. 2009)."""
    environment[PADDING] = "x" * secrets.randbelow(PADDING_BYTES)
