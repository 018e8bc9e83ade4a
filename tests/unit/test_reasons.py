"""One line for what Snakemake says in many: its own exceptions, as it prints them."""

import getpass
from pathlib import Path

import pytest
from snakemake.exceptions import (
    CreateCondaEnvironmentException,
    LockException,
    MissingRuleException,
    WorkflowError,
    format_exception_to_string,
)

from diffbench.terminal.reasons import LENGTH, describe_exception, describe_program, last_line, shorten, with_log

RULES = ["all", "tables", "figures"]


def described(error, linemaps=None):
    return describe_exception(type(error).__name__, format_exception_to_string(error, linemaps), RULES)


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (LockException(), "another snakemake runs in this folder: "),
        (
            MissingRuleException("figurs"),
            "figurs: no rule has this name or makes this file; did you mean figures? ",
        ),
        (WorkflowError("Cannot do\nthat."), "Cannot do that."),
        (PermissionError(13, "Permission denied", "results"), "results: cannot be read or written: Permission denied"),
        (
            CreateCondaEnvironmentException(
                "Could not create conda environment from /a/b.yaml:\nCommand:\nconda x\nOutput:\nmuch\nno such package"
            ),
            "/a/b.yaml: conda cannot make this environment: no such package",
        ),
        (
            CreateCondaEnvironmentException(
                "Could not create conda environment from /a/b.yaml:\nCommand:\nconda x\nOutput:\nmuch\n"
                "ERROR: Could not find a version of x\nERROR: No x==1 found\n\nfailed\n\nCondaEnvException: Pip failed\n"
            ),
            "/a/b.yaml: conda cannot make this environment: No x==1 found",
        ),
    ],
    ids=["lock", "unknown rule", "other", "system", "conda", "pip"],
)
def test_an_exception_of_snakemakes_is_one_line(error, line):
    assert described(error).startswith(line)
    assert "\n" not in described(error)


def test_an_exception_that_nobody_raises_on_purpose_is_a_fault_with_its_place():
    try:
        {}["gpu"]
    except KeyError as error:
        text = described(error)
    assert text.startswith("test_reasons.py, line ")
    assert text.endswith("KeyError: 'gpu'; this is a bug in diffbench: report it with the log")


@pytest.mark.parametrize("file", ["{stdlib}/getpass.py", "/b/site-packages/snakemake/cli.py", "<frozen runpy>"])
def test_an_exception_without_a_place_that_is_ours_is_no_fault_of_diffbench(file):
    path = file.format(stdlib=Path(getpass.__file__).parent)
    trace = f'Traceback (most recent call last):\n\n  File "{path}", line 7, in f\n    x\n\nKeyError: 3\n'
    place = f"{Path(path).name}, line 7"
    cause = f"{place}: KeyError: 3; diffbench's own code did not raise it: look for the cause in the log"
    assert describe_exception("KeyError", trace) == cause
    ours = trace.replace("KeyError", '  File "/a/matrix.py", line 8, in g\n    y\n\nKeyError')
    assert describe_exception("KeyError", ours).startswith("matrix.py, line 8: KeyError: 3; this is a bug in diffbench")


def test_a_user_without_a_name_is_told_to_set_one(monkeypatch):
    """In a container, as Snakemake asks for the name."""
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("os.getuid", lambda: 2**31 - 5)
    try:
        getpass.getuser()
    except (KeyError, OSError) as error:  # OSError: from Python 3.13
        text = described(error)
    assert text == "this user, 2147483643, has no name on this machine; set one: `export USER=me`"


def test_a_lock_names_the_folder_for_unlocking(tmp_path, monkeypatch):
    (tmp_path / "a b").mkdir()
    monkeypatch.chdir(tmp_path / "a b")
    assert f"`snakemake --unlock --directory '{tmp_path}/a b'`" in described(LockException())


@pytest.mark.parametrize(("path", "folder"), [("results/q/runs/round~1/run.csv", "results"), ("/a/b c.csv", "/a")])
def test_a_file_of_the_future_is_named_with_a_remedy(path, folder):
    """As Snakemake 9.27 says it."""
    text = (
        'WorkflowError in rule measurements in file "/a/report.smk", line 68:\n'
        f"Output results/q/measurements.csv has older modification time (2026-11-28 00:10:00) than input {path} "
        "(2026-11-28 01:10:00). This could indicate a clock skew problem in your network and would trigger a rerun of this "
        "job in the next execution and should therefore be fixed on system level. System time: 2026-11-28 00:10:01"
    )
    remedy = f"correct the clock, or run `find {folder} -newermt now -exec touch {{}} +`"
    assert describe_exception("WorkflowError", text) == f"{path}: its time is in the future; {remedy}"


@pytest.mark.parametrize(
    ("kind", "text", "line"),
    [
        (
            "OSError",
            "[Errno 28] No space left on device: 'stdout'",
            "stdout: cannot be read or written: No space left on device",
        ),
        (
            "KeyError",
            "'gpu'",
            "measure.smk, line 97: KeyError: 'gpu'; this is a bug in diffbench: report it with the log",
        ),
    ],
)
def test_an_exception_of_a_run_block_is_as_any_other(kind, text, line):
    """As Snakemake 9.27 prints it."""
    printed = f'RuleException:\n{kind} in file "/a/measure.smk", line 97:\n{text}'
    assert describe_exception("RuleException", printed) == line


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ("Command 'x' returned non-zero exit status 3.", "failed with exit code 3"),
        ("Command 'x' returned non-zero exit status 137.", "was killed by SIGKILL"),
        ("Command 'x' died with <Signals.SIGSEGV: 11>.", "was killed by SIGSEGV"),
        ("", "failed with exit code other than 0"),
    ],
)
def test_a_program_without_a_reason_has_how_it_ended(text, end):
    assert describe_program("measure", text) == f"rule measure: its program {end}"


def test_a_long_reason_keeps_its_start_and_its_end():
    line = shorten("start " + "word " * 200 + "\n end")
    assert len(line) <= LENGTH and line.startswith("start") and line.endswith("end") and " … " in line
    assert shorten("a\tb\n c") == "a b c"


def test_the_log_is_not_cut_off():
    line = with_log("error: " + "x" * 500, "a/log")
    assert (
        line.startswith("error: xxx") and line.endswith(" (log: a/log)") and len(line) <= LENGTH + len(" (log: a/log)")
    )


def test_a_log_of_an_earlier_start_has_no_last_line(tmp_path):
    log = tmp_path / "log"
    log.write_text("one\ntwo\n\n")
    assert last_line(log, 0) == "two"
    assert last_line(log, log.stat().st_mtime + 60) == last_line(tmp_path / "none", 0) == ""


def test_a_log_whose_time_is_a_clock_tick_before_the_start_is_read(tmp_path):
    """The kernel writes a file's time in ticks of some milliseconds, and a file server by its own clock."""
    log = tmp_path / "log"
    log.write_text("why\n")
    assert last_line(log, log.stat().st_mtime + 0.5) == "why"
