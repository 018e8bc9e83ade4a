"""Speed-ups from pairs of rounds: what drifts in common cancels, and cells with two pairs share what they say of the spread."""

import numpy as np
import pytest

from diffbench.statistics.intervals import half_width, rate_interval, share_variances, verdicts, welch_interval
from diffbench.vocabulary.thresholds import SHARED_CELLS
from simulated_rounds import ERROR, moments, rounds_of
from summaries import rounds_with, summary_of

NOISE = 0.02  # standard deviation of a round's logarithm


def cells_of(generator, distribution, rounds, drift, noisier=1):
    """Logarithms of a cell's and its baseline's rounds, which share a drift of `drift` times the noise."""
    common = rounds_of(generator, distribution, rounds, drift * NOISE)
    own, base = (rounds_of(generator, distribution, rounds, each * NOISE) for each in (noisier, 1))
    return own + common, base + common


@pytest.mark.parametrize("distribution", ["normal", "heavy tails", "skewed"])
@pytest.mark.parametrize("drift", [0, 3])
@pytest.mark.parametrize("rounds", [2, 3, 5, 10])
def test_pairs_cover_the_speedup_whatever_drifts_in_common(rounds, drift, distribution):
    own, base = cells_of(np.random.default_rng(1), distribution, rounds, drift)
    low, high = rate_interval(*moments(own - base))
    covered = np.mean((low <= 1) & (high >= 1))
    assert 0.93 <= covered <= 0.965, f"{covered:.3f}"
    assert np.mean(np.isin(verdicts(low, high), ["faster", "slower"])) <= 0.05 + ERROR, "A against A"
    if distribution == "normal":
        assert covered == pytest.approx(0.95, abs=ERROR), "exact"


@pytest.mark.parametrize("distribution", ["normal", "heavy tails", "skewed"])
@pytest.mark.parametrize("rounds", [2, 3, 5, 10])
def test_pairs_cover_also_if_one_cell_is_noisier(rounds, distribution):
    own, base = cells_of(np.random.default_rng(3), distribution, rounds, 1, noisier=4)
    low, high = rate_interval(*moments(own - base))
    assert 0.93 <= np.mean((low <= 1) & (high >= 1)) <= 0.965


def width_of(interval):
    return np.median(np.log(interval[1] / interval[0]))


def test_why_pairs_and_not_welch():
    """Where the drift is three times the noise, Welch's intervals are more than twice as wide; where nothing drifts, pairs cost
    a quarter with three rounds and a tenth with five."""
    generator = np.random.default_rng(4)
    for rounds, drift, least, most in [(3, 3, 2, 3), (5, 3, 2, 3), (3, 0, 0.75, 0.9), (5, 0, 0.85, 0.95)]:
        own, base = cells_of(generator, "normal", rounds, drift)
        welch, paired = welch_interval(*moments(own), *moments(base)), rate_interval(*moments(own - base))
        assert least < width_of(welch) / width_of(paired) < most, (rounds, drift)


def spread_cells(generator, cells, unlike, distribution, repetitions=400):
    """(log ratios, deviations): two pairs of rounds per cell, shape (repetitions, cells, 2); the deviations of the cells are
    log-normal, with `unlike` as standard deviation of the logarithm."""
    deviations = NOISE * np.exp(generator.normal(0, unlike, (repetitions, cells, 1)))
    shape = repetitions * cells // 20_000 + 1
    drawn = [
        np.concatenate([rounds_of(generator, distribution, 2, 1) for _ in range(shape)])[: repetitions * cells]
        for _ in range(2)
    ]
    return (drawn[0] - drawn[1]).reshape(repetitions, cells, 2) * deviations, np.sqrt(2) * deviations[..., 0]


@pytest.mark.parametrize("distribution", ["normal", "heavy tails", "skewed"])
@pytest.mark.parametrize("unlike", [0, 0.5, 1])
@pytest.mark.parametrize("cells", [SHARED_CELLS, 24])
def test_cells_with_two_pairs_share_their_variances(cells, unlike, distribution):
    """95% of all cells are covered, and 89% of the noisiest fifth; intervals are half as wide as Student's unless the cells
    spread very differently. Smyth's (2004) own rule would cover 78% to 88% of the noisiest."""
    values, true = spread_cells(np.random.default_rng(5), cells, unlike, distribution)
    mean, own = values.mean(axis=2), values.std(axis=2, ddof=1)
    groups = np.repeat(np.arange(len(values)), cells)
    deviation, degrees = share_variances(own.ravel(), np.full(own.size, 2), groups)
    half = half_width(deviation, 2, degrees).reshape(own.shape)
    covered = abs(mean) <= half
    assert covered.mean() >= 0.95, f"{covered.mean():.3f}"
    noisiest = true >= np.quantile(true, 0.8, axis=1, keepdims=True)
    assert covered[noisiest].mean() >= 0.89, f"{covered[noisiest].mean():.3f}"
    narrower = np.median(half) / np.median(half_width(own, 2))
    assert narrower < (0.5 if unlike < 1 else 0.9), f"{narrower:.2f}"


