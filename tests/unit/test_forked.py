"""Runs that are forked from a process which has imported the libraries: real processes, whose work is a few lines of Python."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from measurement import forked, session
from measurement.forked import Template, template_of
from measurement.session import is_dead, kill_session, proportional_kib, resident_kib, session_pids, total_mib

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="runs are forked on Linux alone")
SCRIPTS = Path(session.__file__).parents[1]
SERVER = """
import json, os, sys
sys.path.insert(0, {scripts!r})
from measurement import __main__, forkserver
def main(spec_path, start_method):
    exec(json.load(open(spec_path))["code"])
    return 0
__main__.main = main
def preload(spec, compiler):
    {preload}
forkserver.preload = preload
forkserver.main(*sys.argv[2:])
"""


class Workflow:
    """A process that owns templates, and what to start runs of its own with."""

    def __init__(self, folder, monkeypatch, preload="pass"):
        self.folder = folder
        self.process = subprocess.Popen(["sleep", "600"])
        program = folder / "program.py"
        program.write_text(SERVER.format(scripts=str(SCRIPTS), preload=preload))
        monkeypatch.setattr(forked, "PROGRAM", program)
        monkeypatch.setattr(forked, "FOLDER", folder)
        self.lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT)

    def fork(self, code, round_number=1, **environment):
        """A run that does what the code says: (process or None, the path of its log)."""
        number = len(list(self.folder.glob("run*")))
        run = self.folder / f"run{number}"
        run.mkdir()
        (run / "spec.json").write_text(json.dumps({"code": code}))
        with open(run / "log", "ab") as log:
            template = Template(self.process.pid, round_number)
            return template.fork(run / "spec.json", {**os.environ, **environment}, log, self.lock), run / "log"

    def result(self, code, *arguments, **environment):
        """(exit code, what was printed) of such a run."""
        process, log = self.fork(code, *arguments, **environment)
        return process.wait(30), log.read_text()

    def templates(self):
        return [
            process
            for process in psutil.process_iter(["cmdline"])
            if str(self.folder / "program.py") in (process.info["cmdline"] or [])
            and "--serve" in process.info["cmdline"]
        ]

    def wait_for_templates(self, count):
        """Wait until there are so many processes with the program; a run looks like its template, and is one more."""
        ends_s = time.monotonic() + 30
        while len(self.templates()) != count:
            assert time.monotonic() < ends_s, f"{self.templates()}, expected {count}"
            time.sleep(0.05)

    def end(self):
        self.process.kill()
        self.process.wait()
        os.close(self.lock)


@pytest.fixture
def workflow(tmp_path, monkeypatch):
    started = Workflow(tmp_path, monkeypatch)
    yield started
    started.end()
    started.wait_for_templates(0)


def test_a_run_is_a_process_of_its_own_with_its_environment_log_lock_and_folder(workflow):
    code = """if True:
        print(os.getpid() == os.getsid(0), os.environ.get("OF_THE_RUN"), os.environ.get("TRITON_CACHE_DIR"), os.getcwd())
        opened = ["/proc/self/fd/%d" % number for number in range(3, 20)]
        print(repr(sys.stdin.read()), list(map(os.readlink, filter(os.path.exists, opened))), file=sys.stderr)"""
    for name in ("a", "b"):
        returncode, printed = workflow.result(code, OF_THE_RUN="1", TRITON_CACHE_DIR=name)
        first, second = printed.splitlines()
        assert (returncode, first) == (0, f"True 1 {name} {Path.cwd()}")
        assert second.startswith("''") and str(workflow.folder / "lock") in second
        assert "socket" not in second, "a run could answer for its template"
    assert len(workflow.templates()) == 1, "both were forked from one process"


def test_nothing_of_a_run_is_seen_by_the_next_and_random_numbers_differ(workflow):
    code = """if True:
        import builtins, random
        print(getattr(builtins, "left", None), os.environ.get("LEFT"), random.random())
        builtins.left = os.environ["LEFT"] = "something" """
    (_, first), (_, second) = workflow.result(code), workflow.result(code)
    assert first.split()[:2] == second.split()[:2] == ["None", "None"]
    assert first.split()[2] != second.split()[2]


@pytest.mark.parametrize(
    ("code", "expected"),
    [("os._exit(3)", 3), ("os.abort()", -signal.SIGABRT), ("raise SystemExit(4)", 1), ("1 / 0", 1)],
)
def test_how_a_run_ends_is_told(workflow, code, expected):
    returncode, printed = workflow.result(code)
    assert returncode == expected
    assert ("ZeroDivisionError" in printed) == (code == "1 / 0")


def test_a_run_takes_its_time_and_is_killed_with_what_it_started(workflow):
    process, _ = workflow.fork(
        "import subprocess; subprocess.Popen(['sleep', '600']); subprocess.run(['sleep', '600'])"
    )
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.5)
    assert len(session_pids(process.pid)) == 3
    assert kill_session(process) is None
    assert process.returncode == -signal.SIGKILL
    assert all(map(is_dead, session_pids(process.pid)))
    assert workflow.result("print('next')") == (0, "next\n")


def test_a_run_dies_with_the_process_that_asked_for_it(workflow):
    process, _ = workflow.fork("import time; time.sleep(600)")
    process.connection.close()
    ends_s = time.monotonic() + 20
    while not all(map(is_dead, session_pids(process.pid))):
        assert time.monotonic() < ends_s
        time.sleep(0.05)


def test_a_run_dies_with_its_template_and_the_next_one_gets_another(workflow):
    process, _ = workflow.fork("import time; time.sleep(600)")
    template = next(found for found in workflow.templates() if found.pid != process.pid)
    template.kill()
    assert process.wait(20) == -signal.SIGKILL
    assert workflow.result("print('next')") == (0, "next\n")


def test_a_round_has_a_template_of_its_own_and_that_of_the_round_before_ends(workflow):
    code = "print(os.getppid())"
    first, again, second = (workflow.result(code, number)[1] for number in (1, 1, 2))
    assert first == again != second
    workflow.wait_for_templates(1)


def test_an_environment_has_a_template_of_its_own(workflow):
    code = "print(os.getppid())"
    found = {workflow.result(code, 1, OMP_NUM_THREADS=number)[1] for number in "121"}
    assert len(found) == 2, "the number of threads is read when a library is loaded"


def test_no_template_is_left_when_the_workflow_is_killed(workflow):
    workflow.result("pass")
    assert len(workflow.templates()) == 1
    workflow.process.kill()
    workflow.process.wait()
    workflow.wait_for_templates(0)
    assert not list(workflow.folder.glob("diffbench-forks-*/*")), "no socket either"


def test_a_template_that_has_started_a_thread_is_not_forked(tmp_path, monkeypatch):
    thread = "import threading, time; threading.Thread(target=time.sleep, args=[600], daemon=True).start()"
    workflow = Workflow(tmp_path, monkeypatch, preload=thread)
    process, log = workflow.fork("print('forked')")
    assert process is None
    assert log.read_text() == "not forked, but started as a new process: a thread of Python was started\n"
    workflow.end()


def test_a_template_that_dies_is_not_forked(tmp_path, monkeypatch):
    workflow = Workflow(tmp_path, monkeypatch, preload="os._exit(1)")
    process, log = workflow.fork("print('forked')")
    assert process is None
    assert "the process to fork from ended before it had imported all" in log.read_text()
    workflow.end()


def test_a_run_that_no_workflow_owns_is_a_new_process():
    assert template_of(None, 1) is None
    assert template_of(os.getpid(), 2).round_number == 2


def test_the_memory_that_a_run_shares_with_its_template_counts_once(tmp_path, monkeypatch):
    workflow = Workflow(tmp_path, monkeypatch, preload="global kept; kept = os.urandom(300 << 20)")
    process, _ = workflow.fork("import time; time.sleep(600)")
    resident, shared = (total_mib(process.pid, kib_of, process.template) for kib_of in (resident_kib, proportional_kib))
    assert 300 < shared < 450 and resident > 600
    kill_session(process)
    workflow.end()
