"""Runs that are forked from a process which has imported the libraries: real processes, whose work is a few lines of Python."""

import argparse
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from tempfile import mkdtemp

import psutil
import pytest

from diffbench.measurement import forked, session, supervisor
from diffbench.measurement.allocation import Limits
from diffbench.measurement.forked import send
from diffbench.measurement.monitor import Monitor
from diffbench.measurement.session import (
    FORKSERVER,
    SPAWN,
    is_dead,
    kill_session,
    proportional_kib,
    resident_kib,
    session_pids,
    total_mib,
)
from diffbench.measurement.start_method import choose_template, find_owner, retry_spawned
from diffbench.vocabulary.errors import TemplateKilled

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="runs are forked on Linux alone")
SCRIPTS = Path(session.__file__).parents[2]
SERVER = """
import json, os, sys
sys.path.insert(0, {scripts!r})
from diffbench.measurement import forkserver, process
def main(spec_path, start_method):
    exec(json.load(open(spec_path))["code"])
    return 0
process.main = main
def preload(spec, compiler):
    {preload}
forkserver.preload = preload
forkserver.main(*sys.argv[2:])
"""


class Workflow:
    """A workflow's process, which owns templates, and what starts its runs."""

    def __init__(self, folder, monkeypatch, preload="pass"):
        self.folder, self.sockets = folder, Path(mkdtemp(prefix="diffbench-"))  # the path of a socket is short
        self.process = subprocess.Popen(["sleep", "600"])
        program = folder / "program.py"
        program.write_text(SERVER.format(scripts=str(SCRIPTS), preload=preload))
        monkeypatch.setattr(forked, "PROGRAM", program)
        monkeypatch.setattr(forked, "FOLDER", self.sockets)
        self.lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT)

    def fork(self, code, round_number=1, **environment):
        """A run that does what the code says: (process or None, the path of its log)."""
        number = len(list(self.folder.glob("run*")))
        run = self.folder / f"run{number}"
        run.mkdir()
        (run / "spec.json").write_text(json.dumps({"code": code}))
        with open(run / "log", "ab") as log:
            arguments = argparse.Namespace(owner=self.process.pid, start_method=FORKSERVER)
            template = choose_template(arguments, find_owner(arguments), round_number)
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
        shutil.rmtree(self.sockets, ignore_errors=True)


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
    for number, name in enumerate(["a", "b"]):
        returncode, printed = workflow.result(code, OF_THE_RUN="1", TRITON_CACHE_DIR=name)
        first, second = printed.splitlines()
        assert (returncode, first) == (0, f"True 1 {name} {workflow.folder / f'run{number}'}")
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


@pytest.mark.parametrize("name", ["OMP_NUM_THREADS", "TMPDIR"])
def test_an_environment_has_a_template_of_its_own(workflow, name):
    """The number of threads is read when a library is loaded, and the place of precompiled headers too."""
    code = "print(os.getppid())"
    assert len({workflow.result(code, 1, **{name: value})[1] for value in ("1", "2", "1")}) == 2


def test_no_template_is_left_when_the_workflow_is_killed(workflow):
    workflow.result("pass")
    assert len(workflow.templates()) == 1
    workflow.process.kill()
    workflow.process.wait()
    workflow.wait_for_templates(0)
    assert not list(workflow.sockets.glob("diffbench-forks-*/*")), "no socket either"


@pytest.fixture
def workflow_with(tmp_path, monkeypatch):
    """Makes a workflow whose templates do something as they import."""
    started = []

    def start(preload):
        started.append(Workflow(tmp_path, monkeypatch, preload))
        return started[0]

    yield start
    started[0].end()
    started[0].wait_for_templates(0)


def refused(workflow):
    """Why a run is not forked; asserts that it is not."""
    process, log = workflow.fork("print('forked')")
    assert process is None
    return log.read_text().splitlines()[-1].partition("not forked, but started as a new process: ")[2]


THREAD = "import threading, time; threading.Thread(target=time.sleep, args=[600], daemon=True).start()"


@pytest.mark.parametrize(
    ("preload", "reason"),
    [
        (THREAD, "a thread of Python was started"),
        ("raise MemoryError('no more')", "MemoryError: no more"),
        ("os._exit(1)", "the process to fork from ended with exit code 1 while it imported"),
    ],
)
def test_a_template_that_cannot_be_forked_ends_and_no_other_run_of_its_round_tries(workflow_with, preload, reason):
    workflow = workflow_with(f"print('importing', flush=True); {preload}")
    assert refused(workflow) == reason
    workflow.wait_for_templates(0)
    assert refused(workflow) == reason
    assert [("importing" in log.read_text()) for log in sorted(workflow.folder.glob("run*/log"))] == [True, False]


