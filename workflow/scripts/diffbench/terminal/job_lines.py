"""What `snakemake` prints while it works: rows of finished runs and a line a job, in the place of Snakemake's blocks.

Snakemake's log file has all of its messages as before. On a terminal a live line below the rows says what runs. What is printed
when something fails is in last_line.py.
"""

import logging
import os
import shutil
import threading
import time

from snakemake_interface_logger_plugins.common import LogEvent

NOISE = (LogEvent.JOB_INFO, LogEvent.JOB_STARTED, LogEvent.JOB_FINISHED, LogEvent.PROGRESS, LogEvent.GROUP_INFO)
NOISE_TEXT = "Select jobs to execute..."  # a message without event
PERIOD_S = 1.0  # of the live line
MEASURING = "measure"  # the rule whose jobs are runs


def is_terminal(stream):
    """Whether a line on it can be replaced."""
    return stream.isatty() and os.environ.get("TERM", "dumb") != "dumb"


class Display(logging.Handler):
    """A handler of Snakemake's log that prints to the stream of another one, from which it takes what it prints itself."""

    def __init__(self, handler, progress, intro):
        """`handler`: Snakemake's, of the terminal; `progress`: a Progress, or None if nothing is to be measured; `intro`: lines
        above the table."""
        super().__init__()
        self.stream, self.progress, self.intro = handler.stream, progress, intro
        self.runs, self.ended = {}, threading.Event()  # by job: what runs
        self.live = progress is not None and is_terminal(self.stream)
        handler.addFilter(self.passes)
        if self.live:
            threading.Thread(target=self.refresh, daemon=True).start()

    def passes(self, record):
        """Whether Snakemake prints the record itself; if so, it finds an empty line."""
        if getattr(record, "event", None) in NOISE or str(record.msg).startswith(NOISE_TEXT):
            return False
        with self.lock:
            self.erase()
        return True

    def emit(self, record):
        """Print what has become of a job."""
        try:
            event = getattr(record, "event", None)
            if event == LogEvent.JOB_INFO:
                self.begin(record)
            elif event == LogEvent.JOB_FINISHED:
                if record.job_id in self.runs:
                    self.finish(self.runs.pop(record.job_id))
            elif event == LogEvent.JOB_ERROR and record.jobid in self.runs:
                self.progress.fail(self.runs.pop(record.jobid))
        except Exception:  # as logging does it: what is printed must not stop what is measured
            self.handleError(record)

    def begin(self, record):
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

    def finish(self, run):
        """A run ends; on a terminal why it failed takes no second line."""
        width = shutil.get_terminal_size().columns if self.live else None
        self.print(*(line[:width] for line in self.progress.finish(run, time.monotonic())))
        if not self.progress.open:
            self.print("")

    def print(self, *lines):
        """Print lines above the live line."""
        self.erase()
        self.stream.write("".join(f"{line}\n" for line in lines))
        self.stream.flush()
        self.draw()

    def draw(self):
        """Write the live line, and put the cursor in the empty line above it: what others print fills that one."""
        text = self.progress.now(time.monotonic()) if self.live and not self.ended.is_set() else ""
        if text:
            width = shutil.get_terminal_size().columns
            self.stream.write(f"\r\033[J\n{text[: width - 1]}\r\033[A")
            self.stream.flush()

    def erase(self):
        """Remove the live line."""
        if self.live:
            self.stream.write("\r\033[J")
            self.stream.flush()

    def refresh(self):
        """Write the live line again each second until the end."""
        while not self.ended.wait(PERIOD_S):
            with self.lock:
                self.draw()

    def describe(self):
        """How many runs are measured, if not all are; nothing otherwise."""
        if self.progress is None or not self.progress.open:
            return ""
        return f"{self.progress.done} of {self.progress.total} runs are measured; start again to go on"

    def close(self):
        """The end: no live line."""
        if not self.ended.is_set():
            self.ended.set()
            with self.lock:
                self.erase()
                self.live = False
        super().close()


def show(logger, progress, intro):
    """Show a workflow's progress in the place of Snakemake's own blocks, unless another plugin writes to the terminal."""
    for handler in list(logger.handlers):
        if handler.name == "DefaultStreamHandler":
            display = Display(handler, progress, intro)
            logger.addHandler(display)
            return display
    return None
