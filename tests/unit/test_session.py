"""The processes of a run's session: their memory, their state, their end with their parent."""

import signal
from types import SimpleNamespace

import pytest

from diffbench.measurement import memory_limit, session
from diffbench.measurement.session import proportional_kib, resident_kib, total_mib

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
    monkeypatch.setattr(memory_limit, "total_mib", lambda leader, kib_of, template: held[kib_of])
    limit = memory_limit.MemoryLimit(1, 200)
    assert [limit.is_exceeded() for _ in range(5)] == [False] * 4 + [exceeded], "every fifth time"
    assert not any(memory_limit.MemoryLimit(1, None).is_exceeded() for _ in range(5)), "there is no limit"


def test_a_child_is_killed_with_its_parent(monkeypatch):
    asked = []
    library = SimpleNamespace(prctl=lambda *arguments: asked.append(arguments))
    monkeypatch.setattr(session.ctypes, "CDLL", lambda *arguments, **keys: library)
    session.die_with_parent()
    assert asked == [(1, signal.SIGKILL)]
