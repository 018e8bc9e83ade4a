"""The classes of Diffusers and transformers: which ones a release has, and which ones cannot be imported."""

import importlib
import re

from diffbench.vocabulary.errors import SetupError, Unsupported, one_line

from .failure import fault_of, is_out_of_memory, modules_of

LACKS = re.compile(r"cannot import name|has no attribute")  # what a module says that another release has
FAILURES = (AttributeError, NameError, TypeError, ValueError, RuntimeError)  # of code for another release of torch
BROKEN = re.compile(r"unknown location|partially initialized")  # of a package whose files are not all there


def find_class(path):
    """The class named `diffusers.X`, `transformers.X`, or X (of diffusers).

    Raises Unsupported where this release lacks it, for a catalogue may name what only newer releases have, or where it needs a
    package that is not installed or another release of one. Raises SetupError where a package is broken.
    """
    library, _, name = path.rpartition(".")
    library = library or "diffusers"
    package = library.partition(".")[0]
    if package not in LIBRARIES:
        raise SetupError(f"class {path!r} is of {library!r}; expected one of {', '.join(LIBRARIES)}")
    reason = f"{library} {importlib.import_module(package).__version__} has no class {name}"
    try:
        found = getattr(importlib.import_module(library), name)
    except (Exception, SystemExit) as error:  # whatever the packages that it imports raise
        if is_out_of_memory(error) or fault_of(error):
            raise
        cause = innermost(error)
        if not is_of_release(cause, library, name):
            said = one_line(f"{type(cause).__name__}: {cause}", 100)
            raise SetupError(f"{path} cannot be imported: {said}; a package is broken: install it again") from None
        raise Unsupported(f"{reason} ({one_line(error, 120)})") from None
    if type(found).__name__ == "DummyObject":  # what both libraries have in the place of a class that needs a package
        raise Unsupported(f"{reason} without {', '.join(found._backends)}")
    return found


def innermost(error):
    """What an error came from: both libraries raise one of their own where an import fails."""
    while error.__cause__ is not None:
        error = error.__cause__
    return error


def is_of_release(cause, library, name):
    """Whether an import failed since a release lacks what is asked for, or a package is not installed; not where a package lacks
    a part of its own, or fails for another reason."""
    if BROKEN.search(str(cause)):
        return False
    if isinstance(cause, ModuleNotFoundError):
        missing = str(cause.name)
        return f"{library}.".startswith(f"{missing}.") or root(missing) != importer(cause)
    if isinstance(cause, ImportError):
        return bool(LACKS.search(str(cause))) and root(cause.name) != importer(cause)
    if isinstance(cause, AttributeError) and LACKS.search(str(cause)):
        return True
    return isinstance(cause, FAILURES) and importer(cause) in ("torch", *LIBRARIES)


def importer(error):
    """The package whose code was running as an import failed."""
    names = [root(module) for module in modules_of(error) if root(module) not in ("importlib", "_frozen_importlib")]
    return names[-1] if names else None


def root(module):
    return str(module).partition(".")[0]


LIBRARIES = ("diffusers", "transformers")
