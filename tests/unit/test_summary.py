"""From rows to a summary: medians over rounds, speed-ups, and rows that must not be pooled."""

import pandas as pd
import pytest

from diffbench.data.errors import ReportError
from diffbench.data.measurements import to_frame
from diffbench.statistics.summary import summarize
from summaries import cells_of, rounds_with, summary_of


def test_value_is_the_median_over_rounds_with_smallest_and_largest(make_row):
    rows = [make_row(round=number, iterations_per_second=rate) for number, rate in [(1, 10), (2, 30), (3, 14)]]
    row = summary_of(rows).iloc[0]
    assert (row["iterations_per_second"], row["iterations_per_second_min"], row["iterations_per_second_max"]) == (
        14,
        10,
        30,
    )
    assert row["rounds"] == 3
    assert row["measured_on"] == "2026-11-20"


def test_speedup_is_against_the_baseline_of_the_same_cell(make_row):
    rows = [
        make_row(iterations_per_second=20),
        make_row(variant="compile", iterations_per_second=50),
        make_row(batch_size=4, iterations_per_second=10),
        make_row(batch_size=4, variant="compile", iterations_per_second=11),
        make_row(batch_size=16, variant="compile", iterations_per_second=11),
    ]
    speedups = summary_of(rows).set_index(["batch_size", "variant"])["speedup"]
    assert speedups[1, "compile"] == 2.5
    assert speedups[4, "compile"] == pytest.approx(1.1)
    assert speedups[1, "eager"] == 1
    assert pd.isna(speedups[16, "compile"])


def test_baseline_may_fix_the_torch_build_too(make_row):
    rows = [
        make_row(torch="2.0", iterations_per_second=20),
        make_row(torch="2.1", torch_version="2.1.2", iterations_per_second=30),
    ]
    summary = summary_of(rows, baseline={"variant": "eager", "torch": "2.0"})
    assert list(summary["speedup"]) == [1, 1.5]


def test_a_cell_without_rows_is_open_and_a_failed_one_keeps_its_reason(make_row):
    rows = [make_row(status="oom", phase="call-1", detail="CUDA out of memory")]
    cells = pd.concat([cells_of(rows), cells_of([make_row(pipeline="if")])])
    summary = summary_of(rows, cells).set_index("pipeline")
    assert list(summary["status"]) == ["oom", "open"]
    assert summary.loc["sd-txt2img", ["phase", "detail"]].tolist() == ["call-1", "CUDA out of memory"]
    assert summary["iterations_per_second"].isna().all()


def test_a_failed_round_beside_a_good_one_is_told(make_row):
    rows = [make_row(round=1), make_row(round=2, status="crashed", phase="warmup", detail="killed by signal 9")]
    row = summary_of(rows).iloc[0]
    assert row["status"] == "ok"
    assert row["rounds"] == 1
    assert row["detail"] == "round 2: crashed, killed by signal 9"


@pytest.mark.parametrize("column", ["definition", "torch_version", "diffusers_version"])
def test_rows_of_different_definitions_or_releases_are_not_pooled(make_row, column):
    other = {"definition": "ba9876543210"}.get(column, "9.9")
    with pytest.raises(
        ReportError,
        match=f"A100, 2.0, sd-txt2img, batch size 1, eager: round 1 has {column} .*, round 2 {other}; these",
    ):
        summary_of([make_row(), make_row(round=2, **{column: other})])


def test_the_same_round_twice_is_refused(make_row):
    with pytest.raises(ReportError, match="round 1 appears twice"):
        summary_of([make_row(), make_row()])


def test_a_cell_and_its_speedup_have_intervals_and_a_verdict(make_row):
    rows = rounds_with(make_row, "eager", [20.0, 20.1, 19.9]) + rounds_with(make_row, "compile", [40.0, 40.3, 39.8])
    summary = summarize(to_frame(rows), cells_of(rows), {"variant": "eager"}).set_index("variant")
    eager, compiled = summary.loc["eager"], summary.loc["compile"]
    # Student's t with two degrees of freedom: 4.303 x s / sqrt(3)
    assert eager["iterations_per_second_high"] / 20 - 1 == pytest.approx(4.303 * 0.005 / 3**0.5, rel=0.02)
    assert eager["iterations_per_second_low"] < 20 < eager["iterations_per_second_high"]
    assert compiled["speedup_low"] < 2 < compiled["speedup_high"] < 2.1
    assert (eager["verdict"], compiled["verdict"]) == ("", "faster")


def test_an_unclear_speedup_says_how_many_rounds_would_settle_it(make_row):
    rows = rounds_with(make_row, "eager", [20.0, 21.0, 19.0]) + rounds_with(make_row, "compile", [20.5, 20.2, 19.9])
    summary = summarize(to_frame(rows), cells_of(rows), {"variant": "eager"}).set_index("variant")
    assert summary.loc["compile", "verdict"] == "unclear"
    assert 10 < summary.loc["compile", "rounds_needed"] < 100


def test_one_round_has_neither_interval_nor_verdict(make_row):
    rows = rounds_with(make_row, "eager", [20.0]) + rounds_with(make_row, "compile", [40.0])
    summary = summarize(to_frame(rows), cells_of(rows), {"variant": "eager"})
    assert summary[["iterations_per_second_low", "speedup_low", "rounds_needed"]].isna().all(axis=None)
    assert set(summary["verdict"]) == {""}
    assert list(summary["speedup"]) == [1, 2]
