"""Checks of a run's set-up before anything is measured: environment, device and release, folders, compiler."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, NamedTuple

from diffbench.catalogue.definition import recipe_of
from diffbench.catalogue.devices import describe_gpu, describe_passed_over, resolve_auto
from diffbench.catalogue.environments import INSTALLED, read_environment
from diffbench.mechanisms.registry import libraries_of
from diffbench.system.compiler_caches import default_folder, resolve_links
from diffbench.system.environment_variables import check_refused, describe_ignored
from diffbench.system.folders import check_cache, check_file, check_output, check_temporary
from diffbench.system.printing import say
from diffbench.system.program_end import add_line
from diffbench.system.threads import check_threads, default_threads

from .toolchain import check_toolchain

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Mapping
    from pathlib import Path


class Target(NamedTuple):
    """The device and the releases of a run: the GPU's name, its entry in the catalogue, and the versions that must be
    imported, as `torch=…,diffusers=…`."""

    gpu: str
    gpu_entry: dict[str, Any]
    expected: str


def set_up_process(arguments: argparse.Namespace) -> None:
    """Resolve `arguments.threads`, and report ignored environment variables: in the log, if there is one, because the
    workflow reports them itself. Raises SetupError for variables and numbers of threads that would spoil a measurement."""
    check_refused(os.environ)
    arguments.threads = arguments.threads or default_threads()
    check_threads(arguments.threads, "threads")
    line = describe_ignored(os.environ)
    if line and not (arguments.log and add_line(arguments.log, line)):
        say(line)


def resolve_target(arguments: argparse.Namespace) -> Target:
    """The Target of the arguments. Raises DiffbenchError."""
    gpu = resolve_auto(arguments.root) if arguments.gpu == "auto" else arguments.gpu
    unmeasured = describe_passed_over(gpu) if arguments.gpu == "auto" else None
    if unmeasured:
        say(unmeasured)
    gpu_entry = describe_gpu(gpu, arguments.root)
    if gpu_entry.get("untested"):
        say(f"gpu {gpu}: devices of this kind are untested: check the results")
    if arguments.torch != INSTALLED and not arguments.expect:
        variant = getattr(arguments, "variant", None)  # a ceiling has none
        used = libraries_of(recipe_of(variant, arguments.root)) if variant else ()
        return Target(gpu, gpu_entry, read_environment(arguments.torch, arguments.root).expected(used))
    return Target(gpu, gpu_entry, arguments.expect)


def check_paths(
    arguments: argparse.Namespace, folder: str | Path, files: Iterable[str], folders: Iterable[str] = ()
) -> None:
    """Raises SetupError if the log, the folder for temporary files or the output (`files` and `folders` in `folder`) cannot
    be written. Leaves nothing in them."""
    check_file(arguments.log)
    check_temporary()
    check_output(folder, files, folders)


def check_compiler(folder: str | Path | None, compiled: bool, gpu_entry: Mapping[str, Any]) -> Path:
    """The folder of the compiler caches: `folder` if the user has named one. Raises SetupError if it cannot be used, or if
    a `compiled` variant could not build and load a small library there."""
    folder = resolve_links(folder) if folder else default_folder()
    if compiled:
        check_toolchain(folder, gpu_entry.get("device", "cuda") == "cuda")
    else:
        check_cache(folder)
    return folder
