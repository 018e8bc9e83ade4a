"""Printing to any terminal."""

import sys


def print_anywhere():
    """Have what a terminal's encoding lacks printed as `?`, so that printing never fails. Files are in UTF-8 always."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # not where a caller has put something else in their place
            stream.reconfigure(errors="replace")
