"""Every number and text of a summary's row, from rounds that were made by hand."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from diffbench.data.errors import ReportError
from diffbench.data.groups import join_different
from diffbench.data.measurements import to_frame
from diffbench.statistics.summary import SAME, read_summary, summarize
from diffbench.statistics.summary_inputs import Evidence
from diffbench.vocabulary.columns import FIDELITY_COLUMNS, MEDIANS, SUMMARY_COLUMNS, SUMMARY_NUMBERS
from summaries import cells_of, summary_of

BASELINE = {"variant": "eager"}
OTHER = {"definition": "ba9876543210", "threads": "9"}
EVERY_COLUMN = [column for column in MEDIANS if column != "iterations"]


def rounds_with_all(make_row, factors):
    """Rounds in which the n-th of the columns is n times the round's factor."""
    return [
        make_row(round=number, **{column: place * factor for place, column in enumerate(EVERY_COLUMN, start=1)})
        for number, factor in enumerate(factors, start=1)
    ]


@pytest.mark.parametrize(("factors", "median"), [([3], 3), ([2, 30, 5], 5), ([4, 2, 100, 8], 6)])
def test_every_number_is_the_median_of_its_own_column(make_row, factors, median):
    row = summary_of(rounds_with_all(make_row, factors)).iloc[0]
    expected = {column: place * median for place, column in enumerate(EVERY_COLUMN, start=1)}
    assert dict(row[EVERY_COLUMN]) == pytest.approx(expected)
    ends = [expected["iterations_per_second"] / median * each for each in (min(factors), max(factors))]
    assert [row["iterations_per_second_min"], row["iterations_per_second_max"]] == pytest.approx(ends)
    assert (row["rounds"], row["iterations"]) == (len(factors), 50)


def test_what_a_failed_round_left_is_not_pooled_with_the_numbers_of_the_others(make_row):
    """It ran other kernels and compiled nothing, and was refused for it; its start took more memory."""
    good = {"graphs": 2, "start_peak_process_mib": 300, "attention_kernels": "2 x flash", "driver_version": "550.2"}
    bad = {"graphs": 0, "start_peak_process_mib": 900, "attention_kernels": "2 x math", "driver_version": "535.1"}
    rows = [
        make_row(round=1, status="invalid", phase="evidence", device_id="11111111", **bad),
        make_row(round=2, device_id="00000000", **good),
    ]
    row = summary_of(rows).iloc[0]
    assert {name: row[name] for name in good} == good
    assert row["detail"] == "round 1: invalid, why"
    compiled = make_row(variant="compile", device_id="00000000", **good)
    assert summary_of([*rows, compiled]).iloc[1][["flags", "differences"]].tolist() == ["", ""]
    assert summary_of(rows[:1]).iloc[0]["start_peak_process_mib"] == 900, "of a cell that failed it is what is known"


def test_stages_keep_their_order_though_one_failed_in_the_first_round(make_row):
    rows = [make_row(pipeline="if", stage=stage, round=number) for number in (1, 2) for stage in (1, 2)]
    rows[0] = make_row(pipeline="if", stage=1, round=1, status="crashed")
    assert summary_of(rows)[["stage", "rounds"]].values.tolist() == [[1, 1], [2, 2]]


def test_the_interval_of_a_rate_is_students_on_logarithms(make_row):
    rates = [20.0, 20.5, 19.8]
    row = summary_of([make_row(round=n, iterations_per_second=rate) for n, rate in enumerate(rates, 1)]).iloc[0]
    expected = stats.ttest_1samp(np.log(rates), 0).confidence_interval(0.95)
    ends = [row["iterations_per_second_low"], row["iterations_per_second_high"]]
    assert np.log(ends) == pytest.approx([expected.low, expected.high])


