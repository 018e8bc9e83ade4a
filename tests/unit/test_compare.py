"""Speed-ups with their intervals to the last digit: which test of scipy they are, over which rounds, in which unit."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from diffbench.data.measurements import to_frame
from diffbench.statistics.intervals import half_width, rounds_needed, share_variances, verdicts, welch_interval
from diffbench.statistics.speedup import compare, is_baseline, round_rates
from diffbench.vocabulary.columns import KEY
from diffbench.vocabulary.thresholds import MOST_ROUNDS, SHARED_CELLS
from diffbench.vocabulary.units import RATES

BASELINE = {"variant": "eager"}
EAGER = [20.0, 19.0, 20.8]
COMPILE = [22.1, 20.3, 22.7]


def rows_of(make_row, variant, rates, first=1, **keys):
    """A row a round, numbered from `first`; images per second are a fiftieth of the rate unless a key says otherwise."""
    return [
        make_row(variant=variant, round=number, iterations_per_second=rate, **{"images_per_second": rate / 50, **keys})
        for number, rate in enumerate(rates, start=first)
    ]


def compared(rows, baseline=BASELINE, unit=None):
    """What compare finds of the rows' medians: a DataFrame by variant."""
    measurements = to_frame(rows)
    summary = measurements.groupby(KEY, sort=False)[["iterations", *RATES.values()]].median().reset_index()
    found = pd.DataFrame(compare(summary, baseline, round_rates(measurements), unit))
    return found.set_index(summary["variant"])


def ends_of(row):
    return [row["speedup_low"], row["speedup_high"]]


def paired_ends(own, base):
    found = stats.ttest_rel(np.log(own), np.log(base)).confidence_interval(0.95)
    return np.exp([found.low, found.high])


def welch_ends(own, base):
    found = stats.ttest_ind(np.log(own), np.log(base), equal_var=False).confidence_interval(0.95)
    return np.exp([found.low, found.high])


@pytest.mark.parametrize("rounds", [2, 3])
def test_rounds_in_common_are_a_paired_t_test_on_logarithms(make_row, rounds):
    row = compared(rows_of(make_row, "eager", EAGER[:rounds]) + rows_of(make_row, "compile", COMPILE[:rounds]))
    assert ends_of(row.loc["compile"]) == pytest.approx(paired_ends(COMPILE[:rounds], EAGER[:rounds]))
    assert row.loc["compile", "speedup"] == pytest.approx(np.median(COMPILE[:rounds]) / np.median(EAGER[:rounds]))
    assert row.loc["compile", "compared_by"] == "paired"


@pytest.mark.parametrize("first", [3, 4])
def test_less_than_two_rounds_in_common_are_welchs_t_test_on_logarithms(make_row, first):
    row = compared(rows_of(make_row, "eager", EAGER) + rows_of(make_row, "compile", COMPILE, first)).loc["compile"]
    assert ends_of(row) == pytest.approx(welch_ends(COMPILE, EAGER))
    assert row["compared_by"] == "welch"


def test_rounds_that_only_one_cell_has_count_neither_for_the_speedup_nor_for_its_interval(make_row):
    row = compared(rows_of(make_row, "eager", EAGER) + rows_of(make_row, "compile", [*COMPILE, 44.0])).loc["compile"]
    assert row["speedup"] == pytest.approx(np.median(COMPILE) / np.median(EAGER))
    assert ends_of(row) == pytest.approx(paired_ends(COMPILE, EAGER))


def test_images_have_intervals_of_images(make_row):
    """20 steps instead of 50: the same iterations per second, whose rounds say nothing of whole calls."""
    seconds = {"eager": [2.5, 2.6, 2.4], "dpm-20": [1.0, 1.05, 1.01]}
    rows = [
        make_row(variant=name, round=number, iterations=steps, iterations_per_second=20, images_per_second=1 / each)
        for name, steps in (("eager", 50), ("dpm-20", 20))
        for number, each in enumerate(seconds[name], start=1)
    ]
    row = compared(rows).loc["dpm-20"]
    assert ends_of(row) == pytest.approx(paired_ends(seconds["eager"], seconds["dpm-20"]))
    asked = compared(rows, unit="it/s").loc["dpm-20"]
    assert (asked["speedup"], asked["speedup_unit"]) == (1, "it/s")


