"""What two rows of a summary are said to differ in, without a table around it."""

import pandas as pd
import pytest

from diffbench.statistics.conditions import COLUMNS, differences_between, differences_from, parts_of
from diffbench.vocabulary.columns import KEY

PLACE = {"torch": "2.0", "gpu": "A100"}


def between(own, base):
    """The differences of two rows that know nothing but these columns."""
    unknown = {**dict.fromkeys(COLUMNS, ""), **PLACE}
    return differences_between({**unknown, **own}, {**unknown, **base})


def test_every_value_of_the_rounds_is_named_and_their_order_is_no_difference():
    assert between({"driver_version": "535.1; 550.2"}, {"driver_version": "550.2; 535.1"}) == ""
    text = between({"driver_version": "535.1; 550.2"}, {"driver_version": "550.2"})
    assert text == "driver 535.1 or 550.2 and 550.2"


@pytest.mark.parametrize(
    ("own", "base", "text"),
    [
        ("peft 1", "peft 2", "peft 1 and 2"),
        ("peft 1, torchao 3", "torchao 3", "peft 1 and none"),
        ("torchao 3", "peft 1, torchao 3", "peft none and 1"),
        ("peft 1, a 1", "peft 2, b 1", "peft 1 and 2; a 1 and none; b none and 1"),
        ("peft 1; peft 2", "peft 2", "peft 1 or 2 and 2"),  # rounds that differ
        ("torchao 3, peft 1", "peft 1, torchao 3", ""),
        ("peft 1", "none", "peft 1 and none"),
        ("none", "peft 1", "peft none and 1"),
        ("none", "none", ""),
        ("peft 1", "", ""),  # a row of a release that did not record them
    ],
)
def test_libraries_are_compared_by_name(own, base, text):
    assert between({"libraries": own}, {"libraries": base}) == text


def test_variables_are_compared_by_name_with_all_of_their_value():
    own, base = {"environment_variables": "A=x=1; B=2"}, {"environment_variables": "A=x=2; B=2"}
    assert between(own, base) == "A x=1 and x=2"


def test_all_differences_are_said_in_one_order():
    own = {"libraries": "peft 1", "environment_variables": "A=1", "host_cpu": "X", "driver_version": "5"}
    base = {"libraries": "peft 2", "environment_variables": "A=2", "host_cpu": "Y", "driver_version": "6"}
    assert between(own, base) == "host CPU X and Y; driver 5 and 6; peft 1 and 2; A 1 and 2"


@pytest.mark.parametrize(
    ("place", "column", "values"),
    [
        ("torch", "cuda_version", ("11.8", "12.1")),
        ("torch", "libraries", ("peft 1", "peft 2")),
        ("gpu", "device_name", ("NVIDIA A100", "NVIDIA T4")),
    ],
)
def test_what_comes_with_a_torch_build_or_a_gpu_is_a_difference_within_one(place, column, values):
    own, base = ({column: value} for value in values)
    assert between(own, base) != ""
    assert between(own, {**base, place: "other"}) == ""
    assert between({**own, "host_cpu": "X"}, {**base, place: "other", "host_cpu": "Y"}) == "host CPU X and Y"


def test_a_device_that_is_no_host_leaves_the_hosts_cpu():
    own, base = {"device_name": "A", "host_cpu": "X"}, {"device_name": "B", "host_cpu": "Y"}
    assert between(own, base) == "device A and B; host CPU X and Y"
    assert between({"device_name": "X", "host_cpu": "X"}, {"device_name": "Y", "host_cpu": "Y"}) == "device X and Y"


def test_threads_hide_the_variables_that_set_them_and_no_others():
    own, base = {"environment_variables": "OMP_NUM_THREADS=2; A=1"}, {"environment_variables": "OMP_NUM_THREADS=4; A=2"}
    assert between(own, base) == "OMP_NUM_THREADS 2 and 4; A 1 and 2"
    assert between({**own, "threads": "2"}, {**base, "threads": "4"}) == "CPU threads 2 and 4; A 1 and 2"


@pytest.mark.parametrize(
    ("value", "joint", "parts"),
    [
        ("", "; ", []),
        (None, "; ", []),
        ("a; b; a", "; ", ["a", "b"]),
        ("a, b; c", ", ", ["a", "b", "c"]),
        (8, "; ", ["8"]),
    ],
)
def test_the_parts_of_a_joined_text(value, joint, parts):
    assert parts_of(value, joint) == parts


def test_each_row_is_compared_with_the_baseline_of_its_own_cell():
    """By batch size and torch build; a cell whose baseline was not measured differs in nothing."""
    cells = [
        ("2.0", 1, "eager", "4"), ("2.0", 1, "compile", "2"), ("2.0", 4, "eager", "2"), ("2.0", 4, "compile", "2"),
        ("2.1", 1, "compile", "8"),
    ]  # fmt: skip
    rows = [
        {
            **dict.fromkeys([*KEY, *COLUMNS], ""),
            "torch": torch,
            "batch_size": size,
            "variant": variant,
            "threads": threads,
        }
        for torch, size, variant, threads in cells
    ]
    summary = pd.DataFrame(rows)
    assert differences_from(summary, {"variant": "eager"}) == ["", "CPU threads 2 and 4", "", "", ""]
    both = differences_from(summary, {"torch": "2.0", "variant": "eager"})
    assert both == ["", "CPU threads 2 and 4", "", "", "CPU threads 8 and 4"]
