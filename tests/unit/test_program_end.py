"""How the programs that measure end: one line and an exit code, whatever happens and whenever."""

import errno
import os
import shutil
import signal
import subprocess
import sys

import pytest

from conftest import ROOT
from diffbench.commands import measure
from diffbench.system import program_start
from diffbench.system.program_end import run_program
from diffbench.vocabulary.errors import SetupError

SCRIPTS = ROOT / "workflow/scripts"


@pytest.fixture(autouse=True)
def handlers():
    """The signals' handlers are put back."""
    numbers = program_start.SIGNALS
    before = [signal.getsignal(number) for number in numbers]
    yield
    for number, handler in zip(numbers, before):
        signal.signal(number, handler)


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (SetupError("no device"), "error: no device"),
        (
            OSError(errno.ENOSPC, "No space left on device", "/x"),
            "error: /x: No space left on device; make room; compiler caches",
        ),
        (OSError(errno.EMFILE, "Too many open files"), "error: this program: Too many open files; raise `ulimit -n`"),
        (
            BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable"),
            "error: this program: Resource temporarily unavaila",
        ),
        (
            OSError(errno.ESTALE, "Stale file handle", "/n/x"),
            "error: /n/x: Stale file handle; the file system fails: look at",
        ),
        (
            shutil.Error([("/a", "/b", "[Errno 28] No space left on device: '/b'")]),
            "error: this program: No space left on devic",
        ),
    ],
)
def test_what_the_user_can_fix_is_one_line_also_in_the_log(tmp_path, capsys, monkeypatch, error, line):
    monkeypatch.setenv("DIFFBENCH_CACHE", "/the/caches")

    def work():
        raise error

    assert run_program(work, tmp_path / "log") == 1
    (printed,) = capsys.readouterr().err.splitlines()
    assert printed.startswith(line)
    assert ("compiler caches are in /the/caches: `snakemake" in printed) == ("No space" in printed)
    assert (tmp_path / "log").read_text() == f"{printed}\n"
    assert run_program(work, tmp_path / "none/log") == 1, "a log that cannot be written hides nothing"


@pytest.mark.parametrize("number", program_start.SIGNALS)
def test_a_signal_interrupts_the_work(tmp_path, capsys, number):
    """A job of the workflow writes this to its log, because Snakemake prints the reason."""
    signal.signal(number, signal.SIG_DFL)  # a shell that starts the tests in the background may have it ignored
    said = "interrupted: nothing was written\n"
    for log, printed in ((None, said), (tmp_path / "log", "")):
        assert run_program(lambda: os.kill(os.getpid(), number), log) == 128 + number
        assert capsys.readouterr().err == printed
    assert (tmp_path / "log").read_text() == said


def test_under_nohup_a_hangup_does_not_end_the_work(capsys):
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    assert run_program(lambda: [os.kill(os.getpid(), signal.SIGHUP)] and ["done"]) == 0
    assert capsys.readouterr().err == "done\n"


def started_with(folder, program, yaml, *arguments):
    """How a program ends whose import of `yaml` runs this code."""
    (folder / "yaml.py").write_text(yaml)
    command = [sys.executable, SCRIPTS / f"{program}.py", "--help", *arguments]
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(folder)},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a background shell has it ignored
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("program", ["measure", "ceiling", "fetch_weights"])
def test_an_interrupt_while_a_program_imports_is_one_line(tmp_path, program, number):
    code = f"import os, time\nos.kill(os.getpid(), {number:d})\ntime.sleep(60)\n"
    result = started_with(tmp_path, program, code)
    assert (result.returncode, result.stdout, result.stderr) == (128 + number, "", "interrupted: nothing was written\n")


def test_an_interrupt_while_a_job_imports_is_silent(tmp_path):
    """Snakemake prints the line."""
    code = f"import os, time\nos.kill(os.getpid(), {signal.SIGINT:d})\ntime.sleep(60)\n"
    result = started_with(tmp_path, "measure", code, "--log", "log")
    assert (result.returncode, result.stdout, result.stderr) == (130, "", "")


@pytest.mark.parametrize("program", ["measure", "ceiling", "fetch_weights"])
def test_a_package_that_is_broken_is_one_line(tmp_path, program):
    result = started_with(tmp_path, program, "raise ImportError('libyaml.so.0: cannot open shared object file')\n")
    broken = f"a package of {sys.executable} is broken; install it again"
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == f"error: libyaml.so.0: cannot open shared object file: {broken}\n"


def test_without_proc_a_program_ends_in_one_line():
    code = "import sys; sys.path.insert(0, sys.argv[1]); from diffbench.system import program_start as start; "
    code += "start.PROC += '/none'; start.begin()"
    result = subprocess.run([sys.executable, "-c", code, SCRIPTS], capture_output=True, text=True)
    line = "error: /proc is not mounted: found no processes there; mount it, or start the container with it\n"
    assert (result.returncode, result.stderr) == (1, line)


PROGRAM = """import sys
sys.path.insert(0, sys.argv[1])
from diffbench.system import printing, program_end, program_start

program_start.begin()
printing.print_anywhere()
printing.say("on its way", sys.stdout)


def work():
    with open(sys.argv[2], "w") as file:
        print(file.fileno() > 2, file=file)
    return ["done"]


program_end.leave(program_end.run_program(work))
"""
UNPRINTABLE = (">&-", "2>&-", "0<&- >&- 2>&-", ">/dev/full", "2>/dev/full", ">/dev/full 2>&1", "2>&1 | true")


@pytest.mark.parametrize("streams", UNPRINTABLE)
def test_what_cannot_be_printed_does_not_fail_what_is_finished(tmp_path, streams):
    command = f'set -o pipefail; "$0" -c "$1" "$2" "$3" {streams}'
    arguments = [sys.executable, PROGRAM, str(SCRIPTS), str(tmp_path / "file")]
    result = subprocess.run(["bash", "-c", command, *arguments], capture_output=True, text=True)
    assert (result.returncode, (tmp_path / "file").read_text()) == (0, "True\n")
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("streams", UNPRINTABLE)
@pytest.mark.parametrize("program", ["measure", "ceiling", "fetch_weights"])
def test_arguments_that_are_wrong_fail_where_nothing_can_be_printed(program, streams):
    command = f'set -o pipefail; "$0" "$1" --none {streams}'
    arguments = [sys.executable, str(SCRIPTS / f"{program}.py")]
    result = subprocess.run(["bash", "-c", command, *arguments], capture_output=True, text=True)
    assert result.returncode in (2, 120), "120: of a Python that could not print"
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("kind", ["full", "folder", "link"])
def test_a_file_for_events_that_is_there_is_kept(tmp_path, capsys, kind):
    path = tmp_path / kind
    {"full": lambda: path.write_text("mine"), "folder": path.mkdir, "link": lambda: path.symlink_to("gone")}[kind]()
    options = [
        "--pipeline=sd-txt2img",
        "--batch-size=1",
        "--variant=eager",
        "--gpu=CPU",
        f"--output={tmp_path / 'out'}",
    ]
    with pytest.raises(SystemExit):
        measure.parse_arguments([*options, "--events", str(path)])
    assert capsys.readouterr().err == f"error: argument --events: found {str(path)!r}, expected a new file\n"
    assert os.path.lexists(path)
    (tmp_path / "empty").touch()
    for name in ("empty", "new"):
        assert measure.parse_arguments([*options, "--events", str(tmp_path / name)]).events == tmp_path / name