@pytest.mark.parametrize(
    ("own", "base", "unit"), [("", "", "it/s"), (4, "", "it/s"), ("", 50, "it/s"), (4, 50, "images/s")]
)
def test_a_speedup_is_per_image_only_where_step_counts_are_known_to_differ(make_row, own, base, unit):
    rows = [make_row(iterations=base), make_row(variant="lcm-4", iterations=own)]
    assert compared(rows).loc["lcm-4", "speedup_unit"] == unit


def test_the_interval_contains_the_speedup_that_is_printed(make_row):
    """Five rounds alike and four 30% faster (or slower): the mean's interval leaves out the ratio of medians, which is 1."""
    for change in (1.3, 1 / 1.3):
        rates = [20.0] * 5 + [20.0 * change] * 4
        row = compared(rows_of(make_row, "eager", [20.0] * 9) + rows_of(make_row, "compile", rates)).loc["compile"]
        low, high = paired_ends(rates, [20.0] * 9)
        assert not low <= row["speedup"] <= high, "or this test shows nothing"
        assert ends_of(row) == pytest.approx([min(low, 1), max(high, 1)])
        assert row["verdict"] == "unclear"


def test_the_advice_is_from_the_pairs_that_there_are(make_row):
    own = [20.2, 19.5, 20.4]
    row = compared(rows_of(make_row, "eager", EAGER) + rows_of(make_row, "compile", own)).loc["compile"]
    spread = np.log(np.divide(own, EAGER)).std(ddof=1)
    assert row["verdict"] == "unclear"
    assert row["rounds_needed"] == rounds_needed(row["speedup"], spread, 3, paired=True)


def test_the_advice_without_pairs_is_from_both_cells_spreads_and_beyond_the_fewer_rounds(make_row):
    own = [20.2, 19.5]
    row = compared(rows_of(make_row, "eager", EAGER) + rows_of(make_row, "compile", own, first=4)).loc["compile"]
    spread = np.hypot(np.log(own).std(ddof=1), np.log(EAGER).std(ddof=1))
    assert row["rounds_needed"] == rounds_needed(row["speedup"], spread, 2, paired=False)


def test_a_clear_speedup_needs_no_advice_and_the_baseline_has_neither_interval_nor_verdict(make_row):
    rows = rows_of(make_row, "eager", EAGER) + rows_of(make_row, "compile", [40.0, 38.1, 41.5])
    found = compared(rows)
    assert np.isnan(found["rounds_needed"]).all()
    assert found.loc["eager", ["speedup", "verdict", "compared_by"]].tolist() == [1, "", ""]
    assert np.isnan(ends_of(found.loc["eager"])).all()


@pytest.mark.parametrize(
    ("factors", "verdict"),
    [
        ((1.10, 1.11, 1.09), "faster"),
        ((0.90, 0.91, 0.89), "slower"),
        ((1.001, 1.000, 1.002), "same"),
        ((1.10, 1.01, 0.95), "unclear"),
    ],
)
@pytest.mark.parametrize(("first", "how"), [(1, "paired"), (4, "welch")])
def test_each_verdict_is_given_to_the_interval_that_has_it(make_row, factors, verdict, first, how):
    rows = rows_of(make_row, "eager", [20.0] * 3) + rows_of(make_row, "compile", [20 * each for each in factors], first)
    assert compared(rows).loc["compile", ["verdict", "compared_by"]].tolist() == [verdict, how]


def test_a_cell_without_a_baseline_or_a_rate_has_no_speedup(make_row):
    rows = rows_of(make_row, "compile", COMPILE) + rows_of(make_row, "eager", EAGER, batch_size=4)
    rows += [make_row(variant="fused", batch_size=4, status="oom", phase="load")]
    found = compared(rows)
    for variant in ("compile", "fused"):
        row = found.loc[variant]
        assert np.isnan([row["speedup"], *ends_of(row), row["rounds_needed"]]).all()
        assert row[["speedup_unit", "verdict", "compared_by"]].tolist() == ["", "", ""]


def test_a_baseline_is_what_has_all_of_its_names():
    frame = pd.DataFrame({"torch": ["2.0", "2.0", "2.1", "2.1"], "variant": ["eager", "compile"] * 2})
    assert is_baseline(frame, {"torch": "2.0", "variant": "eager"}).tolist() == [True, False, False, False]
    assert is_baseline(frame, {"variant": "eager"}).tolist() == [True, False, True, False]


