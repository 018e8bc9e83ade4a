"""What samples of the machine, made by hand, give for a window: every column by hand, with what lies outside it left out."""

import json
from collections import namedtuple
from types import SimpleNamespace

import pytest

from diffbench.measurement import host_counters
from diffbench.measurement.monitor import MIB, Monitor, WindowEdges


def monitor_of(*samples, largest_mhz=1000):
    """A Monitor that has these samples, one a second from 0 s on."""
    made = Monitor()
    made.gpu = SimpleNamespace(largest_mhz=largest_mhz)
    made.samples = [{"at_s": float(at_s), **sample} for at_s, sample in enumerate(samples)]
    return made


def samples_of(name, *values):
    return [{name: value} for value in values]


BITS = {
    0x1: None,  # idle
    0x2: None,  # the clocks that an application has set
    0x4: "power cap",
    0x8: "hardware slowdown",
    0x10: None,  # another card's clocks
    0x20: "software thermal slowdown",
    0x40: "hardware thermal slowdown",
    0x80: "hardware power brake",
    0x100: None,  # the display's clocks
}


@pytest.mark.parametrize("bit", BITS)
def test_each_reason_for_a_low_clock_has_its_bit(bit):
    assert monitor_of(*samples_of("limits", 0, bit, 0)).columns(0, 2, 1)["clock_limits"] == BITS[bit]


def test_the_reasons_of_a_window_are_those_of_all_its_samples():
    reasons = samples_of("limits", 0x40, 0x4, 0x80 | 0x4, 0x40)
    assert monitor_of(*reasons).columns(1, 2, 1)["clock_limits"] == "power cap, hardware power brake"


def test_a_clock_is_low_below_three_quarters_of_the_largest():
    columns = monitor_of(*samples_of("sm_clock_mhz", 1, 750, 749, 900, 1000, 1)).columns(1, 4, 1)
    assert columns["low_clock_percent"] == 25
    assert columns["sm_clock_mhz"] == 825


def test_where_the_largest_clock_is_unknown_no_share_is_low():
    columns = monitor_of(*samples_of("sm_clock_mhz", 1, 2), largest_mhz=None).columns(0, 2, 1)
    assert columns["sm_clock_mhz"] == 1.5 and "low_clock_percent" not in columns


@pytest.mark.parametrize(
    ("name", "values", "column", "expected"),
    [
        ("temperature_c", [99, 70, 72, 71, 99], "temperature_c", 72),
        ("others", [9, 0, 2, 1, 9], "device_processes", 2),
        ("used_bytes", [9 * MIB, 3 * MIB, 5 * MIB, 4 * MIB, 9 * MIB], "peak_device_mib", 5),
        ("process_bytes", [9 * MIB, 3 * MIB, 5 * MIB, 4 * MIB, 9 * MIB], "peak_process_mib", 5),
        ("power_mw", [9e6, 1e5, 2e5, 6e5, 9e6], "power_w", 300),
        ("energy_mj", [0, 10_000, 20_000, 70_000, 999_000], "energy_per_image_j", 20),
        ("cpu_clock_mhz", [1, 2000, 3000, 2200, 9000], "cpu_clock_mhz", 2200),
        ("cpu_clock_mhz", [1, 2000, 3000, 2200, 9000], "cpu_clock_lowest_mhz", 2000),
    ],
)
def test_a_column_is_that_of_the_samples_from_1_s_to_3_s_of_three_images(name, values, column, expected):
    assert monitor_of(*samples_of(name, *values)).columns(1, 3, 3)[column] == pytest.approx(expected)
    assert column not in monitor_of(*samples_of(name, *[None] * 5)).columns(1, 3, 3), "nothing was reported"


def test_the_start_of_a_stage_is_the_most_that_was_held_before_its_calls():
    held = monitor_of(*samples_of("process_bytes", 9 * MIB, 4 * MIB, 6 * MIB, 9 * MIB))
    assert held.start_columns(1, 2) == {"start_peak_process_mib": 6}
    assert held.start_columns(1.2, 1.8) == {}, "no sample lies there"


@pytest.mark.parametrize(("start_s", "end_s", "grown"), [(0.5, 2.5, 20), (1, 2, 10), (0, 3, 30), (2.5, 2.5, 0)])
def test_a_counter_is_interpolated_between_its_samples(start_s, end_s, grown):
    known = monitor_of({"counter": 100}, {"counter": 105}, {"other": 1, "counter": 115}, {"counter": 130})
    assert known.growth("counter", start_s, end_s) == pytest.approx(grown)


@pytest.mark.parametrize(("start_s", "end_s"), [(-0.1, 2), (0, 3.1), (4, 5)])
def test_a_counter_that_was_not_read_around_the_window_is_unknown(start_s, end_s):
    assert monitor_of(*samples_of("counter", 1, 2, 3, 4)).growth("counter", start_s, end_s) is None
    assert monitor_of().growth("counter", 0, 1) is None


def host_columns(total_s, idle_s, own_s):
    """The columns of 4 s in which the counters grew by so much, from other values and at another time than 0."""
    before = {"total_s": 1000.0, "idle_s": 600.0, "own_s": 7.0}
    after = {"total_s": 1000 + total_s, "idle_s": 600 + idle_s, "own_s": 7 + own_s}
    return monitor_of({}, {}, before, {}, {}, {}, after).columns(2, 6, 1)


