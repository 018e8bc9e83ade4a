"""The types of command-line arguments, with the same rules as the config. Imports only the standard library."""

from __future__ import annotations

import argparse
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .printing import say

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn

INTEGER = re.compile(r"[0-9]{1,9}\Z")  # more digits are a slip of the keyboard
NUMBER = re.compile(r"([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?\Z")
VERSIONS = re.compile(r"([A-Za-z0-9._-]+=[^=,\s]+(,[A-Za-z0-9._-]+=[^=,\s]+)*)?\Z")


class Parser(argparse.ArgumentParser):
    """A parser that reports an error in one line, without the usage."""

    def error(self, message: str) -> NoReturn:
        say(f"error: {message}")
        self.exit(2)


def refusal(text: str, expected: str) -> argparse.ArgumentTypeError:
    """The error for an argument that is not as expected."""
    return argparse.ArgumentTypeError(f"found {text!r}, expected {expected}")


def non_negative_integer(text: str) -> int:
    if not INTEGER.match(text):
        raise refusal(text, "an integer of 0 or more")
    return int(text)


def positive_integer(text: str) -> int:
    if not INTEGER.match(text) or int(text) < 1:
        raise refusal(text, "an integer of 1 or more")
    return int(text)


def positive_number(text: str) -> float:
    if not NUMBER.match(text) or not 0 < float(text) < float("inf"):
        raise refusal(text, "a number above 0")
    return float(text)


def optional(kind: Callable[[str], Any]) -> Callable[[str], Any]:
    """The type of an argument that may be `none`."""
    return lambda text: None if text.lower() in ("none", "null", "") else kind(text)


def percent(text: str) -> float | None:
    found = optional(positive_number)(text)
    if found is not None and found > 100:
        raise refusal(text, "a number above 0 and of 100 at most, or none")
    return found


def path(text: str) -> Path:
    if not text:
        raise refusal(text, "the path of a file or folder")
    return Path(text)


def new_file(text: str) -> Path:
    """The type of a file to create. An existing file is refused, unless it is empty."""
    found = path(text)
    if os.path.lexists(found) and (found.is_symlink() or not found.is_file() or found.stat().st_size):
        raise refusal(text, "a new file")
    return found


def versions(text: str) -> str:
    if not VERSIONS.match(text):
        raise refusal(text, "versions such as torch=2.13.0,diffusers=0.42.1")
    return text
