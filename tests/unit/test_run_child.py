"""Starting a measuring process, its limits and its end: any program takes its place."""

import subprocess
import time
from types import SimpleNamespace

import pytest

from diffbench.measurement import memory_limit, process_death, session, supervisor
from diffbench.measurement.allocation import Limits
from diffbench.measurement.process_death import FAULT


class Alone:
    """A monitor that sees nothing."""

    def sample(self, pid, at_s):
        pass


def run_program(folder, monkeypatch, code, time_s=20.0):
    """What running this code as the measuring process gives, and what it printed."""
    monkeypatch.setattr(supervisor, "PROGRAM", folder / "program.py")
    (folder / "program.py").write_text(code)
    lock = session.os.open(folder / "lock", session.os.O_RDWR | session.os.O_CREAT)
    session.os.set_inheritable(lock, False)
    try:
        with open(folder / "log", "wb") as log:
            spec, environment = {"events": "\u00e9", "lock": lock}, {"OF_THE_CHILD": "1"}
            ended = supervisor.run_child(spec, folder / "spec", environment, log, lock, Limits(time_s, None), Alone())
        return ended, (folder / "log").read_text(), session.os.pread(lock, 100, 0).decode()
    finally:
        session.os.close(lock)


def test_a_child_has_its_spec_its_environment_and_the_lock_in_a_session_of_its_own(tmp_path, monkeypatch):
    code = """if True:
        import json, os, sys
        spec = json.load(open(sys.argv[1], encoding="utf-8"))
        os.fstat(spec["lock"])
        print(ascii(spec["events"]), os.environ.get("OF_THE_CHILD"), os.environ.get("HOME"), flush=True)
        print(repr(sys.stdin.read()), os.getsid(0) == os.getpid(), os.getpid(), file=sys.stderr)"""
    ended, log, holder = run_program(tmp_path, monkeypatch, code)
    first, second = log.splitlines()
    assert ended is None
    assert first == "'\\xe9' 1 None"
    assert second.startswith("'' True ") and holder.split()[0] == second.split()[-1], "the lock names the child"


@pytest.mark.parametrize(
    ("code", "time_s", "expected"),
    [
        (
            "raise SystemExit(3)",
            20,
            ("crashed", "the measuring process ended with exit code 3 before its work was done"),
        ),
        ("import os; os.abort()", 20, ("crashed", "killed by signal 6 (SIGABRT)")),
        ("import time; time.sleep(60)", 0.2, ("timeout", "stopped at the time limit of 0.2 s")),
    ],
)
def test_how_a_child_ends_is_its_outcome(tmp_path, monkeypatch, code, time_s, expected):
    assert run_program(tmp_path, monkeypatch, code, time_s)[0] == expected


class Running:
    """A process that does not end by itself."""

    pid = 77

    def wait(self, timeout):
        raise subprocess.TimeoutExpired("child", timeout)


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        (Limits(-1, 999, ", by the job"), ("timeout", "stopped at the time limit of -1 s, by the job; 77 lives")),
        (
            Limits(60, 200, "", ", by the job"),
            ("oom", "stopped above the memory limit of 200 MiB of host memory, by the job; 77 lives"),
        ),
    ],
)
def test_a_limit_is_named_with_where_it_comes_from_and_what_still_lives(monkeypatch, limits, expected):
    sampled = []
    monkeypatch.setattr(supervisor, "kill_session", lambda process: f"{process.pid} lives")
    monkeypatch.setattr(memory_limit, "total_mib", lambda leader, kib_of, template: 300 if leader == 77 else 0)
    monitor = SimpleNamespace(sample=lambda pid, at_s: sampled.append(pid))
    assert supervisor.watch(Running(), limits, monitor, time.monotonic()) == expected
    assert set(sampled) == {77}


def test_only_what_the_kernel_killed_during_the_run_counts(tmp_path, monkeypatch):
    code, kill = "import os; os.kill(os.getpid(), 9)", "killed by signal 9 (SIGKILL)"
    kills = iter([5, 5, 5, 6])
    monkeypatch.setattr(supervisor, "kernel_oom_kills", lambda: next(kills))
    assert run_program(tmp_path, monkeypatch, code)[0] == ("crashed", kill)
    assert run_program(tmp_path, monkeypatch, code)[0][0] == "oom"


def test_a_child_that_used_up_its_cpu_time_is_the_users_fault(tmp_path, monkeypatch):
    burn = "import resource; resource.setrlimit(resource.RLIMIT_CPU, (1, 1))\nwhile True: pass"
    assert run_program(tmp_path, monkeypatch, burn)[0] == ("crashed", "killed by signal 9 (SIGKILL)"), "no limit here"
    monkeypatch.setattr(process_death.resource, "getrlimit", lambda kind: (1, 1))
    line = "killed by signal 9 (SIGKILL) under a limit of 1 s of CPU time; raise `ulimit -t`"
    assert run_program(tmp_path, monkeypatch, burn)[0] == (FAULT, line)
    monkeypatch.setattr(process_death.resource, "getrlimit", lambda kind: (9999, 9999))
    assert run_program(tmp_path, monkeypatch, burn)[0][0] == "crashed", "nothing can have reached it so early"


def test_an_interrupt_kills_the_child(tmp_path, monkeypatch):
    found = []

    def interrupt(process, limits, monitor, start_s, owner):
        found.append(process.pid)
        raise KeyboardInterrupt

    monkeypatch.setattr(supervisor, "watch", interrupt)
    with pytest.raises(KeyboardInterrupt):
        run_program(tmp_path, monkeypatch, "import time; time.sleep(60)")
    assert session.is_dead(found[0])
