"""Printing that never fails: to a terminal with any encoding, a closed stream, a pipe without a reader, a full disk."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


def open_streams() -> None:
    """Open streams that a shell has closed (`>&-`) on the null device. Otherwise printing fails, and the next file that is
    opened, such as a lock, receives the printed text."""
    while True:
        number = os.open(os.devnull, os.O_RDWR)  # the lowest that is free
        if number > 2:
            os.close(number)
            break
        os.set_inheritable(number, True)
    for name, number in (("stdout", 1), ("stderr", 2)):
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, "w", encoding="utf-8", errors="replace", closefd=False))


class Stream:
    """A text stream that keeps accepting text after its reader has gone; the text is then lost."""

    def __init__(self, stream: Any, name: str | None = None) -> None:
        """`name` names the stream in the OSError that it raises for any other failure; by default that text is lost, too."""
        self.stream, self.name = stream, name

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)

    def write(self, text: str) -> int:
        self.attempt(self.stream.write, text)
        return len(text)

    def flush(self) -> None:
        self.attempt(self.stream.flush)

    def attempt(self, work: Callable[..., Any], *arguments: Any) -> None:
        """Call `work` on the stream. Raises OSError if the stream has a `name`, unless its reader has gone."""
        try:
            work(*arguments)
        except OSError as error:
            with contextlib.suppress(OSError):  # no file is behind it
                null = os.open(os.devnull, os.O_WRONLY)
                os.dup2(null, self.stream.fileno())  # otherwise the text in its buffer would fail again at exit
                os.close(null)
            if self.name and error.errno != errno.EPIPE:
                raise OSError(error.errno, error.strerror, self.name) from None


def make_lossy(stream: Any) -> Stream:
    """A stream as one that never fails."""
    return stream if isinstance(stream, Stream) else Stream(stream)


def print_anywhere() -> None:
    """Print `?` for characters that a terminal's encoding lacks, and drop text that stderr cannot take, so that printing
    never fails. Only results that cannot be printed to stdout are an error, unless its reader has gone. Files are always in
    UTF-8."""
    open_streams()
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # not where a caller has put something else in their place
            stream.reconfigure(errors="replace")
    sys.stderr = make_lossy(sys.stderr)
    if not isinstance(sys.stdout, Stream):
        sys.stdout = Stream(sys.stdout, "stdout")


def say(text: str, stream: Any = None) -> None:
    """Print a line, by default to stderr. A line that cannot be printed (a closed pipe, a full disk) is dropped."""
    with contextlib.suppress(OSError):
        print(text, file=stream or sys.stderr, flush=True)


def flush() -> bool:
    """Flush stdout and stderr. Returns whether all text could be printed."""
    is_printed = True
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            is_printed = False
    return is_printed
