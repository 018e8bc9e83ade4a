"""The errors that a user sees as one line."""

import difflib
import traceback

PACKAGES = {"yaml": "PyYAML"}  # of modules that have another name than their package


class DiffbenchError(Exception):
    """Something to be told in one line: what is at fault, what was found, what was expected, what to do."""


class SetupError(DiffbenchError):
    """The machine or the environment cannot measure this run: no row may claim a number."""


class TemplateKilled(DiffbenchError):
    """What a run was forked from was killed, and the run with it: it is measured again."""


class Unsupported(Exception):
    """This release, device or model cannot do what the variant asks for: a row with status `unsupported`."""


class Invalid(Exception):
    """It ran, but its number must not stand: a row with status `invalid`."""


def describe_missing(module, python):
    """The line for a Python without a module that measuring needs: its package, and what to do."""
    return (
        f"{PACKAGES.get(module, module)} is not installed in {python}; `make setup` installs requirements.txt into .venv, "
        "`. .venv/bin/activate` selects it"
    )


def print_traceback(error):
    """The whole traceback, for the log."""
    traceback.print_exception(type(error), error, error.__traceback__)


def one_line(text, limit=300):
    """The text without line breaks and control characters, at most `limit` characters."""
    words = "".join(c if c.isprintable() else " " for c in str(text)).split()
    line = " ".join(words)
    return line if len(line) <= limit else line[: limit - 1] + "…"


def list_known(known, name=None, limit=100):
    """The names that there are, as many as fit, with the one that is most like a `name` that there is not."""
    near = difflib.get_close_matches(str(name), list(known), n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return one_line(", ".join(known), limit) + hint