@pytest.mark.parametrize(("odd", "end"), [(30.0, "iterations_per_second_low"), (10.0, "iterations_per_second_high")])
def test_the_interval_of_a_rate_contains_its_median(make_row, odd, end):
    """Five of nine rounds are alike: the interval of the mean leaves their median out."""
    rates = [20.0] * 5 + [odd] * 4
    row = summary_of([make_row(round=n, iterations_per_second=rate) for n, rate in enumerate(rates, 1)]).iloc[0]
    assert row[end] == row["iterations_per_second"] == 20


def test_of_several_failures_the_first_round_is_named(make_row):
    rows = [
        make_row(round=3, status="oom", phase="load", detail="third"),
        make_row(round=2, status="crashed", phase="warmup", detail="second"),
    ]
    row = summary_of(rows).iloc[0]
    assert row[["status", "phase", "detail"]].tolist() == ["crashed", "warmup", "second"]
    row = summary_of([*rows, make_row(round=1)]).iloc[0]
    assert row[["status", "phase", "detail"]].tolist() == ["ok", "", "round 2: crashed, second"]


def test_a_failure_of_another_stage_says_nothing_of_this_one(make_row):
    rows = [make_row(pipeline="if"), make_row(pipeline="if", stage=2, status="oom", phase="call-2", detail="full")]
    summary = summary_of(rows)
    assert summary["status"].tolist() == ["ok", "oom"]
    assert summary["detail"].tolist() == ["", "full"]


def test_a_cell_that_was_not_measured_is_open(make_row):
    row = summary_of([], cells_of([make_row()])).iloc[0]
    assert row[["status", "stage", "rounds", "text", "mark", "phase", "detail"]].tolist() == [
        "open",
        1,
        0,
        "",
        "",
        "",
        "",
    ]
    assert row[["speedup", *MEDIANS]].isna().all()


def test_dates_are_days_in_their_order(make_row):
    days = ["2026-11-21T01:00:00Z", "2026-11-20T23:00:00Z", "2026-11-21T09:00:00Z"]
    row = summary_of([make_row(round=number, started_at=day) for number, day in enumerate(days, 1)]).iloc[0]
    assert row["measured_on"] == "2026-11-20; 2026-11-21"


@pytest.mark.parametrize(
    ("values", "text"),
    [
        (["b", "a", "b"], "b; a"),
        (["", None, float("nan"), "a"], "a"),
        ([2.0, 4.0, 2.0], "2; 4"),
        ([], ""),
        (["0"], "0"),
    ],
)
def test_different_values_are_joined(values, text):
    values = np.array(values, dtype=object)
    assert join_different(values, np.zeros(len(values), dtype=int), 1).tolist() == [text]


def test_the_values_of_each_group_are_joined_in_their_order():
    values, groups = ["b", "", "a", "b", "c", "b"], [0, 1, 0, 3, 3, 0]
    assert join_different(values, groups, 4).tolist() == ["b; a", "", "", "b; c"]


@pytest.mark.parametrize("column", SAME)
def test_rounds_that_differ_in_a_release_are_refused_and_an_unknown_one_differs_in_nothing(make_row, column):
    rows = [make_row(**{column: make_row()[column] or "1.0"}), make_row(round=2, **{column: OTHER.get(column, "9.9")})]
    expected = f"^cell A100, 2.0, sd-txt2img, batch size 1, eager: round 1 has {column} "
    with pytest.raises(ReportError, match=expected):
        summary_of(rows)
    assert len(summary_of([rows[0], {**rows[1], "variant": "compile"}])) == 2, "cells of their own"
    if column not in ("definition", "threads"):
        assert summary_of([rows[0], {**rows[1], column: ""}]).iloc[0]["rounds"] == 2


def test_the_cell_that_is_refused_is_named_with_its_size(make_row):
    rows = [make_row(size="512x768", batch_size=4, round=1) for _ in range(2)]
    with pytest.raises(
        ReportError, match="cell A100, 2.0, sd-txt2img@512x768, batch size 4, eager: round 1 appears twice"
    ):
        summary_of(rows)