def test_few_cells_and_other_numbers_of_rounds_share_nothing():
    own = np.linspace(0.01, 0.03, SHARED_CELLS)
    pairs = np.full(SHARED_CELLS, 2)
    shared, degrees = share_variances(own, pairs, ["A100"] * SHARED_CELLS)
    assert (shared >= own).all() and (shared > own)[:4].all() and (degrees == 3).all()
    for changed in (["A100"] * (SHARED_CELLS - 1) + ["H100"], ["A100"] * 4 + ["H100"] * 4):
        alone, degrees = share_variances(own, pairs, changed)
        assert list(alone) == pytest.approx(list(own)) and (degrees == 1).all(), "cells of other GPUs"
    mixed, degrees = share_variances(own, [3, *pairs[1:]], ["A100"] * SHARED_CELLS)
    assert list(mixed) == pytest.approx(list(own)), "seven with two pairs"
    assert list(degrees) == [2, *[1] * (SHARED_CELLS - 1)]
    assert np.isnan(share_variances([np.nan], [0], ["A100"])[0]).all()


# ---- the same through the summary ----


DRIFTS = [1.0, 0.95, 1.04]


def drifting(make_row, speedup=1.05, noise=(0, 0.001, -0.001), **keys):
    base = rounds_with(make_row, "eager", [20 * drift for drift in DRIFTS])
    rates = [20 * drift * speedup * (1 + each) for drift, each in zip(DRIFTS, noise)]
    return base + [{**row, **keys} for row in rounds_with(make_row, "compile", rates)]


def test_a_drift_that_both_cells_share_hides_no_speedup(make_row):
    row = summary_of(drifting(make_row)).iloc[1]
    assert (row["verdict"], row["compared_by"]) == ("faster", "paired")
    assert 1.045 < row["speedup_low"] < 1.05 < row["speedup_high"] < 1.055


def test_pairs_are_found_by_the_number_of_the_round(make_row):
    rows = drifting(make_row)
    assert summary_of(rows[::-1]).iloc[0]["speedup_low"] == pytest.approx(summary_of(rows).iloc[1]["speedup_low"])
    apart = [{**row, "round": str(int(row["round"]) + 3 * (row["variant"] == "compile"))} for row in rows]
    row = summary_of(apart).iloc[1]
    assert (row["verdict"], row["compared_by"]) == ("unclear", "welch"), "no round in common"
    assert row["speedup_low"] < 0.96


def test_a_round_that_failed_is_no_pair(make_row):
    rows = drifting(make_row)
    rows[4] = make_row(variant="compile", round=2, status="crashed")
    row = summary_of(rows).iloc[1]
    assert (row["rounds"], row["compared_by"]) == (2, "paired")
    rows[0] = make_row(round=1, status="crashed")
    row = summary_of(rows).iloc[1]
    assert row["compared_by"] == "welch", "one pair is left, and two rounds of either cell"


def test_rounds_on_different_devices_are_no_pairs(make_row):
    rows = drifting(make_row)
    ids = {"eager": ["00000000"] * 3, "compile": ["00000000", "11111111", "22222222"]}
    named = [{**row, "device_id": ids[row["variant"]][int(row["round"]) - 1]} for row in rows]
    assert summary_of(named).iloc[1]["compared_by"] == "welch"
    one = [{**row, "device_id": "00000000"} for row in rows]
    assert summary_of(one).iloc[1]["compared_by"] == "paired"
    unknown = [{**row, "device_id": "" if row["variant"] == "eager" else "00000000"} for row in rows]
    assert summary_of(unknown).iloc[1]["compared_by"] == "paired", "older rows do not name theirs"


def test_the_baseline_and_one_round_are_compared_by_nothing(make_row):
    summary = summary_of(drifting(make_row))
    assert summary.iloc[0][["compared_by", "verdict"]].tolist() == ["", ""]
    one = summary_of([row for row in drifting(make_row) if row["round"] == "1"])
    assert set(one["compared_by"]) == {""} and one["speedup_low"].isna().all()


def test_a_baseline_of_another_torch_build_is_paired_too(make_row):
    rows = [
        {**row, "variant": "eager", "torch": "2.0" if row["variant"] == "eager" else "2.1"}
        for row in drifting(make_row)
    ]
    row = summary_of(rows, baseline={"torch": "2.0", "variant": "eager"}).iloc[1]
    assert (row["verdict"], row["compared_by"]) == ("faster", "paired")


