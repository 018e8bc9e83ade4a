"""Refusals: a mechanism's library raises an error at the first call, because it does not support the shapes, dtype or device."""

import contextlib
import re

from diffbench.libraries.failure import chain, is_from_compiler, is_out_of_memory, modules_of
from diffbench.vocabulary.errors import Unsupported, one_line

from .registry import MECHANISMS

KINDS = (ValueError, NotImplementedError, RuntimeError, AssertionError, ImportError)
BROKEN_DEVICE = re.compile(r"CUDA (?:driver )?error|device-side assert")
NOT_BUILT = re.compile("no kernel image|invalid device function")  # the library has no code for this GPU


def is_within(module, packages):
    """Whether a module belongs to one of the packages."""
    return any(module == package or module.startswith(package + ".") for package in packages)


def refusals_of(recipe):
    """{name: Refusal} of the recipe's mechanisms that have one."""
    return {name: mechanism.refusal for name, mechanism in MECHANISMS.items() if name in recipe and mechanism.refusal}


def refusing_mechanism(error, recipe):
    """The mechanism of the recipe whose library raised the error. None if no library did, or if the error is not a refusal:
    memory ran out, or the device failed."""
    text = str(error)
    broken = BROKEN_DEVICE.search(text) and not NOT_BUILT.search(text)
    if not isinstance(error, KINDS) or is_out_of_memory(error) or broken:
        return None
    causes = list(chain(error))
    compiling = any(map(is_from_compiler, causes))
    for name, refusal in refusals_of(recipe).items():
        if any(refusal.message.search(str(cause)) for cause in causes):
            return name
        if not compiling and any(
            is_within(module, refusal.modules) for cause in causes for module in modules_of(cause)
        ):
            return name
    return None


@contextlib.contextmanager
def refusals(recipe):
    """Turns a refusal by a library of the recipe's mechanisms into Unsupported. For the first call, because a library that
    refuses does so there."""
    try:
        yield
    except KINDS as error:
        mechanism = refusing_mechanism(error, recipe)
        if mechanism is None:
            raise
        raise Unsupported(f"{mechanism} is refused here: {type(error).__name__}: {one_line(error, 200)}") from error
