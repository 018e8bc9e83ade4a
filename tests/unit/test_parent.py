"""What the parent makes of a child's events and death, and how it counts memory: by hand."""

import json
import signal
import subprocess
import time
from types import SimpleNamespace

import pytest

from diffbench.measurement import session, supervisor
from diffbench.measurement.allocation import Limits
from diffbench.measurement.session import proportional_kib, resident_kib, total_mib
from diffbench.measurement.supervisor import (
    FAULT,
    assemble,
    check_begun,
    describe_death,
    keep_measured,
    kernel_oom_kills,
    machine_columns,
    read_events,
    with_stuck,
)
from diffbench.vocabulary.columns import RATE
from diffbench.vocabulary.errors import SetupError


@pytest.mark.parametrize(
    ("returncode", "oom_kills", "status", "detail"),
    [
        (-9, 1, "oom", "killed by the kernel: the machine or its control group ran out of host memory"),
        (-9, 0, "crashed", "killed by signal 9 (SIGKILL)"),
        (-11, 1, "crashed", "killed by signal 11 (SIGSEGV)"),
        (
            -7,
            0,
            FAULT,
            "killed by signal 7 (SIGBUS); a file in memory cannot be read or written: look for a full /dev/shm, "
            "and at `dmesg`",
        ),
        (-15, 0, FAULT, "killed by signal 15 (SIGTERM); somebody stopped it: start it again"),
        (-24, 0, FAULT, "killed by signal 24 (SIGXCPU); raise `ulimit -t`"),
        *(
            (-number, 0, FAULT, f"killed by signal {number:d} ({number.name}); somebody stopped it: start it again")
            for number in (getattr(signal, f"SIG{name}") for name in ["USR1", "USR2", "ALRM", "VTALRM", "PROF", "PIPE"])
        ),
        (
            74,
            0,
            FAULT,
            "it could not write what it measured; make room in the folder for temporary files, or set TMPDIR",
        ),
        (-40, 0, "crashed", "killed by signal 40 (a real-time signal)"),
        (1, 1, "crashed", "the measuring process ended with exit code 1 before its work was done"),
        (3, 0, "crashed", "the measuring process ended with exit code 3 before its work was done"),
    ],
)
def test_how_a_child_ended(returncode, oom_kills, status, detail):
    assert describe_death(returncode, oom_kills) == (status, detail)


def test_processes_that_could_not_be_killed_are_added_to_the_detail():
    assert with_stuck("stopped", None) == "stopped"
    assert with_stuck("stopped", "process 7 lives") == "stopped; process 7 lives"


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
    monkeypatch.setattr(supervisor, "total_mib", lambda leader, kib_of, template: 300 if leader == 77 else 0)
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
    monkeypatch.setattr(supervisor.resource, "getrlimit", lambda kind: (1, 1))
    line = "killed by signal 9 (SIGKILL) under a limit of 1 s of CPU time; raise `ulimit -t`"
    assert run_program(tmp_path, monkeypatch, burn)[0] == (FAULT, line)
    monkeypatch.setattr(supervisor.resource, "getrlimit", lambda kind: (9999, 9999))
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


@pytest.fixture
def files(monkeypatch):
    """What stands in files, by path: others are not there."""
    contents = {}

    def read_text(path, *arguments, **keys):
        if str(path) not in contents:
            raise FileNotFoundError(path)
        return contents[str(path)]

    monkeypatch.setattr(session.Path, "read_text", read_text)
    return contents


def test_the_kernels_kills_are_those_of_the_machine_and_of_this_control_group(files):
    group = {"/proc/self/cgroup": "0::/job\n", "/sys/fs/cgroup/job/memory.events": "oom_kill 2\n"}
    files.update(group)
    assert kernel_oom_kills() == 2, "the machine's are not known"
    files.clear()
    assert kernel_oom_kills() == 0
    files["/proc/vmstat"] = "oom_kill_other 9\noom_kill 3\npgfault 8\n"
    assert kernel_oom_kills() == 3
    files["/sys/fs/cgroup/job/step/memory.events"] = "oom 7\noom_kill 2\noom_group_kill 1\n"
    assert kernel_oom_kills() == 3, "not known to be its group"
    files["/proc/self/cgroup"] = "1:cpu:/other\n0::/job/step\n"
    assert kernel_oom_kills() == 5


