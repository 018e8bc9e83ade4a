"""The rows that the parent makes of what the measuring process reported."""

import json

import pytest

from diffbench.measurement.rows import assemble, keep_measured, machine_columns, read_events
from diffbench.vocabulary.columns import RATE
from diffbench.vocabulary.errors import SetupError


def test_events_are_read_up_to_the_line_that_a_death_cut_off(tmp_path):
    path = tmp_path / "events.jsonl"
    assert read_events(path) == []
    path.write_text('{"event": "phase"}\n{"event": "values"}\n{"event": "out', encoding="utf-8")
    assert read_events(path) == [{"event": "phase"}, {"event": "values"}]
    path.write_text(json.dumps({"event": "setup-error", "detail": "no device"}) + "\n", encoding="utf-8")
    with pytest.raises(SetupError, match="^no device$"):
        read_events(path)


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
