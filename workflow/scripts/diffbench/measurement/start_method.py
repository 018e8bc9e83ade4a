"""How a run starts: as a new process, or as a fork of a process that has imported torch and Diffusers already."""

import os
import sys
from contextlib import suppress

import psutil

from diffbench.vocabulary.errors import TemplateKilled

from .forked import Template
from .session import FORKSERVER, SPAWN

METHOD = "DIFFBENCH_START_METHOD"  # of the workflow's runs
OWNER = "DIFFBENCH_OWNER"  # the pid of the workflow, with which its runs and templates end


def owner_of(arguments):
    """The psutil.Process of the workflow whose run this is; None for a run of its own, or if it has ended."""
    if arguments.owner:
        with suppress(psutil.Error, OSError):
            return psutil.Process(arguments.owner)
    return None


def template_of(arguments, owner, round_number):
    """The Template of the runs of the workflow `owner`; None where they are not forked."""
    if owner and arguments.start_method == FORKSERVER and sys.platform == "linux":
        return Template(owner, round_number)
    return None


def or_spawned(measure, arguments):
    """What `measure(arguments)` returns. Where the process that the run was forked from was killed, and the run with it, that
    says nothing of the run: it is measured again in a new process."""
    try:
        return measure(arguments)
    except TemplateKilled as error:
        with open(arguments.log or os.devnull, "a", encoding="utf-8", errors="replace") as log:
            log.write(f"{error}\n")
        arguments.start_method = SPAWN
        return measure(arguments)