def test_a_template_that_hangs_is_killed_and_waited_for_once(workflow_with, monkeypatch):
    monkeypatch.setattr(forked, "START_S", 2.0)
    workflow = workflow_with("import signal, time; signal.signal(signal.SIGALRM, signal.SIG_IGN); time.sleep(600)")
    assert refused(workflow) == refused(workflow) == "importing took more than 2 s"
    workflow.wait_for_templates(0)


def test_a_template_ends_with_its_workflow_while_it_imports(workflow_with):
    workflow = workflow_with("__import__('subprocess').run(['sleep', '600'])")
    asking = threading.Thread(target=workflow.fork, args=["pass"])
    asking.start()
    workflow.wait_for_templates(1)
    workflow.process.kill()
    workflow.process.wait()
    workflow.wait_for_templates(0)
    asking.join(20)
    assert not asking.is_alive(), "its run is answered"


def test_a_template_never_has_the_lock_and_what_it_prints_goes_to_the_log_of_its_run(workflow_with):
    workflow = workflow_with("os.system('ls -l /proc/%d/fd' % os.getpid())")
    for _ in range(2):
        returncode, printed = workflow.result("print('run')")
        assert returncode == 0 and printed.endswith("run\n") and "socket:" in printed
        assert str(workflow.folder / "lock") not in printed


def test_a_request_that_is_gone_costs_its_own_run_alone(workflow, monkeypatch):
    template = workflow.result("print(os.getppid())")
    monkeypatch.setattr(forked, "send", lambda connection, message, log: send(connection, b"/gone", log))
    assert refused(workflow).endswith("No such file or directory: '/gone'")
    monkeypatch.undo()
    monkeypatch.setattr(forked, "PROGRAM", workflow.folder / "program.py")
    monkeypatch.setattr(forked, "FOLDER", workflow.sockets)
    assert workflow.result("print(os.getppid())") == template


def test_a_killed_template_says_nothing_of_the_run(workflow):
    process, _ = workflow.fork("import time; time.sleep(600)")
    os.kill(process.template, signal.SIGKILL)
    assert process.wait(20) == -signal.SIGKILL
    assert process.is_lost
    process, _ = workflow.fork("os.kill(os.getpid(), 9)")
    assert process.wait(20) == -signal.SIGKILL
    assert not process.is_lost


def test_a_stopped_template_does_not_stop_the_workflow(workflow, monkeypatch):
    monkeypatch.setattr(forked, "SILENT_S", 0.5)
    process, _ = workflow.fork("import time; time.sleep(1)")
    os.kill(process.template, signal.SIGSTOP)
    ends_s = time.monotonic() + 30
    while process.returncode is None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.1)
        assert time.monotonic() < ends_s
    assert process.is_lost


def folder_of(workflow):
    return workflow.sockets / f"diffbench-forks-{os.getuid()}"


@pytest.mark.parametrize("kind", ["link", "open to all", "file"])
def test_a_folder_that_another_could_write_costs_new_processes(workflow, kind):
    folder = folder_of(workflow)
    if kind == "link":
        (workflow.folder / "elsewhere").mkdir(mode=0o700)
        folder.symlink_to(workflow.folder / "elsewhere")
    elif kind == "open to all":
        folder.mkdir()
        folder.chmod(0o777)
    else:
        folder.touch()
    assert str(folder) in refused(workflow)


def test_files_of_others_in_the_folder_do_no_harm(workflow):
    folder_of(workflow).mkdir(mode=0o700)
    for name in (".nfs0001", "x", f"{2**22 + 1}-ended-1"):
        (folder_of(workflow) / name).touch()
    assert workflow.result("print('forked')") == (0, "forked\n")
    names = {path.name for path in folder_of(workflow).iterdir()}
    assert {".nfs0001", "x"} < names
    assert not any("ended" in name for name in names), "the socket of a workflow that has ended"


def test_a_run_works_in_its_own_folder_wherever_the_workflow_works(workflow, tmp_path, monkeypatch):
    code = "print(os.getcwd(), os.readlink(f'/proc/{os.getppid()}/cwd'), os.getppid())"
    _, first = workflow.result(code)
    monkeypatch.chdir(tmp_path)
    _, second = workflow.result(code)
    (own, of_template, template), (other, _, same) = first.split(), second.split()
    assert (Path(own).parent, Path(other).parent, of_template) == (workflow.folder, workflow.folder, "/")
    assert own != other and template == same


def test_a_template_leaves_nothing_among_temporary_files_and_its_runs_have_their_own_caches(workflow_with):
    workflow = workflow_with("global named; named = os.environ['TORCHINDUCTOR_CACHE_DIR']")
    code = "print(named, os.environ['TORCHINDUCTOR_CACHE_DIR'])"
    assert workflow.result(code, TORCHINDUCTOR_CACHE_DIR="/of/the/cell")[1].split() == [
        str(folder_of(workflow)),
        "/of/the/cell",
    ]


