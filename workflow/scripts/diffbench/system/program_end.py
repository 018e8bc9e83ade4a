"""How the measuring programs end: an error that the user can fix is one line, printed and logged; and the exit code."""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING

from diffbench.vocabulary.errors import DiffbenchError, one_line

from .compiler_caches import CLEAN, default_folder
from .folders import FULL, LONGEST_PATH, errno_of, reason_of, remedy_of
from .printing import flush, say
from .program_start import INTERRUPTED, exit_code, raise_on_interrupt

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path
    from typing import NoReturn


def run_program(work: Callable[[], Iterable[str]], log: str | Path | None = None) -> int:
    """Run a program's `work()`, which returns the lines to print at the end. They go to the file `log` if one is given. An
    error that the user can fix is one line, printed and also written to `log`, because a job on a cluster has no terminal.

    Returns the exit code.
    """
    raise_on_interrupt()
    try:
        lines = work()
    except DiffbenchError as error:
        return report_error(f"error: {error}", log)
    except OSError as error:
        where = one_line(error.filename, LONGEST_PATH) if error.filename else "this program"
        caches = f"; compiler caches are in {default_folder()}: {CLEAN}" if errno_of(error) in FULL else ""
        return report_error(f"error: {where}: {reason_of(error)}; {remedy_of(error)}{caches}", log)
    except KeyboardInterrupt as error:
        log_or_print(INTERRUPTED, log)
        return exit_code(*error.args or [signal.SIGINT])
    for line in lines:
        log_or_print(line, log)
    return 0


def log_or_print(text: str, log: str | Path | None) -> None:
    """Add a line to the log, which a job of the workflow has; print it if there is no log."""
    if not log or not add_line(log, text):
        say(text)


def report_error(text: str, log: str | Path | None) -> int:
    """Print an error that the user can fix, and add it to the log. Returns exit code 1."""
    say(text)
    add_line(log or os.devnull, text)
    return 1


def add_line(path: str | Path, text: str) -> bool:
    """Add a line to a file. Returns whether it was written."""
    try:
        with open(path, "a", encoding="utf-8", errors="replace") as file:
            file.write(text + "\n")
    except OSError:
        return False
    return True


def leave(code: int) -> NoReturn:
    """End this program with this exit code, even if PYTHONINSPECT asks for a prompt or a line cannot be printed."""
    is_printed = flush()
    if sys.flags.inspect or not is_printed:
        os._exit(code)
    sys.exit(code)
