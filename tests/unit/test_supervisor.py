"""The parent of a measuring process: limits of time and memory, killing, and the device's lock."""

import os
import signal
import subprocess
import sys
import threading
import time
from types import SimpleNamespace

import pytest

from diffbench.measurement import locking, memory_limit, session, supervisor
from diffbench.measurement.allocation import Limits
from diffbench.measurement.session import (
    is_dead,
    kill_session,
    proportional_kib,
    resident_kib,
    session_pids,
    total_mib,
)
from diffbench.vocabulary.errors import SetupError

SLEEP = "import time; time.sleep(120)"
FORKS = r"""
import os, time
block = bytearray(b"x" * (200 * 2**20))
for _ in range(3):
    if not os.fork():
        break
os.write(1, b"ready\n")
time.sleep(120)
"""
SILENT = SimpleNamespace(sample=lambda pid, at_s: None)


def started(code, **options):
    """A process that leads a session, after it has printed a line for itself and each of `processes`."""
    processes = options.pop("processes", 1)
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, start_new_session=True, **options
    )
    for _ in range(processes):
        assert process.stdout.readline() == "ready\n"
    return process


@pytest.fixture
def sharing():
    """A process and three children that share 200 MiB."""
    process = started(FORKS, processes=4)
    yield process
    kill_session(process)


def test_memory_that_processes_share_counts_once(sharing):
    assert total_mib(sharing.pid, resident_kib) > 800
    assert 200 < total_mib(sharing.pid, proportional_kib) < 300


def test_a_limit_above_what_is_shared_does_not_stop_a_run_and_one_below_does(sharing):
    assert supervisor.watch(sharing, Limits(2, 400), SILENT, time.monotonic())[0] == "timeout"
    assert is_dead(sharing.pid)


def test_a_limit_below_what_is_shared_stops_a_run(sharing):
    status, detail = supervisor.watch(sharing, Limits(60, 150), SILENT, time.monotonic())
    assert (status, detail) == ("oom", "stopped above the memory limit of 150 MiB of host memory")


def test_resident_memory_stands_in_where_the_kernel_gives_no_proportional_one(monkeypatch, sharing):
    read_text = session.Path.read_text

    def refuse(path, *arguments, **options):
        if path.name == "smaps_rollup":
            raise PermissionError
        return read_text(path, *arguments, **options)

    monkeypatch.setattr(session.Path, "read_text", refuse)
    assert total_mib(sharing.pid, proportional_kib) > 800


def test_proportional_memory_is_read_only_above_the_limit_and_rarely(monkeypatch):
    for resident_mib, expected in ((150, 0), (300, 1)):
        read = []

        def total_mib(session, kib_of, template, resident_mib=resident_mib, read=read):
            if kib_of is resident_kib:
                return resident_mib
            read.append(session)
            time.sleep(0.01)
            return 100

        monkeypatch.setattr(memory_limit, "total_mib", total_mib)
        limit = memory_limit.MemoryLimit(1, 200)
        assert not any(limit.is_exceeded() for _ in range(20 * memory_limit.MEMORY_POLLS))
        assert len(read) == expected, "0.01 s for one reading: the next one comes after 1 s"


def test_proportional_memory_is_read_before_its_time_where_resident_memory_grows(monkeypatch):
    """After a slow reading with 100 of 300 MiB shared, 310 resident MiB may be 210 of a limit of 205: it is looked at again."""
    resident_mib, read = [300], []

    def total_mib(session, kib_of, template):
        if kib_of is resident_kib:
            return resident_mib[0]
        read.append(resident_mib[0])
        time.sleep(0.01)
        return resident_mib[0] - 100

    monkeypatch.setattr(memory_limit, "total_mib", total_mib)
    limit = memory_limit.MemoryLimit(1, 205)
    found = []
    for resident_mib[0] in (300, 304, 310):
        found.append(any(limit.is_exceeded() for _ in range(memory_limit.MEMORY_POLLS)))
    assert (found, read) == ([False, False, True], [300, 310])


def test_killing_takes_the_processes_of_the_session_that_have_their_own_group():
    worker = "import os, time; os.setpgid(0, 0); print('ready', flush=True); time.sleep(120)"
    leader = started(f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {worker!r}]).wait()")
    (child,) = set(session_pids(leader.pid)) - {leader.pid}
    assert os.getpgid(child) == child
    assert kill_session(leader) is None
    assert is_dead(leader.pid) and is_dead(child)