def test_a_machine_that_does_not_tell_its_memory_costs_no_run(workflow, monkeypatch):
    def tell():
        raise KeyError(b"MemTotal:")

    monkeypatch.setattr(forked.psutil, "virtual_memory", tell)
    assert workflow.result("print('forked')") == (0, "forked\n")


def test_many_environments_do_not_fill_the_memory(workflow, monkeypatch):
    monkeypatch.setattr(forked, "MOST_MEMORY", 0.0)
    monkeypatch.setattr(forked, "LEAST_KEPT", 2)
    code = "print(os.getppid())"
    first = workflow.result(code, 1, BUILD="0")[1]
    for build in "1234":
        workflow.result(code, 1, BUILD=build)
        assert workflow.result(code, 1, BUILD="0")[1] == first, "the one that served last is kept"
    workflow.wait_for_templates(2)


def test_a_run_whose_template_was_killed_is_measured_again_in_a_new_process(tmp_path):
    seen = []

    def measure(arguments):
        seen.append(arguments.start_method)
        if arguments.start_method == FORKSERVER:
            raise TemplateKilled("measured again: …")
        return "rows"

    arguments = argparse.Namespace(start_method=FORKSERVER, log=tmp_path / "log")
    assert (retry_spawned(measure, arguments), seen) == ("rows", [FORKSERVER, SPAWN])
    assert arguments.log.read_text(encoding="utf-8") == "measured again: …\n"


def test_a_run_that_no_workflow_owns_is_a_new_process():
    def owned_by(pid, start_method=FORKSERVER):
        arguments = argparse.Namespace(owner=pid, start_method=start_method)
        return find_owner(arguments), choose_template(arguments, find_owner(arguments), 2)

    assert owned_by(None) == (None, None)
    assert owned_by(2**22 + 1) == (None, None), "its workflow has ended"
    own = psutil.Process()
    assert owned_by(own.pid, SPAWN) == (own, None)
    owner, template = owned_by(own.pid)
    assert (owner, template.owner, template.round_number) == (own, own, 2)


def test_a_spawned_run_ends_with_its_workflow(tmp_path):
    workflow = subprocess.Popen(["sleep", "600"])
    command = [sys.executable, SCRIPTS / "measure.py", "--pipeline=sd-txt2img", "--batch-size=1", "--variant=eager"]
    command += [f"--output={tmp_path / 'out'}", f"--owner={workflow.pid}", "--start-method=spawn", "--calls=100000"]
    process = subprocess.Popen([*command, "--max-calls=100000"], stderr=subprocess.DEVNULL)
    ends_s = time.monotonic() + 60
    while not any(is_child_of(child, process) for child in psutil.process_iter(["cmdline", "ppid"])):
        assert time.monotonic() < ends_s and process.poll() is None
        time.sleep(0.1)
    workflow.kill()
    workflow.wait()
    assert process.wait(timeout=30) == 128 + signal.SIGINT
    assert not (tmp_path / "out").exists()


def is_child_of(child, process):
    """Whether it is the measuring process that `process` has started."""
    return child.info["ppid"] == process.pid and str(SCRIPTS / "measuring_process.py") in child.info["cmdline"]


def test_a_run_ends_with_its_workflow(workflow):
    process, _ = workflow.fork("import time; time.sleep(600)")
    owner = psutil.Process(workflow.process.pid)
    threading.Timer(1, workflow.process.kill).start()
    with pytest.raises(KeyboardInterrupt):
        supervisor.watch(process, Limits(60, None), Monitor(), time.monotonic(), owner)
    kill_session(process)


def test_the_memory_that_a_run_shares_with_its_template_counts_once(tmp_path, monkeypatch):
    workflow = Workflow(tmp_path, monkeypatch, preload="global kept; kept = os.urandom(300 << 20)")
    process, _ = workflow.fork("import time; time.sleep(600)")
    resident, shared = (total_mib(process.pid, kib_of, process.template) for kib_of in (resident_kib, proportional_kib))
    assert 300 < shared < 450 and resident > 600
    kill_session(process)
    workflow.end()


def test_the_size_of_the_environment_is_that_of_the_template(workflow):
    code = "print(len(os.environ['DIFFBENCH_PADDING']))"
    found = [
        workflow.result(code, number, DIFFBENCH_PADDING="x" * size)[1] for number, size in ((1, 7), (1, 8), (2, 9))
    ]
    assert found == ["7\n", "7\n", "9\n"], "the stack was moved when the template began"
