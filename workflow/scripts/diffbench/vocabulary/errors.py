"""The errors that a user sees as one line."""

from __future__ import annotations

import difflib
import traceback
from typing import Iterable

SHORTEST = 4  # letters that a known name must have to be suggested for a longer one that begins with it
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
    """The names that there are, as many as fit, with the one that is most like a `name` that there is not."""
    near = find_near(str(name), known)
    hint = f"; did you mean {near!r}?" if near else ""
    return one_line(", ".join(known), limit) + hint


def find_near(name: str, known: Iterable[str]) -> str | None:
    """The known name that is most like one that there is not: the same but for case and punctuation, one that begins with it, one
    that it begins with, or one with few other letters; None if there is none. A release, `2.1`, is like no other."""
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
