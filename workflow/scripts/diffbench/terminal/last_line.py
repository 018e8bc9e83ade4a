"""The last line that `snakemake` prints: the reason why it ends, and the log with the details.

Snakemake's own blocks about failures are printed only with --verbose; its log file has them.
"""

import logging
import os
import sys
import threading
import time
import warnings
from collections.abc import Callable, Sequence
from types import FrameType, TracebackType
from typing import Any, NamedTuple

from snakemake_interface_logger_plugins.common import LogEvent

from diffbench.data.types import AnyPath
from diffbench.system.printing import make_lossy
from diffbench.system.program_start import set_handlers

from .job_lines import Display
from .reasons import ERROR, LENGTH, describe_exception, describe_program, describe_submitted, last_line, with_log

HIDDEN = (LogEvent.ERROR, LogEvent.JOB_ERROR, LogEvent.GROUP_ERROR)
HIDDEN_TEXTS = (  # of messages without event
    "Exiting because a job execution failed",
    "Shutting down, this might take some time",
    "Terminating processes on user request",
    "Will exit after finishing currently running jobs",
    "Removing output files of failed job",
)
HIDDEN_AT_THE_END = ("Complete log(s): ", "Elapsed time: ")  # unless all went well
STOPPED = ("Terminating processes on user request", "Will exit after finishing currently running jobs")
UNFINISHED = "At least one job did not complete successfully"
CALLED = "CalledProcessError"
INTERRUPTED = "interrupted; start again to continue"
PATIENCE_S = 10  # during which a repeated interrupt does nothing
SEVERAL = "{count} jobs failed, for the reasons above"


class Failure(NamedTuple):
    """An exception that Snakemake logs: the name of its class and its text."""

    name: str
    text: str


def find_log(logger: logging.Logger) -> str | None:
    """The path of Snakemake's log file, relative to the current folder; None with --quiet or in a dry run."""
    names = [getattr(handler, "baseFilename", None) for handler in logger.handlers]
    path = next(filter(None, names), None)
    return path and os.path.relpath(path)


class Ending(logging.Handler):
    """A handler of Snakemake's log that collects failures, and prints them after everything else."""

    def __init__(
        self,
        logger: logging.Logger,
        handler: Any,
        verbose: bool = False,
        main: bool = True,
        rules: Callable[[], Sequence[str]] = list,
    ) -> None:
        """`handler`: Snakemake's, of the terminal; `verbose`: it prints its own messages too; `main`: this process is not a job
        of another Snakemake, which would print instead; `rules`: returns the names of all rules."""
        super().__init__()
        self.logger, self.stream, self.main, self.rules = logger, handler.stream, main, rules
        self.since, self.log = time.time(), find_log(logger)
        self.display: Display | None = None
        self.at_once = False  # see `attach`
        self.open: list[Failure] = []  # exceptions that are not assigned to a failed job yet
        self.failed: dict[Any, str] = {}  # by job: the line for its failure
        self.interrupted, self.ended = False, False
        if not verbose:
            handler.addFilter(self.passes)

    def attach(self, display: Display | None, at_once: bool) -> None:
        """Set the display that is shown while jobs run (a Display or None); `at_once`: print a failure when it happens."""
        self.display, self.at_once = display, at_once

    def passes(self, record: logging.LogRecord) -> bool:
        """Whether Snakemake prints the record itself."""
        text = str(record.msg)
        if getattr(record, "event", None) in HIDDEN or text.startswith(HIDDEN_TEXTS):
            return False
        return not (text.startswith(HIDDEN_AT_THE_END) and (self.failed or self.open or self.interrupted))

    def emit(self, record: logging.LogRecord) -> None:
        """Record what fails, and what succeeds when it is tried again."""
        try:
            self.collect(record)
        except Exception:  # as logging does
            self.handleError(record)

    def collect(self, record: Any) -> None:
        """Record the failure or success that a log record reports."""
        event, text = getattr(record, "event", None), str(record.msg)
        self.interrupted |= text.startswith(STOPPED)
        if event == LogEvent.ERROR and UNFINISHED not in text:
            self.open.append(Failure(record.exception, text))
        elif event == LogEvent.JOB_FINISHED:
            self.failed.pop(record.job_id, None)
        elif event == LogEvent.JOB_ERROR and not self.interrupted:
            self.failed[record.jobid] = line = self.describe_job(record)
            if self.at_once:
                self.print(line)

    def describe_job(self, record: Any) -> str:
        """The line for a job that failed: the reason from its program or from Snakemake, otherwise how the program ended."""
        ends = [(log, last_line(log, self.since)) for log in dict.fromkeys(record.log)]
        name, text = self.take(record.shellcmd)
        own = [(log, line) for log, line in ends if line.startswith(ERROR)]
        if own:
            return with_log(own[0][1], own[0][0])
        if text and CALLED not in text:
            reason = describe_exception(name, text, self.rules())
        else:
            submitted = describe_submitted(record.rule_msg or "")
            reason = submitted or describe_program(record.rule_name, text)
        log, line = next((end for end in ends if end[1]), (self.log, ""))
        if not self.main and record.log:
            write_line(record.log[0], with_log(reason, None))  # the main process reads it there
        return with_log(f"{reason}; {line}" if line else reason, log)

    def take(self, command: str | None) -> Failure:
        """The exception that Snakemake printed for a job, by its shell command: several jobs may fail at the same time."""
        found = next((error for error in self.open if command and command in error.text), None)
        found = found or (self.open[-1] if self.open else Failure("", ""))
        self.open = [error for error in self.open if error is not found]
        return found

    def lines(self) -> list[str]:
        """The lines to print at the end."""
        jobs = list(dict.fromkeys(self.failed.values()))
        errors = [describe_exception(name, text, self.rules()) for name, text in self.open if CALLED not in text]
        lines = [*([] if self.at_once and len(jobs) > 1 else jobs), *(with_log(error, self.log) for error in errors)]
        progress = self.display.describe() if self.display else ""
        if self.interrupted:
            return [*([] if self.at_once else jobs), f"interrupted: {progress}" if progress else INTERRUPTED]
        if len(jobs) > 1:
            lines.append(with_log(SEVERAL.format(count=len(self.failed)), self.log))
        return [*filter(None, [progress]), *lines]

    def print(self, *lines: str) -> None:
        """Print lines above the live line, if there is one."""
        if self.display:
            self.display.print(*lines)
        elif lines:
            self.stream.write("".join(f"{line}\n" for line in lines))
            self.stream.flush()

    def close(self) -> None:
        """Print the reason for the end, after everything else."""
        if not self.ended:
            self.ended = True
            if self.display:
                self.display.close()
            if self.main:
                self.print(*self.lines())
                self.shorten_exit(sys.exc_info()[1])
        super().close()

    def shorten_exit(self, error: BaseException | None) -> None:
        """Shorten the text that Python prints next, if the rules ended with sys.exit(text); the log has the full text."""
        if isinstance(error, SystemExit) and isinstance(error.code, str) and len(error.code) > LENGTH:
            if self.log:
                write_line(self.log, error.code)
            error.code = with_log(error.code, self.log)


