"""How a program starts: an interrupt, or a package that is missing, ends it in one line, also while it imports its modules."""

import os
import signal
import sys

from diffbench.vocabulary.errors import describe_missing, one_line

from .printing import open_streams, say

INTERRUPTED = "interrupted: nothing was written"
PROC = "/proc/self/stat"
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)


def handle(handler):
    """Handle the signals that ask a program to end; not those that are ignored, as under nohup."""
    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, handler)


def begin():
    """Before a program imports its modules: there is nothing to clean up yet."""
    open_streams()
    handle(end)
    check_proc()
    sys.excepthook = explain


def check_proc():
    """End the program where Linux shows no processes: neither a run nor its memory could be watched."""
    if sys.platform == "linux" and not os.path.exists(PROC):
        say("error: /proc is not mounted: found no processes there; mount it, or start the container with it")
        os._exit(1)


def begun():
    """Once all is imported: an interrupt raises KeyboardInterrupt, with the number of its signal."""
    handle(interrupt)
    sys.excepthook = sys.__excepthook__


def end(number, frame):
    try:
        if "--log" not in sys.argv:  # a job of the workflow, which has a line of its own
            os.write(2, f"{INTERRUPTED}\n".encode())
    finally:
        os._exit(exit_code(number))


def interrupt(number, frame):
    raise KeyboardInterrupt(number)


def exit_code(number):
    """What a shell says of a program that a signal ended."""
    return 128 + number


def explain(kind, error, traceback):
    """Print what cannot be imported; the traceback of everything else."""
    if not isinstance(error, ImportError):
        sys.__excepthook__(kind, error, traceback)
    elif isinstance(error, ModuleNotFoundError) and error.name:
        say(f"error: {describe_missing(error.name, sys.executable)}")
    else:
        say(f"error: {one_line(error, 150)}: a package of {sys.executable} is broken; install it again")