def test_workers_that_outlive_the_measuring_process_are_killed():
    worker = "import os, time; os.setpgid(0, 0); print('ready', flush=True); time.sleep(120)"
    leader = started(f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {worker!r}])")
    leader.wait()
    (child,) = session_pids(leader.pid)
    assert kill_session(leader) is None
    assert is_dead(child)


def test_a_folder_of_locks_that_depends_on_the_working_folder_is_refused(tmp_path, monkeypatch):
    (tmp_path / "locks").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(locking.LOCKS_VARIABLE, "locks")
    with pytest.raises(SetupError, match="^DIFFBENCH_LOCKS: found 'locks', expected an absolute path; name one, or"):
        locking.lock_path("cpu")


class Undying:
    """A process that the kernel does not end: it stands for one that waits for a driver. SIGKILL reaches nobody."""

    def __init__(self, monkeypatch):
        self.process = started("print('ready', flush=True); " + SLEEP)
        self.pid = self.process.pid
        self.kill, self.signals = os.kill, []
        monkeypatch.setattr(session.os, "kill", lambda *arguments: self.signals.append(arguments))
        monkeypatch.setattr(session, "KILL_S", 0.5)

    def wait(self, timeout=None):
        return self.process.wait(timeout)

    def end(self):
        self.kill(self.pid, signal.SIGKILL)
        self.process.wait()


@pytest.fixture
def undying(monkeypatch):
    process = Undying(monkeypatch)
    yield process
    process.end()


@pytest.mark.parametrize(
    ("limits", "status"), [(Limits(0.2, None), "timeout"), (Limits(60, 1), "oom")], ids=["time", "memory"]
)
def test_a_process_that_cannot_be_killed_is_a_row_that_says_so(undying, capsys, limits, status):
    start_s = time.monotonic()
    found, detail = supervisor.watch(undying, limits, SILENT, time.monotonic())
    assert found == status and undying.signals
    expected = f"process {undying.pid} could not be killed within 0.5 s and still holds the device"
    assert expected in detail and expected in capsys.readouterr().err
    assert time.monotonic() < start_s + 20


def held_elsewhere(path):
    """A process that holds a lock, as a run that has the device does."""
    code = (
        "import fcntl, os, sys, time\n"
        "file = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)\n"
        "fcntl.flock(file, fcntl.LOCK_EX)\n"
        "os.write(file, str(os.getpid()).encode())\n"
        "print('ready', flush=True); time.sleep(120)"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"
    return process


@pytest.fixture
def holder(monkeypatch, tmp_path):
    monkeypatch.setenv(locking.LOCKS_VARIABLE, str(tmp_path))
    process = held_elsewhere(locking.lock_path("cpu"))
    yield process
    process.kill()
    process.wait()


def test_waiting_names_the_process_that_holds_the_device(holder, capsys):
    threading.Timer(0.5, holder.kill).start()
    with locking.locked("cpu") as lock:
        assert locking.read_holder(lock) == os.getpid()
    assert f"waiting for the device: process {holder.pid}, another run, holds" in capsys.readouterr().err


def test_waiting_goes_on_while_the_holder_lives_and_reports_it_once(monkeypatch, holder, capsys):
    monkeypatch.setattr(locking, "PERIOD_S", 0.1)
    threading.Timer(1.0, holder.kill).start()
    with locking.locked("cpu"):
        assert capsys.readouterr().err.count("waiting for the device") == 1


def test_waiting_ends_if_the_holder_was_killed_and_does_not_die(monkeypatch, holder):
    monkeypatch.setattr(locking, "PERIOD_S", 0.05)
    monkeypatch.setattr(locking, "KILL_S", 0.2)
    monkeypatch.setattr(locking, "is_being_killed", lambda pid: pid == holder.pid)
    expected = f"process {holder.pid} holds the device .*: it was killed, but the kernel does not end it"
    with pytest.raises(SetupError, match=expected), locking.locked("cpu"):
        pass


def test_a_living_process_is_not_being_killed_and_a_dead_one_is_gone(holder):
    assert not session.is_being_killed(holder.pid)
    holder.kill()
    holder.wait()
    assert not session.is_being_killed(holder.pid)


def test_a_killed_process_is_known_by_its_pending_signal(monkeypatch):
    status = "Name:\tpython\nState:\tD (disk sleep)\nSigPnd:\t0000000000000100\nShdPnd:\t0000000000000100\n"
    monkeypatch.setattr(session.Path, "read_text", lambda path, encoding: status)
    monkeypatch.setattr(session, "is_dead", lambda pid: False)
    assert session.is_being_killed(123)
