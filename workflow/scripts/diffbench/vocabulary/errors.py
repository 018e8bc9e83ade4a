"""The errors that a user sees as one line."""

from __future__ import annotations

import difflib
import traceback
from typing import Iterable

SHORTEST = 4  # letters of the shortest known name that is suggested for a longer one beginning with it
PACKAGES = {"yaml": "PyYAML"}  # of modules that have another name than their package


class DiffbenchError(Exception):
    """An error that is reported in one line: the file or key at fault, what was found, what was expected, what to do."""


class SetupError(DiffbenchError):
    """The machine or the environment cannot measure this run, so there is no row."""


class TemplateKilled(DiffbenchError):
    """The process that a run was forked from was killed, and the run with it: the run is measured again."""


class Unsupported(Exception):
    """This release, device or model does not support the variant: a row with status `unsupported`."""


class Invalid(Exception):
    """It ran, but its number would be misleading: a row with status `invalid`."""


def describe_missing(module: str, python: str) -> str:
    """The line for a Python without a module that measuring needs: its package, and what to do."""
    return (
        f"{PACKAGES.get(module, module)} is not installed in {python}; `make setup` installs requirements.txt into .venv, "
        "`. .venv/bin/activate` selects it"
    )


def print_traceback(error: BaseException) -> None:
    """The whole traceback, for the log."""
    traceback.print_exception(type(error), error, error.__traceback__)


def one_line(text: object, limit: int = 300) -> str:
    """The text without line breaks and control characters, at most `limit` characters."""
    words = "".join(c if c.isprintable() else " " for c in str(text)).split()
    line = " ".join(words)
    return line if len(line) <= limit else line[: limit - 1] + "…"


def list_known(known: Iterable[str], name: object, limit: int = 100) -> str:
    """The known names, as many as fit, with the one that is most similar to an unknown `name`."""
    near = find_near(str(name), known)
    hint = f"; did you mean {near!r}?" if near else ""
    return one_line(", ".join(known), limit) + hint


def find_near(name: str, known: Iterable[str]) -> str | None:
    """The known name that is most similar to an unknown one: the same except for case and punctuation, one that begins with it,
    one that it begins with, or one with few different letters; None if there is none. A release, `2.1`, is similar to none."""
    plain = {plain_of(one): one for one in reversed(list(known))}  # the first of those that are alike
    asked = plain_of(name)
    if asked in plain:
        return plain[asked]
    if not any(map(str.isalpha, asked)):
        return None
    longer = [one for one in plain if one.startswith(asked)]
    shorter = [one for one in plain if len(one) >= SHORTEST and asked.startswith(one)]
    near = longer[-1:] or sorted(shorter, key=len)[-1:] or difflib.get_close_matches(asked, plain, n=1)
    return plain[near[0]] if near else None


def plain_of(name: str) -> str:
    """A name without case and punctuation."""
    return "".join(filter(str.isalnum, name.lower()))
