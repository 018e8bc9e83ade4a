"""Ratios of rows and means over pipelines by hand, without a table around them."""

import numpy as np
import pandas as pd
import pytest

from diffbench.statistics.ratios import (
    base_rate,
    common_pipelines,
    mean_rows,
    print_times,
    rate_in,
    ratio_of,
    steps_of,
    unit_between,
    unit_of,
)

FIFTY = {"iterations": 50.0, "iterations_per_second": 20.0, "images_per_second": 0.4, "speedup_unit": "it/s"}
TWENTY = {"iterations": 20.0, "iterations_per_second": 25.0, "images_per_second": 1.0, "speedup_unit": "images/s"}
UNKNOWN = {**TWENTY, "iterations": np.nan}


@pytest.mark.parametrize(
    ("row", "base", "ratio", "unit"),
    [
        ({**FIFTY, "iterations_per_second": 30.0, "images_per_second": 9.0}, FIFTY, 1.5, "it/s"),
        (TWENTY, FIFTY, 2.5, "images/s"),
        (FIFTY, TWENTY, 0.4, "images/s"),
        (UNKNOWN, FIFTY, 2.5, "images/s"),  # it is compared with the baseline per image, and the other is not
        (UNKNOWN, TWENTY, 1.0, "it/s"),
        (UNKNOWN, UNKNOWN, 1.0, "it/s"),
        ({**FIFTY, "iterations_per_second": np.nan}, FIFTY, None, "it/s"),
        (FIFTY, {**FIFTY, "iterations_per_second": 0.0}, None, "it/s"),
        (None, FIFTY, None, "it/s"),
        (FIFTY, None, None, "it/s"),
    ],
)
def test_the_ratio_of_two_rows_is_in_the_unit_of_the_same_work(row, base, ratio, unit):
    assert ratio_of(row, base) == (ratio and pytest.approx(ratio), unit)
    if row is not None and base is not None:
        assert unit_between(row, base) == unit


@pytest.mark.parametrize(
    ("row", "unit"), [(FIFTY, "it/s"), (TWENTY, "images/s"), ({"speedup_unit": ""}, "it/s"), ({}, "it/s")]
)
def test_a_row_without_a_unit_is_in_iterations(row, unit):
    assert unit_of(row) == unit


@pytest.mark.parametrize(
    ("row", "unit", "rate"),
    [
        (FIFTY, "it/s", 20.0),
        (FIFTY, "images/s", 0.4),
        ({**FIFTY, "images_per_second": np.nan}, "images/s", None),
        ({**FIFTY, "images_per_second": 0}, "images/s", None),
        (None, "it/s", None),
    ],
)
def test_the_rate_of_a_row_in_a_unit(row, unit, rate):
    assert rate_in(row, unit) == rate


@pytest.mark.parametrize(
    ("row", "rate"),
    [
        ({**FIFTY, "speedup": 2.0}, 10.0),
        ({**FIFTY, "speedup": 0.5}, 40.0),
        ({**TWENTY, "speedup": 2.5}, 0.4),
        ({**FIFTY, "speedup": np.nan}, None),
        ({**FIFTY, "speedup": 0.0}, None),
        ({**FIFTY, "iterations_per_second": np.nan, "speedup": 2.0}, None),
    ],
)
def test_the_rate_of_the_baseline_follows_from_the_speedup(row, rate):
    assert base_rate(row) == rate


def test_steps_and_times_in_words():
    assert (steps_of(FIFTY), steps_of(UNKNOWN)) == ("50", "")
    assert print_times(2.034, "it/s") == "2.03x"
    assert print_times(12.1, "images/s") == "12.10x per image"


def speedups(**columns):
    """A part of a summary: of each variant the speed-ups of the pipelines p0, p1, … (None: it has none), first stages."""
    rows = [
        {"torch": "2.0", "variant": variant, "pipeline": f"p{place}", "stage": 1, "speedup": value}
        for variant, values in columns.items()
        for place, value in enumerate(values)
    ]
    return pd.DataFrame(rows).astype({"speedup": float})


def test_means_are_geometric_and_over_the_pipelines_that_all_compared_columns_have():
    part = speedups(eager=[1, 1, 1], compile=[2, 8, 100], fused=[1, 0.25, None])
    columns, pipelines = common_pipelines(part)
    assert columns == [("2.0", "compile"), ("2.0", "fused")], "the baseline itself is not compared"
    assert pipelines == {"p0", "p1"}
    means = {variant: mean for (_, variant), (mean, _) in mean_rows(part, columns, pipelines).items()}
    assert means == {"compile": pytest.approx(4), "fused": pytest.approx(0.5)}


def test_the_second_stage_and_the_other_torch_build_do_not_count():
    part = pd.concat(
        [
            speedups(compile=[2, 8]),
            speedups(compile=[50, 50]).assign(stage=2),
            speedups(compile=[3, 3], fused=[None, None]).assign(torch="2.1"),
        ]
    )
    columns, pipelines = common_pipelines(part)
    assert columns == [("2.0", "compile"), ("2.1", "compile")] and pipelines == {"p0", "p1"}
    found = mean_rows(part, columns, pipelines)
    assert [mean for mean, _ in found.values()] == [pytest.approx(4), pytest.approx(3)]
    assert [rows["speedup"].tolist() for _, rows in found.values()] == [[2, 8], [3, 3]]
    assert common_pipelines(speedups(eager=[1, 1])) == ([], set())