def write_line(log: AnyPath, line: str) -> None:
    """Add a line to a log."""
    with open(log, "a", encoding="utf-8", errors="replace") as file:
        file.write(f"{line}\n")


def hide_interrupt(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
    """A hook for uncaught exceptions: Ctrl-C prints no traceback, and no warnings of Python about unfinished work follow."""
    if issubclass(kind, KeyboardInterrupt):
        warnings.simplefilter("ignore")
        sys.unraisablehook = lambda unraisable: None
        print(INTERRUPTED, file=sys.stderr)
    else:
        sys.__excepthook__(kind, error, traceback)


class Interrupts:
    """A handler of signals: each interrupts Snakemake, which then removes its lock. A terminal sends its signals to the jobs as
    well. A repeated signal would interrupt Snakemake while it waits for them to end, so it is ignored for PATIENCE_S."""

    def __init__(self) -> None:
        self.since_s: float | None = None  # of the last one that did something

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if self.since_s is None or time.monotonic() >= self.since_s + PATIENCE_S:
            self.since_s = time.monotonic()
            raise KeyboardInterrupt


def interruptible() -> None:
    """Let every signal that asks Snakemake to end, such as that of a closing terminal, interrupt it as Ctrl-C does. SIGTERM does
    so only until jobs start: from then on Snakemake lets running jobs finish."""
    if threading.current_thread() is threading.main_thread():  # no other thread may handle signals
        set_handlers(Interrupts())


def watch(logger: logging.Logger, verbose: bool, main: bool, rules: Callable[[], Sequence[str]]) -> Ending | None:
    """Print the reason last. Returns the Ending, or None if another plugin writes to the terminal."""
    sys.excepthook = hide_interrupt
    for handler in list(logger.handlers):
        if handler.name == "DefaultStreamHandler" and isinstance(handler, logging.StreamHandler):
            handler.stream = make_lossy(handler.stream or sys.stderr)  # None if it was closed when Snakemake started
            ending = Ending(logger, handler, verbose, main, rules)
            logger.addHandler(ending)
            return ending
    return None
