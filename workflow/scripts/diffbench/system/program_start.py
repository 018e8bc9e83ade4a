"""How a program starts: an interrupt or a missing package ends it in one line, even while it imports its modules."""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING

from diffbench.vocabulary.errors import describe_missing, one_line

from .printing import open_streams, say

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType, TracebackType
    from typing import NoReturn

INTERRUPTED = "interrupted: nothing was written"
PROC = "/proc/self/stat"
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)


def set_handlers(handler: Callable[[int, FrameType | None], object]) -> None:
    """Set the handler of the signals that ask a program to end, except ignored ones, as under nohup."""
    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, handler)


def begin() -> None:
    """Called before a program imports its modules: there is nothing to clean up yet."""
    open_streams()
    set_handlers(end)
    check_proc()
    sys.excepthook = explain


def check_proc() -> None:
    """End the program if Linux shows no processes: the run and its memory could not be monitored."""
    if sys.platform == "linux" and not os.path.exists(PROC):
        say("error: /proc is not mounted: found no processes there; mount it, or start the container with it")
        os._exit(1)


def raise_on_interrupt() -> None:
    """Called after the imports: an interrupt now raises KeyboardInterrupt with the number of its signal."""
    set_handlers(interrupt)
    sys.excepthook = sys.__excepthook__


def end(number: int, frame: FrameType | None) -> NoReturn:
    try:
        if "--log" not in sys.argv:  # else a job of the workflow, which prints its own line
            os.write(2, f"{INTERRUPTED}\n".encode())
    finally:
        os._exit(exit_code(number))


def interrupt(number: int, frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt(number)


def exit_code(number: int) -> int:
    """The exit code by which a shell reports a program that was ended by a signal."""
    return 128 + number


def explain(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
    """Print one line for a failed import, and the traceback of any other error."""
    if not isinstance(error, ImportError):
        sys.__excepthook__(kind, error, traceback)
    elif isinstance(error, ModuleNotFoundError) and error.name:
        say(f"error: {describe_missing(error.name, sys.executable)}")
    else:
        say(f"error: {one_line(error, 150)}: a package of {sys.executable} is broken; install it again")
