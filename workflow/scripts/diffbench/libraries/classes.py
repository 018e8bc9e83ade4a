"""The classes of Diffusers and transformers: which ones a release has, and which ones cannot be imported."""

from __future__ import annotations

import importlib
import re
from typing import Any

from diffbench.vocabulary.errors import SetupError, Unsupported, one_line

from .failure import fault_of, is_out_of_memory, modules_of

LACKS = re.compile(r"cannot import name|has no attribute")  # in errors about a name that only another release has
FAILURES = (AttributeError, NameError, TypeError, ValueError, RuntimeError)  # of code for another release of torch
BROKEN = re.compile(r"unknown location|partially initialized")  # in errors of a package with missing files


def find_class(path: str) -> Any:
    """The class named `diffusers.X`, `transformers.X`, or X (of diffusers).

    Raises Unsupported if this release lacks the class, because a catalogue may name classes of newer releases, or if the
    class needs a package that is missing or has another release. Raises SetupError if a package is broken.
    """
    library, _, name = path.rpartition(".")
    library = library or "diffusers"
    package = library.partition(".")[0]
    if package not in MODEL_LIBRARIES:
        raise SetupError(f"class {path!r} belongs to {library!r}; expected one of {', '.join(MODEL_LIBRARIES)}")
    reason = f"{library} {importlib.import_module(package).__version__} has no class {name}"
    try:
        found = getattr(importlib.import_module(library), name)
    except (Exception, SystemExit) as error:  # from any package that it imports
        if is_out_of_memory(error) or fault_of(error):
            raise
        cause = original_cause(error)
        if not is_missing_in_release(cause, library, name):
            said = one_line(f"{type(cause).__name__}: {cause}", 100)
            raise SetupError(f"{path} cannot be imported: {said}; a package is broken: install it again") from None
        raise Unsupported(f"{reason} ({one_line(error, 120)})") from None
    if type(found).__name__ == "DummyObject":  # both libraries replace a class that needs a missing package by this
        raise Unsupported(f"{reason} without {', '.join(found._backends)}")
    return found


def original_cause(error: BaseException) -> BaseException:
    """The original cause of an error: both libraries raise their own errors if an import fails."""
    while error.__cause__ is not None:
        error = error.__cause__
    return error


def is_missing_in_release(cause: BaseException, library: str, name: str) -> bool:
    """Whether an import failed because a release lacks a name or a package is not installed, and not because a package
    lacks a part of itself or fails for another reason."""
    if BROKEN.search(str(cause)):
        return False
    if isinstance(cause, ModuleNotFoundError):
        missing = str(cause.name)
        return f"{library}.".startswith(f"{missing}.") or top_package(missing) != importing_package(cause)
    if isinstance(cause, ImportError):
        return bool(LACKS.search(str(cause))) and top_package(cause.name) != importing_package(cause)
    if isinstance(cause, AttributeError) and LACKS.search(str(cause)):
        return True
    return isinstance(cause, FAILURES) and importing_package(cause) in ("torch", *MODEL_LIBRARIES)


def importing_package(error: BaseException) -> str | None:
    """The package whose code was running when an import failed."""
    names = [
        top_package(module)
        for module in modules_of(error)
        if top_package(module) not in ("importlib", "_frozen_importlib")
    ]
    return names[-1] if names else None


def top_package(module: str | None) -> str:
    return str(module).partition(".")[0]


MODEL_LIBRARIES = ("diffusers", "transformers")
