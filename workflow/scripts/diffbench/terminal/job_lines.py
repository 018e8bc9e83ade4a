"""The lines that `snakemake` prints while it works, instead of Snakemake's blocks: a row per finished run and a line per job.

Snakemake's log file still has all of its messages. On a terminal a live line below the rows shows the current run. last_line.py
prints the lines for failures.
"""

import logging
import os
import shutil
import threading
import time
from collections.abc import Sequence
from typing import Any, TextIO

from snakemake_interface_logger_plugins.common import LogEvent

from .estimate import Run
from .progress import Progress

NOISE = (LogEvent.JOB_INFO, LogEvent.JOB_STARTED, LogEvent.JOB_FINISHED, LogEvent.PROGRESS, LogEvent.GROUP_INFO)
NOISE_TEXT = "Select jobs to execute..."  # a message without event
PERIOD_S = 1.0  # of the live line
MEASURING = "measure"  # the rule whose jobs are runs


def is_terminal(stream: TextIO) -> bool:
    """Whether a line on the stream can be overwritten."""
    return stream.isatty() and os.environ.get("TERM", "dumb") != "dumb"


class Display(logging.Handler):
    """A handler of Snakemake's log that prints to the stream of another handler, and stops that one from printing the same."""

    lock: threading.RLock

    def __init__(self, handler: logging.StreamHandler, progress: Progress | None, intro: Sequence[str] | None) -> None:
        """`handler`: Snakemake's, of the terminal; `progress`: a Progress, or None if nothing is to be measured; `intro`: lines
        above the table."""
        super().__init__()
        self.stream, self.progress, self.intro = handler.stream, progress, intro
        self.runs: dict[Any, Run] = {}  # by job: what runs
        self.ended = threading.Event()
        self.live = progress is not None and is_terminal(self.stream)
        handler.addFilter(self.passes)
        if self.live:
            threading.Thread(target=self.refresh, daemon=True).start()

    def passes(self, record: logging.LogRecord) -> bool:
        """Whether Snakemake prints the record itself; if so, it finds an empty line."""
        if getattr(record, "event", None) in NOISE or str(record.msg).startswith(NOISE_TEXT):
            return False
        with self.lock:
            self.erase()
        return True

    def emit(self, record: Any) -> None:
        """Print the start or end of a job."""
        try:
            event = getattr(record, "event", None)
            if event == LogEvent.JOB_INFO:
                self.begin(record)
            elif event == LogEvent.JOB_FINISHED:
                if record.job_id in self.runs:
                    self.finish(self.runs.pop(record.job_id))
            elif event == LogEvent.JOB_ERROR and record.jobid in self.runs and self.progress:
                self.progress.fail(self.runs.pop(record.jobid))
        except Exception:  # as logging does: an error in printing must not stop the measurement
            self.handleError(record)

    def begin(self, record: Any) -> None:
        """A job starts; the first run has the table's header above it."""
        if record.rule_name != MEASURING or self.progress is None:
            self.print(*filter(None, [record.rule_msg]))
            return
        if self.intro is not None:
            self.print("", *self.intro, "", self.progress.header())
            self.intro = None
        run = {axis: str(value) for axis, value in record.wildcards.items()}
        self.runs[record.jobid] = run
        self.progress.start(run, time.monotonic())
        self.draw()

    def finish(self, run: Run) -> None:
        """A run ends. On a terminal its row is cut at the width, so that the reason of a failure takes no second line."""
        if self.progress is None:
            return
        width = shutil.get_terminal_size().columns if self.live else None
        self.print(*(line[:width] for line in self.progress.finish(run, time.monotonic())))
        if not self.progress.open:
            self.print("")

    def print(self, *lines: str) -> None:
        """Print lines above the live line."""
        self.erase()
        self.stream.write("".join(f"{line}\n" for line in lines))
        self.stream.flush()
        self.draw()

    def draw(self) -> None:
        """Write the live line, and put the cursor in the empty line above it, where the output of others goes."""
        text = self.progress.now(time.monotonic()) if self.live and self.progress and not self.ended.is_set() else ""
        if text:
            width = shutil.get_terminal_size().columns
            self.stream.write(f"\r\033[J\n{text[: width - 1]}\r\033[A")
            self.stream.flush()

    def erase(self) -> None:
        """Remove the live line."""
        if self.live:
            self.stream.write("\r\033[J")
            self.stream.flush()

    def refresh(self) -> None:
        """Write the live line again each second until the end."""
        while not self.ended.wait(PERIOD_S):
            with self.lock:
                self.draw()

    def describe(self) -> str:
        """The number of measured runs, if some are missing; otherwise nothing."""
        if self.progress is None or not self.progress.open:
            return ""
        return f"{self.progress.done} of {self.progress.total} runs are measured; start again to continue"

    def close(self) -> None:
        """The end: no live line."""
        if not self.ended.is_set():
            self.ended.set()
            with self.lock:
                self.erase()
                self.live = False
        super().close()


def show(logger: logging.Logger, progress: Progress | None, intro: Sequence[str]) -> Display | None:
    """Show a workflow's progress instead of Snakemake's own blocks, unless another plugin writes to the terminal."""
    for handler in list(logger.handlers):
        if handler.name == "DefaultStreamHandler" and isinstance(handler, logging.StreamHandler):
            display = Display(handler, progress, intro)
            logger.addHandler(display)
            return display
    return None
