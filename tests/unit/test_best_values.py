"""Cells with all their stages as one: rates, badges, rounds and choices by hand, without a table around them."""

import numpy as np
import pandas as pd
import pytest

from diffbench.data.measurements import to_frame
from diffbench.tables.best_choice import Comparison, choose
from diffbench.tables.cell_results import rates_of, result_rounds, results_of
from summaries import summary_of

BASELINE = {"variant": "eager"}


def stages_of(*values, pipeline="if"):
    """A row a stage from pairs of images and iterations per second."""
    return [
        {"pipeline": pipeline, "stage": stage, "images_per_second": images, "iterations_per_second": rate}
        for stage, (images, rate) in enumerate(values, start=1)
    ]


@pytest.mark.parametrize(
    ("rows", "images", "rate"),
    [
        (stages_of((0.4, 20.0)), 0.4, 20.0),
        (stages_of((0.5, 20.0), (0.25, 10.0)), 1 / 6, 150 / (100 / 20 + 50 / 10)),  # IF: 100, 50 and 75 steps
        (stages_of((1.0, 20.0), (1.0, 10.0), (0.5, 25.0)), 0.25, 225 / (5 + 5 + 3)),
        (stages_of((0.5, 20.0), (np.nan, 10.0)), None, 15.0),  # as of a published page
        (stages_of((0.5, 20.0), (0.0, 10.0)), None, 15.0),
        (stages_of((0.5, 20.0), (0.5, 10.0), pipeline="unknown"), 0.25, None),
        (stages_of((0.5, 20.0), (0.5, 10.0), (1.0, 1.0), (1.0, 1.0)), 1 / 6, None),  # a stage that the catalogue lacks
    ],
)
def test_the_rates_of_all_stages_one_after_the_other(rows, images, rate):
    found = rates_of(rows)
    assert found == {"images/s": images and pytest.approx(images), "it/s": rate and pytest.approx(rate)}


def judged_rows(make_row, badges):
    """A summary of IF with two stages: `badges` maps a variant to the badges of both."""
    rows = [make_row(pipeline="if", variant=variant, stage=stage) for variant in badges for stage in (1, 2)]
    return summary_of(rows).assign(fidelity=[badge for pair in badges.values() for badge in pair])


@pytest.mark.parametrize(
    ("badges", "worst"),
    [
        (("identical", "identical"), "identical"),
        (("identical", "equivalent"), "equivalent"),
        (("close", "equivalent"), "close"),
        (("close", "different"), "different"),
        (("different", ""), ""),
    ],
)
def test_a_result_has_the_worst_badge_of_its_stages(make_row, badges, worst):
    (results,) = results_of(judged_rows(make_row, {"eager": ("", ""), "compile": badges}), BASELINE).values()
    assert {name: (result.badge, result.is_baseline) for name, result in results.items()} == {
        "eager": ("identical", True),
        "compile": (worst, False),
    }


def test_a_cell_with_a_stage_that_is_missing_or_failed_has_no_result(make_row):
    summary = judged_rows(make_row, dict.fromkeys(("eager", "compile", "fused"), ("", "")))
    summary.loc[(summary["variant"] == "fused") & (summary["stage"] == 1), "iterations_per_second"] = np.nan
    summary = summary[(summary["variant"] != "compile") | (summary["stage"] == 1)]
    assert {key: list(results) for key, results in results_of(summary, BASELINE).items()} == {
        ("A100", "2.0", "if", 1): ["eager"]
    }


def test_rounds_count_whose_stages_are_all_ok(make_row):
    rows = [
        make_row(pipeline="if", stage=stage, round=number, iterations_per_second=10 * number, images_per_second=number)
        for number in (1, 2, 3)
        for stage in (1, 2)
    ]
    rows[3] = make_row(pipeline="if", stage=2, round=2, status="oom", phase="load")
    (results,) = results_of(summary_of(rows), BASELINE).values()
    rounds = result_rounds(to_frame(rows), results.values())
    assert rounds[["round", "stage"]].values.tolist() == [[1, 1], [3, 1]]
    assert np.exp(rounds["images/s"]).tolist() == pytest.approx([0.5, 1.5])
    assert np.exp(rounds["it/s"]).tolist() == pytest.approx([10, 30])
    nothing = result_rounds(to_frame(rows)[:0], results.values())
    assert nothing.empty and isinstance(nothing, pd.DataFrame)


def choices_of(rows, baseline=BASELINE):
    """{cell: {level: Choice}} of rounds."""
    results = results_of(summary_of(rows, baseline=baseline), baseline)
    comparison = Comparison(results, to_frame(rows))
    return {key: choose(key, results, baseline, comparison) for key in results}


def rounds_at(make_row, images, **keys):
    """Three rounds with about so many images per second."""
    factors = enumerate((0.999, 1.0, 1.001), start=1)
    return [make_row(round=number, images_per_second=images and images * factor, **keys) for number, factor in factors]


def test_the_highest_number_is_the_best_and_an_equal_one_its_rival(make_row):
    numbers = {"eager": 1.0, "fused": 2.0, "compile": 3.0, "regional": 3.0, "compile-default": 2.5}
    rows = [row for variant, images in numbers.items() for row in rounds_at(make_row, images, variant=variant)]
    (choices,) = choices_of(rows).values()
    choice = choices["any image"]
    assert (choice.best.result.variant, choice.unit, choice.best.verdict) == ("compile", "images/s", "faster")
    assert (choice.best.rate, choice.best.speedup) == (pytest.approx(3), pytest.approx(3))
    assert [rival.variant for rival in choice.rivals] == ["regional"]
    assert choice.passed_over == [] and choices["identical image"].best.result.variant == "eager"


@pytest.mark.parametrize(("without", "unit"), [("2.0", "it/s"), ("2.1", "it/s"), (None, "images/s")])
def test_the_unit_is_one_that_the_cell_and_its_baseline_have(make_row, without, unit):
    rows = [
        row for torch in ("2.0", "2.1") for row in rounds_at(make_row, "" if torch == without else 2.0, torch=torch)
    ]
    found = choices_of(rows, {"torch": "2.0"})
    assert found["A100", "2.1", "sd-txt2img", 1]["any image"].unit == unit
