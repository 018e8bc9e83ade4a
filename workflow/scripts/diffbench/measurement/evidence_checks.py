"""The checks of a variant's mechanisms, once its calls were measured: the numbers stand, and a check can only show that they must
not."""

import contextlib
from typing import Callable, NamedTuple

import torch

from diffbench.libraries.failure import chain, lacks_memory
from diffbench.vocabulary.errors import Invalid, one_line, print_traceback

from .garbage import collect


class Check(NamedTuple):
    """`run(call)` looks at a mechanism and returns what it saw as text, or None; `call` makes another call of the pipeline.

    It raises Invalid where the mechanism had no effect. Whatever else it raises says that it could not look.
    """

    mechanism: str
    run: Callable


def free_memory(device):
    """Return to host and device what no tensor uses, so that a check has as much memory as the first call had."""
    collect()
    if device.type == "cuda":
        with contextlib.suppress(RuntimeError):  # a check may have broken the device: the others will say so
            torch.cuda.empty_cache()


def reason_of(error):
    """`OutOfMemoryError: CUDA out of memory...`, without the `;` between reasons; of a lack of memory behind it, if any."""
    cause = next(filter(lacks_memory, chain(error)), error)
    return one_line(f"{type(cause).__name__}: {cause}", 160).replace(";", ",")


def run_check(check, call):
    """(what the check saw, None), or (None, why it could not look). Raises Invalid where the mechanism had no effect."""
    try:
        return check.run(call), None
    except Invalid:
        raise
    except Exception as error:  # the number was measured before it: no failure of a check may take it away
        print_traceback(error)
        return None, reason_of(error)


def verify(variant, call, report):
    """Run the variant's checks one after the other, each whatever became of those before, and report the evidence as it grows.

    Before each one the report learns which mechanisms are still to be looked at, for the process may die in it.
    """
    found, unverified = list(variant.evidence), []
    free_memory(variant.device)
    for position, check in enumerate(variant.checks):
        report.emit("pending", mechanisms=[check.mechanism for check in variant.checks[position:]])
        text, failure = run_check(check, call)
        if failure:
            free_memory(variant.device)
            unverified.append(f"{check.mechanism}: {failure}")
            text = f"{check.mechanism} not verified"
        found += [text] if text else []
        report.values(evidence="; ".join(found), unverified="; ".join(unverified), **variant.columns)
    report.emit("pending", mechanisms=[])
