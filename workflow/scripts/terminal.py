"""What `snakemake` prints while it works: rows of finished runs and a line a job, in the place of Snakemake's blocks.

Snakemake's log file has all of its messages as before. On a terminal a live line below the rows says what runs.
"""

import logging
import os
import shutil
import threading
import time
from pathlib import Path

from snakemake_interface_logger_plugins.common import LogEvent

NOISE = (LogEvent.JOB_INFO, LogEvent.JOB_STARTED, LogEvent.JOB_FINISHED, LogEvent.PROGRESS, LogEvent.GROUP_INFO)
NOISE_TEXTS = ("Select jobs to execute...", "RuleException:\nCalledProcessError in file")  # messages without event
INTERRUPTED = "Terminating processes on user request"
PERIOD_S = 1.0  # of the live line
MEASURING = "measure"  # the rule whose jobs are runs


def is_terminal(stream):
    """Whether a line on it can be replaced."""
    return stream.isatty() and os.environ.get("TERM", "dumb") != "dumb"


def last_error(log, since):
    """The last line of a log if it is an error of ours and the log was written after `since` (seconds since the epoch)."""
    log = Path(log)
    try:
        if log.stat().st_mtime < since:
            return None
        last = log.read_text(encoding="utf-8", errors="replace").splitlines()[-1:]
    except OSError:
        return None
    return f"{log}: {last[0]}" if last and last[0].startswith("error: ") else None


class Display(logging.Handler):
    """A handler of Snakemake's log that prints to the stream of another one, from which it takes what it prints itself."""

    def __init__(self, handler, progress, intro, since):
        """`handler`: Snakemake's, of the terminal; `progress`: a Progress, or None if nothing is to be measured; `intro`: lines
        above the table; `since`: when this start of the workflow began (seconds since the epoch)."""
        super().__init__()
        self.stream, self.progress, self.intro, self.since = handler.stream, progress, intro, since
        self.runs, self.failed = {}, {}  # by job: what runs, and the logs of what has failed
        self.ended, self.interrupted = threading.Event(), False
        self.live = progress is not None and is_terminal(self.stream)
        handler.addFilter(self.passes)
        if self.live:
            threading.Thread(target=self.refresh, daemon=True).start()

    def passes(self, record):
        """Whether Snakemake prints the record itself; if so, it finds an empty line. A failed job needs no block if it was
        interrupted or has an error of ours, which is printed."""
        event, text = getattr(record, "event", None), str(record.msg)
        self.interrupted |= text.startswith(INTERRUPTED)
        if event in NOISE or text.startswith(NOISE_TEXTS):
            return False
        if event == LogEvent.JOB_ERROR and (self.interrupted or self.errors(record.log)):
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
                self.failed.pop(record.job_id, None)
                if record.job_id in self.runs:
                    self.finish(self.runs.pop(record.job_id))
            elif event == LogEvent.JOB_ERROR:
                self.failed[record.jobid] = record.log
                if record.jobid in self.runs:
                    self.progress.fail(self.runs.pop(record.jobid))
        except Exception:  # as logging does it: what is printed must not stop what is measured
            self.handleError(record)

    def errors(self, logs):
        """The errors of ours in these logs."""
        return [error for error in (last_error(log, self.since) for log in dict.fromkeys(logs)) if error]

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

    def close(self):
        """The end: how far it came if not to the end, and the errors of ours, last."""
        if not self.ended.is_set():
            self.ended.set()
            with self.lock:
                self.erase()
                self.live = False
                if self.progress is not None and self.progress.open:
                    self.print(f"{self.progress.done} of {self.progress.total} runs are measured; start again to go on")
                self.print(*self.errors(log for logs in self.failed.values() for log in logs))
        super().close()


def show(logger, progress, intro, since):
    """Show a workflow's progress in the place of Snakemake's own blocks, unless another plugin writes to the terminal."""
    for handler in list(logger.handlers):
        if handler.name == "DefaultStreamHandler":
            logger.addHandler(Display(handler, progress, intro, since))