PAGE_KIB = session.os.sysconf("SC_PAGE_SIZE") / 1024


def test_memory_is_that_of_pages_in_units_of_1024(monkeypatch, files):
    files["/proc/7/statm"] = "900 512 30 1 0 40 0\n"
    assert resident_kib(7) == 512 * PAGE_KIB
    assert proportional_kib(7) == 512 * PAGE_KIB, "the kernel gives no other"
    files["/proc/7/smaps_rollup"] = "5000-7000 ---p\nRss: 9000 kB\nPss: 3072 kB\nPss_Dirty: 80 kB\nSwapPss: 1 kB\n"
    assert proportional_kib(7) == 3072
    files["/proc/8/smaps_rollup"] = "Rss: 9000 kB\nPss: 1024 kB\n"
    monkeypatch.setattr(session, "session_pids", lambda leader: [7, 6, 8] if leader == 7 else [])
    assert total_mib(7, proportional_kib) == 4, "6 has just ended"
    assert total_mib(9, proportional_kib) == 0


@pytest.mark.parametrize(
    ("pending", "killed"), [("0000000000000100", True), ("0000000000000200", False), ("0000000000000000", False)]
)
@pytest.mark.parametrize("field", ["SigPnd", "ShdPnd"])
def test_sigkill_is_the_ninth_bit_of_the_pending_signals(monkeypatch, files, field, pending, killed):
    monkeypatch.setattr(session, "is_dead", lambda pid: False)
    fields = {"SigPnd": "0" * 16, "ShdPnd": "0" * 16, field: pending}
    files["/proc/7/status"] = "".join(f"{name}:\t{value}\n" for name, value in fields.items())
    assert session.is_being_killed(7) is killed
    monkeypatch.setattr(session, "is_dead", lambda pid: True)
    assert not session.is_being_killed(7), "it has died of it"
    assert not session.is_being_killed(8), "nothing is known of it"


@pytest.mark.parametrize(
    ("state", "dead"),
    [("zombie", True), ("dead", True), ("sleeping", False), ("disk-sleep", False), (None, True)],
)
def test_a_process_is_dead_although_its_entry_waits_for_its_parent(monkeypatch, state, dead):
    def process(pid):
        if state is None:
            raise session.psutil.NoSuchProcess(pid)
        return SimpleNamespace(status=lambda: state)

    monkeypatch.setattr(session.psutil, "Process", process)
    assert session.is_dead(7) is dead


@pytest.mark.parametrize(
    ("resident", "proportional", "exceeded"), [(201, 201, True), (201, 200, False), (200, 999, False)]
)
def test_memory_is_above_its_limit_where_what_is_not_shared_is(monkeypatch, resident, proportional, exceeded):
    held = {resident_kib: resident, proportional_kib: proportional}
    monkeypatch.setattr(supervisor, "total_mib", lambda leader, kib_of, template: held[kib_of])
    limit = supervisor.MemoryLimit(1, 200)
    assert [limit.is_exceeded() for _ in range(5)] == [False] * 4 + [exceeded], "every fifth time"
    assert not any(supervisor.MemoryLimit(1, None).is_exceeded() for _ in range(5)), "there is no limit"


def test_events_are_read_up_to_the_line_that_a_death_cut_off(tmp_path):
    path = tmp_path / "events.jsonl"
    assert read_events(path) == []
    path.write_text('{"event": "phase"}\n{"event": "values"}\n{"event": "out', encoding="utf-8")
    assert read_events(path) == [{"event": "phase"}, {"event": "values"}]
    path.write_text(json.dumps({"event": "setup-error", "detail": "no device"}) + "\n", encoding="utf-8")
    with pytest.raises(SetupError, match="^no device$"):
        read_events(path)


CRASH = ("crashed", "the measuring process ended with exit code 1 before its work was done")
LOADING = [{"event": "provenance", "stage": None}, {"event": "phase", "phase": "load", "stage": 1}]
CHECKING = [*LOADING, {"event": "phase", "phase": "evidence", "stage": 1}]


