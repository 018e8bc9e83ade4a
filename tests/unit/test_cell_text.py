"""What stands in a cell of a table."""

import pytest

from diffbench.data.rows import is_number
from diffbench.tables.cell_text import best_value, merge_stages, ordinal, print_stage


@pytest.mark.parametrize(
    ("status", "phase", "text"),
    [
        ("oom", "load", "OOM"),
        ("oom", "first-call", "OOM"),
        ("oom", "warmup", "OOM"),
        ("oom", "call-1", "OOM after warmup"),
        ("oom", "call-2", "OOM after 1st iteration"),
        ("oom", "call-3", "OOM after 2nd iteration"),
        ("oom", "call-4", "OOM after 3rd iteration"),
        ("oom", "call-12", "OOM after 11th iteration"),
        ("oom", "call-22", "OOM after 21st iteration"),
        ("compile-error", "first-call", "❌"),
        ("unsupported", "load", "n/a"),
        ("timeout", "warmup", "timeout"),
        ("crashed", "load", "crashed"),
        ("invalid", "call-5", "invalid"),
        ("open", "", "…"),
    ],
)
def test_failures_print_as_on_the_page(status, phase, text):
    assert print_stage({"status": status, "phase": phase, "text": "", "iterations_per_second": None}) == text


def test_numbers_have_two_decimals_unless_they_come_with_their_text():
    row = {"status": "ok", "phase": "", "text": "", "iterations_per_second": 22.2}
    assert print_stage(row) == "22.20"
    assert print_stage({**row, "text": "2.34s"}) == "2.34s"


def test_stages_print_each_for_itself_and_a_common_failure_once():
    assert merge_stages(["20.21", "OOM", "24.00"]) == ["20.21", "OOM", "24.00"]
    assert merge_stages(["❌", "❌", "❌"]) == ["❌"]
    assert merge_stages(["24.00", "24.00"]) == ["24.00", "24.00"]


@pytest.mark.parametrize(
    ("unit", "text"), [("it/s", "4.00"), ("s/it", "0.25"), ("images/s", "0.50"), ("s/image", "2.00")]
)
def test_units(unit, text):
    row = {"status": "ok", "phase": "", "text": "", "iterations_per_second": 4.0, "images_per_second": 0.5}
    assert print_stage(row, unit=unit) == text


def test_a_published_rate_has_no_images_per_second():
    row = {
        "status": "ok",
        "phase": "",
        "text": "2.34s",
        "iterations_per_second": 1 / 2.34,
        "images_per_second": float("nan"),
    }
    assert print_stage(row) == "2.34s"
    assert print_stage(row, unit="s/it") == "2.34"
    assert print_stage(row, unit="images/s") == "-"


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (1, "1st"), (2, "2nd"), (3, "3rd"), (4, "4th"), (10, "10th"), (11, "11th"), (12, "12th"), (13, "13th"), (14, "14th"),
        (21, "21st"), (102, "102nd"), (111, "111th"), (113, "113th"), (123, "123rd"),
    ],
)  # fmt: skip
def test_ordinals(number, text):
    assert ordinal(number) == text


@pytest.mark.parametrize(
    ("value", "known"),
    [(1, True), (0.0, True), (float("inf"), True), (float("nan"), False), (None, False), ("1", False)],
)
def test_what_is_a_number(value, known):
    assert is_number(value) is known


def test_the_text_of_a_page_prints_whatever_the_decimals_and_only_in_its_own_unit():
    row = {"status": "ok", "phase": "", "text": "2.34s", "iterations_per_second": 0.5, "images_per_second": 0.25}
    assert print_stage(row, decimals=3) == "2.34s"
    assert print_stage(row, decimals=3, unit="s/image") == "4.000"
    assert print_stage({**row, "text": ""}, decimals=0) == "0"
    assert print_stage({**row, "text": "OOM*", "status": "oom", "phase": "load"}) == "OOM*"


@pytest.mark.parametrize(
    ("texts", "merged"),
    [
        (["OOM", "OOM"], ["OOM"]),
        (["OOM", "n/a"], ["OOM", "n/a"]),
        (["-"], ["-"]),
        (["2.00"], ["2.00"]),
        (["0.50", "0.50"], ["0.50", "0.50"]),
    ],
)
def test_stages_of_one_text_merge_unless_it_is_a_number(texts, merged):
    assert merge_stages(texts) == merged


@pytest.mark.parametrize(("unit", "best"), [("it/s", 3.0), ("images/s", 3.0), ("s/it", 0.5), ("s/image", 0.5)])
def test_the_best_is_the_largest_rate_and_the_smallest_time(unit, best):
    assert best_value([2.0, None, 3.0, 0.5], unit) == best
    assert best_value([None], unit) is None