def test_the_host_is_as_busy_as_its_counters_say():
    columns = host_columns(total_s=32, idle_s=20, own_s=4)
    assert columns["other_cpu_percent"] == 25, "8 of 32 s went to others"
    assert columns["host_busy_cores"] == 3, "12 s in 4 s"


def test_counters_of_coarse_ticks_give_no_negative_share():
    columns = host_columns(total_s=32, idle_s=30, own_s=3)
    assert columns["other_cpu_percent"] == 0
    assert host_columns(total_s=32, idle_s=33, own_s=0)["host_busy_cores"] == 0


def test_a_machine_without_counters_has_no_such_columns():
    assert not {"other_cpu_percent", "host_busy_cores"} & set(monitor_of(*samples_of("limits", 0, 0)).columns(0, 1, 1))


@pytest.mark.parametrize(
    ("counters", "idle_s", "total_s"),
    [
        ({"user": 40.0, "idle": 30.0, "iowait": 20.0, "guest": 6.0, "guest_nice": 4.0}, 50.0, 90.0),
        ({"user": 40.0, "nice": 1.0, "system": 9.0, "idle": 30.0}, 30.0, 80.0),  # macOS
    ],
)
def test_waiting_for_a_disk_is_idle_and_a_guests_time_counts_once(monkeypatch, counters, idle_s, total_s):
    monkeypatch.setattr(host_counters.psutil, "cpu_times", lambda: namedtuple("times", counters)(**counters))
    monkeypatch.setattr(host_counters, "clock_mhz", lambda files: 2000.0)
    monkeypatch.setattr(host_counters.os, "getsid", lambda pid: pid)
    watching = host_counters.HostSampler()
    monkeypatch.setattr(watching, "own_s", {7: 5.0}.get)
    assert watching.sample(7) == {"own_s": 5.0, "idle_s": idle_s, "total_s": total_s, "cpu_clock_mhz": 2000.0}


def test_own_time_is_user_and_system_time_of_all_processes(monkeypatch):
    times = {1: SimpleNamespace(user=2.0, system=0.5), 2: SimpleNamespace(user=10.0, system=1.0)}
    monkeypatch.setattr(host_counters, "session_pids", lambda session: [1, 2])

    class Process(int):
        def cpu_times(self):
            if self not in times:
                raise host_counters.psutil.NoSuchProcess(int(self))
            return times[self]

    monkeypatch.setattr(host_counters.psutil, "Process", Process)
    watching = host_counters.HostSampler()
    assert watching.own_s(1) == 13.5
    del times[1]
    times[2].user = 12.0
    assert watching.own_s(1) == 15.5, "the process that has ended counts on"


@pytest.mark.parametrize(
    ("cpus", "chosen"),
    [(4, [0, 1, 2, 3]), (8, [0, 1, 2, 3, 4, 5, 6, 7]), (9, [0, 2, 4, 6, 8]), (128, list(range(0, 128, 16)))],
)
def test_clocks_are_read_from_at_most_8_cpus_spread_over_all(monkeypatch, cpus, chosen):
    monkeypatch.setattr(host_counters.os, "sched_getaffinity", lambda pid: set(range(cpus)))
    monkeypatch.setattr(host_counters.Path, "is_file", lambda path: True)
    expected = [f"/sys/devices/system/cpu/cpu{cpu}/cpufreq/scaling_cur_freq" for cpu in chosen]
    assert list(map(str, host_counters.clock_files())) == expected


def test_without_such_files_the_clock_is_that_of_all_cpus(monkeypatch):
    monkeypatch.setattr(host_counters.psutil, "cpu_freq", lambda: SimpleNamespace(current=2345.0))
    assert host_counters.clock_mhz([]) == 2345.0


@pytest.mark.parametrize(("took_s", "wait_s"), [(0.0, 1.0), (0.0005, 1.0), (0.005, 5.0)])
def test_the_host_is_due_again_after_a_thousand_times_what_a_sample_takes_and_a_second_at_least(
    monkeypatch, took_s, wait_s
):
    watching, clock = host_counters.HostSampler(), [100.0]
    monkeypatch.setattr(host_counters.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(host_counters.os, "getsid", lambda pid: clock.__setitem__(0, clock[0] + took_s))
    monkeypatch.setattr(watching, "own_s", lambda session: 0.0)
    assert watching.is_due()
    watching.sample(1)
    clock[0] += wait_s - 0.01
    assert not watching.is_due()
    clock[0] += 0.02
    assert watching.is_due()


def test_events_are_edges_once_their_line_is_whole(tmp_path):
    path = tmp_path / "events.jsonl"
    edges = WindowEdges(path)
    assert not edges.passed(), "nothing is reported yet"
    phase, window = (json.dumps({"event": event}) + "\n" for event in ("phase", "window"))
    path.write_text(phase)
    assert not edges.passed()
    with open(path, "a", encoding="utf-8") as file:
        file.write(window[:9])
    assert not edges.passed()
    with open(path, "a", encoding="utf-8") as file:
        file.write(window[9:] + phase)
    assert edges.passed()
    assert not edges.passed(), "each is passed once"
    for text, edge in ((phase, False), (phase + window, True), (phase, False), (window + phase, True)):
        with open(path, "a", encoding="utf-8") as file:
            file.write(text)
        assert edges.passed() is edge
