"""What a workflow prints while it works, fed with messages as Snakemake logs them."""

import io
import logging
import os
import threading
import time

import pytest
from snakemake.logging import ColorizingTextHandler, DefaultFilter, DefaultFormatter
from snakemake_interface_logger_plugins.common import LogEvent

from diffbench.terminal import job_lines, last_line
from filling import run_of


class Screen(io.StringIO):
    """A terminal, and what is left on it: its lines, the cursor in one of them."""

    def isatty(self):
        return True

    def lines(self):
        found, row = [""], 0
        for part in self.getvalue().replace("\033[J", "\0J").replace("\033[A", "\0A").split("\0"):
            if part.startswith("J"):
                found, part = [*found[:row], ""], part[1:]
            elif part.startswith("A"):
                row, part = row - 1, part[1:]
            for number, text in enumerate(part.replace("\r", "").split("\n")):
                row += number > 0
                found += [""] * (row + 1 - len(found))
                found[row] = text + found[row][len(text) :]
        return found


class Workflow:
    """A logger as Snakemake sets it up, with our display; times start now."""

    def __init__(self, stream, progress):
        self.logger = logging.Logger("snakemake")
        handler = ColorizingTextHandler(
            nocolor=True,
            stream=stream,
            formatter=DefaultFormatter(),
            filter=DefaultFilter(None, False, False, False, False),
        )
        handler.name = "DefaultStreamHandler"
        self.logger.addHandler(handler)
        self.stream = stream
        watching = last_line.watch(self.logger, verbose=False, main=True, rules=list)
        watching.attach(job_lines.show(self.logger, progress, ["2 runs."]), at_once=False)

    def begin(self, job, rule, message, wildcards=None):
        extra = {"event": LogEvent.JOB_INFO, "jobid": job, "rule_name": rule, "rule_msg": message}
        self.logger.info("", extra={**extra, "wildcards": wildcards or {}, "reason": "", "indent": False})

    def finish(self, job):
        self.logger.info(f"Finished jobid: {job}", extra={"event": LogEvent.JOB_FINISHED, "job_id": job})
        self.logger.info(None, extra={"event": LogEvent.PROGRESS, "done": 1, "total": 9})

    def fail(self, job, log):
        keys = ["rule_msg", "conda_env", "input", "output"]
        extra = {
            **dict.fromkeys(keys),
            "rule_name": "measure",
            "jobid": job,
            "log": [str(log)],
            "aux": {},
            "indent": False,
        }
        self.logger.error("", extra={**extra, "event": LogEvent.JOB_ERROR, "shellcmd": "the whole command"})

    def close(self):
        for handler in self.logger.handlers:
            handler.close()


@pytest.fixture
def start(monkeypatch):
    """Starts a Workflow; at the end none of its threads is left."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(job_lines, "PERIOD_S", 0.05)
    before, started = threading.active_count(), []

    def start(stream, progress=None):
        started.append(Workflow(stream, progress))
        return started[-1]

    yield start
    for workflow in started:
        workflow.close()
    deadline = time.monotonic() + 10
    while threading.active_count() > before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert threading.active_count() == before


def test_other_jobs_have_a_line_and_runs_a_table(start, filling):
    """No message of Snakemake's about a job is left."""
    found = filling([run_of(), run_of("fused")])
    workflow = start(io.StringIO(), found.progress)
    workflow.logger.info("Select jobs to execute...")
    workflow.begin(1, "ceiling", "Measure the ceilings of CPU")
    workflow.finish(1)
    for job, variant in ((2, "eager"), (3, "fused")):
        workflow.begin(job, "measure", "Run", run_of(variant))
        found.write(run_of(variant), {})
        workflow.finish(job)
    workflow.begin(4, "all", None)
    workflow.logger.info("Complete log(s): somewhere")
    workflow.close()
    lines = workflow.stream.getvalue().splitlines()
    assert lines[:4] == ["Measure the ceilings of CPU", "", "2 runs.", ""]
    assert lines[4].split()[:2] == ["run", "time"]
    assert [line.split()[0] for line in lines[5:7]] == ["1/2", "2/2"]
    assert lines[7:] == ["", "Complete log(s): somewhere"]


def test_the_last_line_is_the_error_of_a_job_that_failed(start, filling, tmp_path):
    found = filling([run_of()])
    workflow = start(io.StringIO(), found.progress)
    workflow.begin(1, "measure", "Run", run_of())
    log = tmp_path / "measure.log"
    log.write_text("something\nerror: no room; make some\n")
    workflow.fail(1, log)
    workflow.logger.error("WorkflowError:\nAt least one job did not complete successfully.")
    workflow.close()
    lines = workflow.stream.getvalue().splitlines()
    assert lines[-2:] == [
        "0 of 1 runs are measured; start again to continue",
        f"error: no room; make some (log: {log})",
    ]
    assert "the whole command" not in workflow.stream.getvalue()