@pytest.mark.parametrize(
    ("death", "said", "message"),
    [
        (
            CRASH,
            "Traceback\nImportError: libcudnn.so.9: x\n\n",
            f"{CRASH[1]}: ImportError: libcudnn.so.9: x; see the log",
        ),
        (
            ("crashed", "killed by signal 9 (SIGKILL)"),
            "",
            r"killed by signal 9 \(SIGKILL\); see the log, and start it again",
        ),
        (None, "bye", "a library ended the measuring process with exit code 0: bye; see the log, and start it again"),
        (
            ("timeout", "stopped at the time limit of 1 s"),
            "noise",
            "stopped at the time limit of 1 s; raise the time limit",
        ),
        (
            ("oom", "stopped above the memory limit"),
            "noise",
            "stopped above the memory limit; raise the memory limit, or use",
        ),
    ],
)
@pytest.mark.parametrize("events", [[], LOADING[:1]])
def test_a_process_that_ended_while_it_imported_is_a_failed_setup(tmp_path, death, said, message, events):
    (tmp_path / "log").write_text("of before\n" + said)
    with pytest.raises(SetupError, match=f"^measuring cannot start here: {message}"):
        check_begun(events, death, tmp_path / "log", len("of before\n"))


def test_what_ended_after_that_is_a_row_unless_it_is_no_outcome_of_the_cell(tmp_path):
    stopped = (FAULT, "killed by signal 15 (SIGTERM); start it again")
    assert check_begun(LOADING, None, tmp_path / "log", 0) is None
    assert check_begun(LOADING, CRASH, tmp_path / "log", 0) == CRASH
    assert check_begun(CHECKING, stopped, tmp_path / "log", 0) == ("crashed", stopped[1]), "its numbers stand"
    with pytest.raises(
        SetupError, match=r"^the measuring process ended in phase load: killed by signal 15 \(SIGTERM\); st"
    ):
        check_begun(LOADING, stopped, tmp_path / "log", 0)


class Windows:
    """A monitor that returns what it was asked for."""

    def start_columns(self, start_s, end_s):
        return {"start": (start_s, end_s)}

    def columns(self, start_s, end_s, images):
        return {"window": (start_s, end_s, images)}


def events_of(stage, *events, at_s=0.0):
    return [{"stage": stage, "at_s": at_s + position, **event} for position, event in enumerate(events)]


LOAD, START, END = (
    {"event": "phase", "phase": "load"},
    {"event": "window", "edge": "start"},
    {"event": "window", "edge": "end"},
)
TWO_STAGES = [*events_of(1, LOAD, START, END), *events_of(2, LOAD, START, END, at_s=100.0)]


def test_a_stage_has_the_machine_of_its_own_window_and_of_all_its_images():
    row = {"stage": 2, "status": "ok", "calls": 5, "batch_size": 4}
    assert machine_columns(row, TWO_STAGES, Windows()) == {"start": (100, 101), "window": (101, 102, 20)}
    assert machine_columns({**row, "stage": 1}, TWO_STAGES, Windows()) == {"start": (0, 1), "window": (1, 2, 20)}


@pytest.mark.parametrize("status", ["oom", "timeout", "crashed", "invalid", "unsupported", "compile-error"])
def test_a_stage_that_failed_has_no_window(status):
    row = {"stage": 2, "status": status, "calls": 5, "batch_size": 4}
    assert machine_columns(row, TWO_STAGES, Windows()) == {"start": (100, 101)}


def test_a_stage_whose_calls_did_not_end_or_begin_has_no_window():
    row = {"stage": 2, "status": "ok", "calls": 5, "batch_size": 4}
    assert machine_columns(row, TWO_STAGES[:-1], Windows()) == {"start": (100, 101)}
    assert machine_columns(row, TWO_STAGES[:-2], Windows()) == {}
    assert machine_columns(row, [], Windows()) == {}


NUMBERS = {**dict.fromkeys(RATE, 3.0), "startup_s": 1.0, "compile_s": 2.0}


def kept(pending=None, **row):
    row = {"phase": "evidence", "detail": "no room; sorry", **NUMBERS, **row}
    keep_measured(row, pending)
    return row


