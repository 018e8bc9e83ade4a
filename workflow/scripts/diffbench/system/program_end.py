"""How the programs end that measure: one line for what the user can fix, printed and logged, and the exit code."""

import os
import signal
import sys

from diffbench.vocabulary.errors import DiffbenchError, one_line

from .compiler_caches import CLEAN, default_folder
from .folders import FULL, LONGEST_PATH, number_of, reason_of, remedy_of
from .printing import flush, say
from .program_start import INTERRUPTED, begun, exit_code


def run_program(work, log=None):
    """Run a program's `work()`, which returns the lines to print once it is over: in `log`, the path of a file, if there is one.
    What the user can fix is one line, printed and in `log` too, for a job on a cluster has no terminal.

    Returns the exit code.
    """
    begun()
    try:
        lines = work()
    except DiffbenchError as error:
        return tell(f"error: {error}", log)
    except OSError as error:
        where = one_line(error.filename, LONGEST_PATH) if error.filename else "this program"
        caches = f"; compiler caches are in {default_folder()}: {CLEAN}" if number_of(error) in FULL else ""
        return tell(f"error: {where}: {reason_of(error)}; {remedy_of(error)}{caches}", log)
    except KeyboardInterrupt as error:
        note(INTERRUPTED, log)
        return exit_code(*error.args or [signal.SIGINT])
    for line in lines:
        note(line, log)
    return 0


def note(text, log):
    """Add a line to the log, which is what a job of the workflow has; print it where there is none."""
    if not log or not add_line(log, text):
        say(text)


def tell(text, log):
    """Print what the user can fix, and add it to the log. Returns exit code 1."""
    say(text)
    add_line(log or os.devnull, text)
    return 1


def add_line(path, text):
    """Add a line to a file. Returns whether it could be written."""
    try:
        with open(path, "a", encoding="utf-8", errors="replace") as file:
            file.write(text + "\n")
    except OSError:
        return False
    return True


def leave(code):
    """End this program with this exit code, also where PYTHONINSPECT asks for a prompt, or a line cannot be printed."""
    is_printed = flush()
    if sys.flags.inspect or not is_printed:
        os._exit(code)
    sys.exit(code)
