"""Printing to any terminal, or to none."""

import contextlib
import os
import sys


def open_streams():
    """Open what a shell has closed (`>&-`) on the null device: else printing fails, and the next file that is opened, such as a
    lock, takes what programs print."""
    while True:
        number = os.open(os.devnull, os.O_RDWR)  # the lowest that is free
        if number > 2:
            os.close(number)
            break
        os.set_inheritable(number, True)
    for name, number in (("stdout", 1), ("stderr", 2)):
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, "w", encoding="utf-8", errors="replace", closefd=False))


def print_anywhere():
    """Have what a terminal's encoding lacks printed as `?`, so that printing never fails. Files are in UTF-8 always."""
    open_streams()
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # not where a caller has put something else in their place
            stream.reconfigure(errors="replace")


def say(text, stream=None):
    """Print a line, by default to stderr. One that cannot be printed (a closed pipe, a full disk) stops nothing."""
    with contextlib.suppress(OSError):
        print(text, file=stream or sys.stderr, flush=True)


def flush():
    """Print what is still to be printed. Returns whether all of it could be."""
    is_printed = True
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            is_printed = False
    return is_printed
