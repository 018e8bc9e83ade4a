"""The checks of a variant's mechanisms after its calls were measured. The numbers are reported before; a check can only
make them invalid."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Callable, NamedTuple

import torch

from diffbench.libraries.failure import chain, lacks_memory
from diffbench.vocabulary.errors import Invalid, one_line, print_traceback

from .garbage import collect

if TYPE_CHECKING:
    from .process import Report
    from .variant import Variant


class Check(NamedTuple):
    """`run(call)` checks a mechanism and returns its evidence as text, or None; `call` makes one more call of the pipeline.

    It raises Invalid if the mechanism had no effect. Any other exception means that the check could not run.
    """

    mechanism: str
    run: Callable


def free_memory(device: torch.device) -> None:
    """Free unused memory of host and device, so that a check has as much memory as the first call had."""
    collect()
    if device.type == "cuda":
        with contextlib.suppress(RuntimeError):  # a check may have broken the device: the others will say so
            torch.cuda.empty_cache()


def reason_of(error: Exception) -> str:
    """`OutOfMemoryError: CUDA out of memory...`, without the `;` that separates reasons; a lack of memory among the causes
    comes first."""
    cause = next(filter(lacks_memory, chain(error)), error)
    return one_line(f"{type(cause).__name__}: {cause}", 160).replace(";", ",")


def run_check(check: Check, call: Callable) -> tuple[str | None, str | None]:
    """(evidence, None), or (None, why the check could not run). Raises Invalid if the mechanism had no effect."""
    try:
        return check.run(call), None
    except Invalid:
        raise
    except Exception as error:  # the number was measured before it: no failure of a check may take it away
        print_traceback(error)
        return None, reason_of(error)


def verify(variant: Variant, call: Callable, report: Report) -> None:
    """Run the variant's checks one after the other, even if an earlier one failed, and report the evidence as it grows.

    Before each check, report the mechanisms that are still pending, because the process may die in it.
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