@pytest.mark.parametrize("status", ["oom", "timeout", "crashed", "unsupported", "compile-error"])
def test_what_fails_in_its_checks_keeps_its_numbers(status):
    row = kept(["vae", "graphs"], status=status, unverified="grad: x", evidence="dtype float16")
    assert row == {
        **NUMBERS,
        "status": "ok",
        "phase": None,
        "detail": None,
        "unverified": f"grad: x; vae, graphs: {status}: no room, sorry",
        "evidence": "dtype float16; vae not verified; graphs not verified",
    }
    assert kept([], status=status)["unverified"] == "", "all was looked at"
    assert kept(None, status=status)["unverified"] == f"all checks: {status}: no room, sorry"


@pytest.mark.parametrize(
    "row",
    [
        {"status": "invalid"},
        {"status": "oom", "phase": "call-3"},
        {"status": "timeout", "iterations_per_second": None},
    ],
)
def test_what_is_invalid_or_failed_before_its_checks_keeps_none(row):
    found = kept(["vae"], **row)
    assert {name: found[name] for name in NUMBERS} == dict.fromkeys(NUMBERS)
    assert (found["status"], found["detail"]) == (row["status"], "no room; sorry")
    assert found["phase"] == row.get("phase", "evidence")


def test_a_row_that_is_ok_has_its_numbers_and_no_phase():
    assert kept(status="ok", detail=None) == {**NUMBERS, "status": "ok", "detail": None, "phase": None}


def test_each_stage_has_its_own_values_and_samples_and_the_runs_provenance():
    definition = {"stages": [{"number": 1, "steps": 4, "revision": "abc"}, {"number": 3, "steps": 9}]}
    measured = {"event": "values", "columns": {**NUMBERS, "calls": 2}}
    ok, oom = ({"event": "outcome", "status": status, "detail": why} for status, why in (("ok", None), ("oom", "full")))
    one = {"event": "sample", "columns": {"kind": "call", "call": 1}}
    events = [
        {"event": "provenance", "stage": None, "at_s": 0.0, "columns": {"torch_version": "2.0"}},
        {"event": "dtypes", "stage": None, "at_s": 0.0, "names": ["bfloat16", "float16"]},
        *events_of(1, LOAD, START, one, END, measured, ok),
        *events_of(3, {"event": "phase", "phase": "warmup"}, one, oom, at_s=50.0),
    ]
    (first, second), samples = assemble({"batch_size": 2}, {"round": 7}, definition, events, None, Windows())
    shared = {"batch_size": 2, "round": 7, "torch_version": "2.0"}
    assert first == {
        **shared,
        **{"stage": 1, "steps": 4, "revision": "abc", "dtype": "bfloat16"},
        **{"status": "ok", "detail": None, "phase": None},
        **{**NUMBERS, "calls": 2, "start": (0, 1), "window": (1, 3, 4)},
    }
    assert second == {
        **shared,
        **{"stage": 3, "steps": 9, "revision": None, "dtype": "float16"},
        **{"status": "oom", "detail": "full", "phase": "warmup"},
        **dict.fromkeys(NUMBERS),
    }
    assert samples == [{"batch_size": 2, "stage": number, "kind": "call", "call": 1} for number in (1, 3)]


@pytest.mark.parametrize(
    ("death", "status", "detail"),
    [
        (None, "crashed", "the measuring process did not report this stage"),
        (("timeout", "stopped"), "timeout", "stopped"),
    ],
)
def test_a_stage_that_was_not_reported_takes_the_death_of_the_child(death, status, detail):
    definition = {"stages": [{"number": number, "steps": 4} for number in (1, 2)]}
    (row, _), samples = assemble({}, {}, definition, [], death, Windows())
    assert (row["status"], row["detail"], row["phase"], samples) == (status, detail, "load", [])
    assert row["dtype"] is None, "not even that is known"
    begun = [{"event": "dtypes", "stage": None, "names": ["bfloat16", "float32"]}]
    rows, _ = assemble({}, {}, definition, begun, death, Windows())
    assert [row["dtype"] for row in rows] == ["bfloat16", "float32"], "as planned, or its round could not be pooled"


def test_a_child_is_killed_with_its_parent(monkeypatch):
    asked = []
    library = SimpleNamespace(prctl=lambda *arguments: asked.append(arguments))
    monkeypatch.setattr(session.ctypes, "CDLL", lambda *arguments, **keys: library)
    session.die_with_parent()
    assert asked == [(1, signal.SIGKILL)]
