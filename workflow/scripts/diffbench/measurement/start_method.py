"""How a run starts: as a new process, or as a fork of a process that has already imported torch and Diffusers."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import psutil

from diffbench.vocabulary.errors import TemplateKilled

from .forked import Template
from .session import FORKSERVER, SPAWN

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

METHOD_VARIABLE = "DIFFBENCH_START_METHOD"  # of the workflow's runs
OWNER_VARIABLE = "DIFFBENCH_OWNER"  # the pid of the workflow, with which its runs and templates end


def find_owner(arguments: argparse.Namespace) -> psutil.Process | None:
    """The process of the workflow that started this run; None without a workflow, or if it has ended."""
    if arguments.owner:
        with suppress(psutil.Error, OSError):
            return psutil.Process(arguments.owner)
    return None


def choose_template(arguments: argparse.Namespace, owner: psutil.Process | None, round_number: int) -> Template | None:
    """The Template of the runs of the workflow `owner`; None if they are not forked."""
    if owner and arguments.start_method == FORKSERVER and sys.platform == "linux":
        return Template(owner, round_number)
    return None


def retry_spawned(measure: Callable[[argparse.Namespace], Any], arguments: argparse.Namespace) -> Any:
    """The result of `measure(arguments)`. If the process that the run was forked from was killed, and the run with it, that
    is not an outcome of the run: it is measured again in a new process."""
    try:
        return measure(arguments)
    except TemplateKilled as error:
        with open(arguments.log or os.devnull, "a", encoding="utf-8", errors="replace") as log:
            log.write(f"{error}\n")
        arguments.start_method = SPAWN
        return measure(arguments)
