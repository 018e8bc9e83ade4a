"""Printing to any terminal, and to what takes nothing: a closed stream, a pipe whose reader has left, a full disk."""

import contextlib
import errno
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


class Stream:
    """A text stream that stops nothing once its reader has left: from then on what is printed is lost."""

    def __init__(self, stream, name=None):
        """`name`: what to call it in the OSError of a stream that cannot take its text for another reason; by default that is
        lost, too."""
        self.stream, self.name = stream, name

    def __getattr__(self, name):
        return getattr(self.stream, name)

    def write(self, text):
        self.attempt(self.stream.write, text)
        return len(text)

    def flush(self):
        self.attempt(self.stream.flush)

    def attempt(self, work, *arguments):
        """Do some work with the stream. Raises OSError where it has a `name`, unless the reader has left."""
        try:
            work(*arguments)
        except OSError as error:
            with contextlib.suppress(OSError):  # no file is behind it
                null = os.open(os.devnull, os.O_WRONLY)
                os.dup2(null, self.stream.fileno())  # or what is left in its buffer would fail again at the end
                os.close(null)
            if self.name and error.errno != errno.EPIPE:
                raise OSError(error.errno, error.strerror, self.name) from None


def lossy(stream):
    """A stream as one that never fails."""
    return stream if isinstance(stream, Stream) else Stream(stream)


def print_anywhere():
    """Have what a terminal's encoding lacks printed as `?`, and what stderr cannot take lost, so that printing never fails; only
    results that cannot be printed to stdout are an error, unless its reader has left. Files are in UTF-8 always."""
    open_streams()
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # not where a caller has put something else in their place
            stream.reconfigure(errors="replace")
    sys.stderr = lossy(sys.stderr)
    if not isinstance(sys.stdout, Stream):
        sys.stdout = Stream(sys.stdout, "stdout")


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