def test_a_thousand_images_cost_their_seconds_at_the_price_of_an_hour(make_row):
    rows = [
        make_row(images_per_second=0.25),
        make_row(gpu="T4"),
        make_row(variant="compile", status="oom", phase="load"),
    ]
    summary = summarize(to_frame(rows), cells_of(rows), BASELINE, Evidence(prices_usd={"A100": 1.8}))
    prices = summary["price_per_1000_images_usd"].tolist()
    assert prices == pytest.approx([1.8 * 4000 / 3600, np.nan, np.nan], nan_ok=True)


def test_badges_stand_beside_their_own_cell_and_stage(make_row):
    rows = [
        make_row(variant=variant, pipeline="if", stage=stage) for variant in ("eager", "compile") for stage in (1, 2)
    ]
    fidelity = to_frame(rows).assign(
        baseline_round=1, psnr_db=[np.inf, np.inf, 35.0, 45.0], ssim=1.0, latents_difference=[0, 0, 0.5, 0.25],
        latents_scale=3.0, identical=[True, True, False, False], note="",
    )[FIDELITY_COLUMNS]  # fmt: skip
    summary = summarize(to_frame(rows), cells_of(rows), BASELINE, Evidence(fidelity=fidelity))
    assert summary["fidelity"].tolist() == ["", "", "close", "equivalent"]
    assert summary["psnr_db"].tolist()[2:] == [35, 45]
    assert summary["latents_difference"].tolist()[2:] == [0.5, 0.25]
    without = summarize(to_frame(rows), cells_of(rows), BASELINE)
    assert set(without["fidelity"]) == {""} and without["psnr_db"].isna().all()


def test_a_summary_reads_back_as_it_was_written(make_row, tmp_path):
    rows = [make_row(torch="2.10", round=number, size="512x768") for number in (1, 2)]
    rows += [make_row(torch="2.10", variant="compile", status="oom", phase="load", size="512x768")]
    summary = summary_of(rows)
    summary.to_csv(tmp_path / "summary.csv", index=False)
    found = read_summary(tmp_path / "summary.csv")
    assert list(found.columns) == SUMMARY_COLUMNS
    pd.testing.assert_frame_equal(found, summary, check_dtype=False)
    assert set(found["torch"]) == {"2.10"} and set(found["pipeline"]) == {"sd-txt2img@512x768"}
    assert all(pd.api.types.is_numeric_dtype(found[column]) for column in SUMMARY_NUMBERS)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda text: "", "empty or cut off in its last line"),
        (lambda text: text[:-1], "empty or cut off in its last line"),
        (lambda text: text[:-1].rpartition(",")[0] + "\n", "of the header"),
        (lambda text: text.replace("gpu,", "card,", 1), "not a CSV of a summary: expected the columns gpu, torch, "),
        (lambda text: "a,b\n1,2\n", "not a CSV of a summary: expected the columns gpu, torch, "),
        (lambda text: text.replace(",20.0,", ",fast,", 1), "found 'fast', expected a number or inf"),
        (
            lambda text: text.replace("sd-txt2img,1,", "sd-txt2img,,", 1),
            "batch_size: found '', expected a whole number",
        ),
    ],
)
def test_a_damaged_summary_is_told_in_one_line(tmp_path, make_row, damage, message):
    path = tmp_path / "summary.csv"
    measurements = to_frame([make_row()])
    summarize(measurements, cells_of([make_row()]), BASELINE).to_csv(path, index=False)
    assert len(read_summary(path)) == 1
    path.write_text(damage(path.read_text(encoding="utf-8")), encoding="utf-8")
    with pytest.raises(ReportError) as error:
        read_summary(path)
    assert str(error.value).startswith(f"{path}:") and message in str(error.value)
    assert str(error.value).endswith("; delete it to have it made again") and "\n" not in str(error.value)