def test_a_rate_of_nothing_has_no_logarithm(make_row):
    rounds = round_rates(to_frame(rows_of(make_row, "eager", [20.0, 0.0])))
    assert rounds["it/s"].tolist() == [pytest.approx(np.log(20)), pytest.approx(np.nan, nan_ok=True)]
    assert round_rates().empty and list(round_rates().columns) == list(rounds.columns)


@pytest.mark.parametrize("known", ["eager", "compile"])
def test_a_device_that_one_of_the_two_does_not_name_counts_as_the_same(make_row, known):
    rows = rows_of(make_row, "eager", EAGER) + rows_of(make_row, "compile", COMPILE)
    for row in rows:
        row["device_id"] = "00000000" if row["variant"] == known else ""
    assert compared(rows).loc["compile", "compared_by"] == "paired"


# ---- the parts, by hand ----


def test_two_pairs_share_two_degrees_of_freedom_of_the_groups_mean_variance():
    """Variances 1 to 8 with the mean 4.5: a cell counts once and the mean twice; a larger variance of its own is kept."""
    variances = np.arange(1.0, 9.0)
    assert len(variances) == SHARED_CELLS
    shared, degrees = share_variances(np.sqrt(variances), [2] * 8, ["A100"] * 8)
    assert shared**2 == pytest.approx([10 / 3, 11 / 3, 12 / 3, 13 / 3, 5, 6, 7, 8])
    assert degrees.tolist() == [3] * 8


def test_cells_that_share_nothing_change_nothing_for_those_that_do():
    """One without a second round, one with three, and one of another GPU stand between eight that share."""
    variances = np.array([1, np.nan, 2, 100, 3, 100, 4, 5, 6, 7, 8])
    pairs = [2, 1, 2, 3, 2, 2, 2, 2, 2, 2, 2]
    groups = ["A100"] * 5 + ["T4"] + ["A100"] * 5
    shared, degrees = share_variances(np.sqrt(variances), pairs, groups)
    expected = [10 / 3, np.nan, 11 / 3, 100, 12 / 3, 100, 13 / 3, 5, 6, 7, 8]
    assert shared**2 == pytest.approx(expected, nan_ok=True)
    assert degrees.tolist() == [3, 0, 3, 2, 3, 1, 3, 3, 3, 3, 3]


def test_a_mean_of_one_round_has_no_interval_whatever_degrees_are_shared():
    assert np.isnan(half_width(0.1, 1, degrees=3))
    assert np.isnan(half_width(0.1, 2, degrees=0))
    assert half_width(0.1, 2, degrees=3) == pytest.approx(stats.t.ppf(0.975, 3) * 0.1 / np.sqrt(2))


@pytest.mark.parametrize("rounds", [(1, 2), (2, 1)])
def test_welchs_interval_needs_two_rounds_of_both(rounds):
    assert np.isnan(welch_interval(0.1, 0.01, rounds[0], 0.0, 0.01, rounds[1])).all()


def test_rounds_without_any_spread_have_the_interval_of_their_ratio():
    assert welch_interval(np.log(1.5), 0.0, 2, 0.0, 0.0, 2) == pytest.approx([1.5, 1.5])


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (0.99, 1.01, "same"),
        (np.nextafter(0.99, 0), 1.01, "unclear"),
        (0.99, np.nextafter(1.01, 2), "unclear"),
        (1.0, 1.02, "unclear"),
        (np.nextafter(1, 2), 1.02, "faster"),
        (0.9, 1.0, "unclear"),
        (0.9, np.nextafter(1, 0), "slower"),
        (np.nan, np.nan, ""),
    ],
)
def test_verdicts_at_their_limits(low, high, verdict):
    assert verdicts(low, high) == verdict


def test_a_ratio_near_one_needs_the_rounds_that_show_it_is_the_same():
    """At 1.002 the interval must reach no further than 0.01 less its logarithm, which is wider than that logarithm."""
    needed = rounds_needed(1.002, 0.01)
    target = 0.01 - np.log(1.002)
    assert half_width(0.01, needed) <= target < half_width(0.01, needed - 1)
    assert rounds_needed(1 / 1.002, 0.01) == needed


def test_the_last_number_of_rounds_that_is_advised():
    """A deviation for which the most rounds are just enough, and a little more than it."""
    deviation = np.log(1.05) / half_width(1.0, MOST_ROUNDS)
    assert rounds_needed(1.05, deviation * (1 - 1e-9)) == MOST_ROUNDS
    assert rounds_needed(1.05, deviation * (1 + 1e-9)) == np.inf