def test_the_advice_follows_the_pairs(make_row):
    """Pairs that differ by 1%: fifty rounds and more would be needed if they were not paired."""
    row = summary_of(drifting(make_row, speedup=1.01, noise=(0, 0.01, -0.01))).iloc[1]
    assert row["verdict"] == "unclear"
    assert 4 <= row["rounds_needed"] <= 10


def test_two_rounds_of_many_cells_say_more_than_two_rounds_of_one(make_row):
    names = [f"pipeline-{number}" for number in range(SHARED_CELLS)]
    rows = []
    for number, name in enumerate(names):
        noise = 0.004 + 0.001 * number
        rows += rounds_with(make_row, "eager", [20.0, 20.0], pipeline=name)
        rows += rounds_with(make_row, "compile", [22.0 * (1 - noise), 22.0 * (1 + noise)], pipeline=name)
    many = summary_of(rows)
    alone = summary_of(rows[:4])
    assert alone.iloc[1]["verdict"] == "unclear" or alone.iloc[1]["speedup_low"] < many.iloc[1]["speedup_low"]
    assert set(many.loc[many["variant"] == "compile", "verdict"]) == {"faster"}


# ---- the unit: the same work ----


def with_steps(make_row, variant, steps, seconds):
    """Rounds of a variant that runs `steps` iterations in a call of so many seconds each."""
    return [
        make_row(
            variant=variant, round=number, iterations=steps, iterations_per_second=steps / each, latency_s=each,
            images_per_second=1 / each,
        )
        for number, each in enumerate(seconds, start=1)
    ]  # fmt: skip


def test_a_speedup_is_per_image_where_steps_differ(make_row):
    rows = with_steps(make_row, "eager", 50, [2.5, 2.51, 2.49]) + with_steps(make_row, "dpm-20", 20, [1.0, 1.01, 0.99])
    rows += with_steps(make_row, "compile", 50, [1.25, 1.26, 1.24])
    summary = summary_of(rows).set_index("variant")
    dpm = summary.loc["dpm-20"]
    assert (dpm["speedup"], dpm["speedup_unit"], dpm["verdict"]) == (pytest.approx(2.5), "images/s", "faster")
    assert dpm["iterations_per_second"] == summary.loc["eager", "iterations_per_second"], "1.00x by iterations"
    assert 2.4 < dpm["speedup_low"] < 2.5 < dpm["speedup_high"] < 2.6
    assert summary.loc["compile", "speedup_unit"] == summary.loc["eager", "speedup_unit"] == "it/s"
    assert summary.loc["dpm-20", "iterations"] == 20


def test_a_failed_cell_has_no_unit_and_an_unknown_step_count_is_no_difference(make_row):
    rows = with_steps(make_row, "eager", 50, [2.5]) + [make_row(variant="lcm-4", status="oom", phase="load")]
    assert summary_of(rows)["speedup_unit"].tolist() == ["it/s", ""]
    unknown = [{**row, "iterations": ""} for row in with_steps(make_row, "dpm-20", 20, [1.0])]
    assert summary_of(rows[:1] + unknown)["speedup_unit"].tolist() == ["it/s", "it/s"]


@pytest.mark.parametrize(
    ("rates", "base_rates", "speedup"),
    [
        ((21, 19.95), (20, 19, 19.1), 1.05),
        ((22, 11.02), (20, 10, 10), (22 + 11.02) / (20 + 10)),
        ((22, 11, 33), (20, 10), 1.1),
        ((22, 11, 33), (20, 10, 30), 1.1),
    ],
)
def test_a_round_without_its_partner_changes_no_speedup(make_row, rates, base_rates, speedup):
    """A round that failed leaves the other cell's round, whose drift is no difference between the two."""
    rows = [make_row(round=n, iterations_per_second=rate) for n, rate in enumerate(base_rates, start=1)]
    rows += [make_row(round=n, iterations_per_second=rate, variant="compile") for n, rate in enumerate(rates, start=1)]
    row = summary_of(rows).set_index("variant").loc["compile"]
    assert row["speedup"] == pytest.approx(speedup)
    assert row["speedup_low"] <= row["speedup"] <= row["speedup_high"]
    assert row["compared_by"] == "paired"


def test_a_breakeven_is_of_the_rounds_that_both_cells_have(make_row):
    """The baseline's third round was slow, and the variant's failed: 40 s of start-up for 1 s per image still take 40 images."""
    rows = [make_row(round=n, latency_s=seconds, startup_s=0) for n, seconds in enumerate((3, 3, 30), start=1)]
    compiled = {"variant": "compile", "latency_s": 2, "startup_s": 40}
    rows += [make_row(round=n, cache="cold" if n == 1 else "warm", **compiled) for n in (1, 2)]
    assert summary_of(rows).set_index("variant").loc["compile", "breakeven_cold_images"] == 40
