"""The types of arguments of the programs that measure, by the rules of the config. Imports nothing that has to be installed."""

import argparse
import os
import re
from pathlib import Path

from .printing import say

INTEGER = re.compile(r"[0-9]{1,9}\Z")  # more digits are a slip of the keyboard
NUMBER = re.compile(r"([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?\Z")
VERSIONS = re.compile(r"([A-Za-z0-9._-]+=[^=,\s]+(,[A-Za-z0-9._-]+=[^=,\s]+)*)?\Z")


class Parser(argparse.ArgumentParser):
    """A parser that says what is wrong in one line, without the usage."""

    def error(self, message):
        say(f"error: {message}")
        self.exit(2)


def refusal(text, expected):
    """The error for an argument that is none of what was expected."""
    return argparse.ArgumentTypeError(f"found {text!r}, expected {expected}")


def count(text):
    if not INTEGER.match(text):
        raise refusal(text, "an integer of 0 or more")
    return int(text)


def positive_integer(text):
    if not INTEGER.match(text) or int(text) < 1:
        raise refusal(text, "an integer of 1 or more")
    return int(text)


def positive_number(text):
    if not NUMBER.match(text) or not 0 < float(text) < float("inf"):
        raise refusal(text, "a number above 0")
    return float(text)


def optional(kind):
    """The type of an argument that may be none."""
    return lambda text: None if text.lower() in ("none", "null", "") else kind(text)


def percent(text):
    found = optional(positive_number)(text)
    if found is not None and found > 100:
        raise refusal(text, "a number above 0 and of 100 at most, or none")
    return found


def path(text):
    if not text:
        raise refusal(text, "the path of a file or folder")
    return Path(text)


def new_file(text):
    """The type of a file that is written anew: what is there is kept, unless it is an empty file."""
    found = path(text)
    if os.path.lexists(found) and (found.is_symlink() or not found.is_file() or found.stat().st_size):
        raise refusal(text, "a new file")
    return found


def versions(text):
    if not VERSIONS.match(text):
        raise refusal(text, "versions such as torch=2.13.0,diffusers=0.42.1")
    return text