def test_a_job_that_failed_without_a_reason_has_the_end_of_its_log(start, filling, tmp_path):
    workflow = start(io.StringIO(), filling([run_of()]).progress)
    workflow.begin(1, "measure", "Run", run_of())
    log = tmp_path / "measure.log"
    log.write_text("Segmentation fault\n")
    text = "RuleException:\nCalledProcessError in file: Command 'the whole command' died with <Signals.SIGSEGV: 11>."
    workflow.logger.error(text, extra={"event": LogEvent.ERROR, "exception": "RuleException"})
    workflow.fail(1, log)
    workflow.close()
    reason = f"error: rule measure: its program was killed by SIGSEGV; Segmentation fault (log: {log})"
    assert workflow.stream.getvalue().splitlines()[-1] == reason
    assert "the whole command" not in workflow.stream.getvalue()


def test_the_error_of_an_earlier_start_is_not_printed(start, filling, tmp_path):
    """A job that the cluster ended before it began leaves the log as it was."""
    log = tmp_path / "measure.log"
    log.write_text("error: no room; make some\n")
    os.utime(log, (0, 0))
    workflow = start(io.StringIO(), filling([run_of()]).progress)
    workflow.begin(1, "measure", "Run", run_of())
    workflow.fail(1, log)
    workflow.close()
    assert "no room" not in workflow.stream.getvalue()
    assert workflow.stream.getvalue().endswith("error: rule measure: its program failed with exit code other than 0\n")


def test_an_error_is_not_repeated_once_the_job_was_tried_again(start, filling, tmp_path):
    found = filling([run_of()])
    workflow = start(io.StringIO(), found.progress)
    log = tmp_path / "measure.log"
    log.write_text("error: the node is lost\n")
    workflow.begin(1, "measure", "Run", run_of())
    workflow.fail(1, log)
    workflow.begin(1, "measure", "Run", run_of())
    found.write(run_of(), {})
    workflow.finish(1)
    workflow.close()
    assert "1/1" in workflow.stream.getvalue() and "error" not in workflow.stream.getvalue()


def test_an_interrupted_job_has_no_block(start, filling, tmp_path):
    workflow = start(io.StringIO(), filling([run_of()]).progress)
    workflow.begin(1, "measure", "Run", run_of())
    workflow.logger.info("Terminating processes on user request, this might take some time.")
    workflow.fail(1, tmp_path / "none.log")
    workflow.close()
    last = "interrupted: 0 of 1 runs are measured; start again to continue"
    assert workflow.stream.getvalue().splitlines()[-1] == last and "error" not in workflow.stream.getvalue()


def test_a_terminal_shows_what_runs_below_the_rows(start, filling):
    found = filling([run_of(), run_of("fused")])
    workflow = start(Screen(), found.progress)
    workflow.begin(1, "measure", "Run", run_of())
    found.write(run_of(), {})
    workflow.finish(1)
    workflow.begin(2, "measure", "Run", run_of("fused"))
    workflow.stream.write("waiting for the device\n")  # as a job does, which knows nothing of the line
    seen = len(workflow.stream.getvalue())
    while len(workflow.stream.getvalue()) == seen:
        time.sleep(0.01)
    *_, row, waiting, empty, live = workflow.stream.lines()
    assert (row.split()[0], waiting, empty) == ("1/2", "waiting for the device", "")
    assert live.startswith("0:00 sd-txt2img, batch size 1, fused, round 1; 1/2, about ")
    found.write(run_of("fused"), {})
    workflow.finish(2)
    workflow.close()
    assert [line.split()[:1] for line in workflow.stream.lines()[-5:]] == [["1/2"], ["waiting"], ["2/2"], [], []]


def test_no_line_is_replaced_where_there_is_no_terminal(start, filling):
    workflow = start(io.StringIO(), filling([run_of()]).progress)
    workflow.begin(1, "measure", "Run", run_of())
    time.sleep(0.2)
    assert "\033" not in workflow.stream.getvalue() and "\r" not in workflow.stream.getvalue()


def test_what_cannot_be_printed_stops_nothing(start, filling, capsys):
    """A run of which nothing is known, as of a rule that was changed."""
    workflow = start(io.StringIO(), filling([run_of()]).progress)
    workflow.begin(1, "measure", "Run", {"gpu": "CPU"})
    workflow.logger.info("Complete log(s): somewhere")
    assert workflow.stream.getvalue().endswith("Complete log(s): somewhere\n")


def test_another_plugin_has_the_terminal_for_itself():
    logger = logging.Logger("snakemake")
    logger.addHandler(logging.NullHandler())
    assert job_lines.show(logger, None, []) is last_line.watch(logger, False, True, list) is None
    assert len(logger.handlers) == 1
