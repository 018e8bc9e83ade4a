"""When compiling has paid for itself, and that its interval covers the truth."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.stats import qmc

from diffbench.statistics import breakeven
from diffbench.statistics.breakeven import DRAWS, MEANS, breakeven_images, breakeven_interval, draw_latencies, draw_mean


def test_break_even_is_where_the_two_lines_cross():
    # 50 s behind, 0.5 s gained an image
    assert breakeven_images(52, 2, 1.0, 1.5, 1) == 100
    assert breakeven_images(52.1, 2, 1.0, 1.5, 1) == 101, "the first image that is ahead"
    assert breakeven_images(52, 2, 1.0, 1.5, 16) == 112, "whole calls"


@pytest.mark.parametrize("calls", range(1, 400, 7))
@pytest.mark.parametrize("batch_size", [1, 3])
def test_a_start_up_of_whole_calls_is_paid_for_by_as_many(calls, batch_size):
    """0.1 s gained an image has no exact number: no rounding error may add a call."""
    images = calls * batch_size
    assert breakeven_images(2 + images * 0.1, 2, 0.9, 1.0, batch_size) == images
    assert breakeven_images(2 + images * 0.1 + 1e-6, 2, 0.9, 1.0, batch_size) == images + batch_size


def test_never_at_once_and_unknown():
    assert breakeven_images(52, 2, 1.5, 1.0, 1) == np.inf
    assert breakeven_images(52, 2, 1.0, 1.0, 1) == np.inf
    assert breakeven_images(1, 2, 1.0, 1.5, 1) == 0
    assert breakeven_images(1, 2, 2.0, 1.0, 1) == np.inf, "ahead at first, behind for ever after"
    assert breakeven_images(1, 2, 1.0, 1.0, 1) == breakeven_images(2, 2, 1.0, 1.0, 1) == 0, "never behind"
    assert breakeven_images(2.4, 2, 1.0, 1.5, 1) == 1, "ahead after one"


@pytest.mark.parametrize("unknown", range(4))
@pytest.mark.parametrize("times_s", [(52, 2, 1.0, 1.5), (52, 2, 1.5, 1.0), (1, 2, 1.0, 1.5)])
def test_a_break_even_of_a_time_that_is_unknown_is_unknown(times_s, unknown):
    times_s = [np.nan if place == unknown else value for place, value in enumerate(times_s)]
    assert np.isnan(breakeven_images(*times_s, 1))


def rounds(*latencies_s):
    return dict(enumerate(latencies_s, start=1))


def test_one_round_makes_no_interval():
    assert np.isnan(breakeven_interval([50.0], [2.0], rounds(1.0), rounds(1.5), 1)).all()


def test_the_interval_holds_never_where_the_speedup_may_be_none():
    low, high = breakeven_interval([50.0], [2.0], rounds(1.0, 1.4), rounds(1.5, 1.45), 1)
    assert low < np.inf
    assert high == np.inf


def test_the_same_rounds_give_the_same_interval():
    measured = [50.0, 51.0], [2.0, 2.1], rounds(1.0, 1.02, 0.99), rounds(1.5, 1.52, 1.49)
    assert breakeven_interval(*measured, 1) == breakeven_interval(*measured, 1)


def test_the_ends_hardly_depend_on_the_draws(monkeypatch):
    """SDXL of the committed CPU rows: 2.3% of what is drawn is never, just less than the tail of the interval."""
    startups_s, base_startups_s = [38.6182], [0.004319, 0.0, 0.087448]
    latencies = rounds(0.048127, 0.051088, 0.042695), rounds(0.0592, 0.081772, 0.066454)
    ends = []
    for seed in range(5):
        points = qmc.Sobol(MEANS, scramble=True, rng=seed).random(DRAWS)
        monkeypatch.setattr(
            breakeven, "drawn_t", lambda place, degrees, points=points: stats.t.ppf(points[:, place], degrees)
        )
        ends.append(breakeven_interval(startups_s, base_startups_s, *latencies, 1))
    lows, highs = zip(*ends)
    assert max(lows) < 1.05 * min(lows), lows
    assert max(highs) < 1.2 * min(highs) < np.inf, highs


@pytest.mark.parametrize("values", [[2.0, 2.2], [-0.5, 0.1, 0.7], [3.0, 3.1, 2.8, 3.3, 2.9]])
def test_what_is_drawn_of_a_mean_is_students_interval(values):
    expected = stats.ttest_1samp(values, 0).confidence_interval(0.5)
    assert np.quantile(draw_mean(0, values), [0.25, 0.75]) == pytest.approx([expected.low, expected.high], abs=0.02)
    assert set(draw_mean(0, values[:1])) == {values[0]}


def test_a_startup_of_nothing_widens_no_interval():
    """One of the baseline's start-ups is 0 s: on logarithms this gave `at once to 47`."""
    base_startups_s = [0.00, 0.03, 0.05]
    latencies_s = rounds(1.0, 1.001, 0.999), rounds(2.0, 2.001, 1.999)
    assert breakeven_images(46, np.median(base_startups_s), 1.0, 2.0, 1) == 46
    assert breakeven_interval([46.0, 46.01, 45.99], base_startups_s, *latencies_s, 1) == (46, 47)


def test_calls_of_several_images_share_their_time():
    """Calls of 4 images that spread nowhere: 50 s behind and 0.5 s gained a call are 100 calls."""
    assert breakeven_interval([52.0], [2.0], rounds(1.0, 1.0), rounds(1.5, 1.5), 4) == (400, 400)


@pytest.mark.parametrize("missing", [0, 1])
def test_a_startup_that_is_unknown_makes_no_interval(missing):
    startups_s = [[52.0], [2.0]]
    startups_s[missing] = []
    assert np.isnan(breakeven_interval(*startups_s, rounds(1.0, 1.0), rounds(1.5, 1.5), 1)).all()


def test_both_startups_vary_each_for_itself():
    """Rounds that spread alike: drawn with the same numbers their difference would not vary."""
    low, high = breakeven_interval([50.0, 51.0, 52.0], [1.0, 2.0, 3.0], rounds(1.0, 1.0), rounds(1.5, 1.5), 1)
    assert low < 94 and high > 104, "98 of medians"


def test_latencies_are_drawn_in_pairs_where_there_are_two():
    own, base = draw_latencies(rounds(1.0, 1.2), rounds(1.5, 1.8))
    assert np.isclose(own / base, 1 / 1.5).mean() > 0.99, (
        "what drifts is not in the ratio, but for a few beyond LARGEST"
    )
    assert np.ptp(np.log(own)) > 1, "but in the middle"
    own, base = draw_latencies({1: 1.0, 2: 1.2}, {2: 1.5, 3: 1.8})
    assert abs(np.corrcoef(np.argsort(np.argsort([own, base])))[0, 1]) < 0.1, "one round in common is no pair of pairs"


def test_a_startup_may_be_negative():
    latencies_s = rounds(1.0, 1.001, 0.999), rounds(2.0, 2.001, 1.999)
    assert breakeven_images(-0.1, 0.0, 1.0, 2.0, 1) == 0
    low, high = breakeven_interval([2.5, 2.49, 2.51], [-0.1, -0.2, -0.15], *latencies_s, 1)
    assert low <= 3 <= high <= 4


def test_a_drift_that_both_cells_share_leaves_the_ratio_alone():
    """10% of drift and a speed-up of 5% in every round: without pairs the interval reaches from at once to never."""
    drifts = np.array([1, 0.95, 1.05, 0.9])
    low, high = breakeven_interval([10.0], [0.0], rounds(*(1 / 1.05 * drifts)), rounds(*drifts), 1)
    assert 150 < low < 210 < high < 300
    apart = dict(enumerate(drifts, start=9))
    assert breakeven_interval([10.0], [0.0], rounds(*(1 / 1.05 * drifts)), apart, 1)[1] == np.inf, "no round in common"


seconds = st.floats(-2, 100)
cells = st.integers(2, 4).flatmap(
    lambda count: st.tuples(*(st.lists(st.floats(0.01, 10), min_size=count, max_size=count) for _ in range(2)))
)
LATER_S = 0.001


@settings(deadline=None)
@given(
    startups_s=st.lists(seconds, min_size=1, max_size=4),
    base_startups_s=st.lists(seconds, min_size=1, max_size=4),
    latencies_s=cells,
    batch_size=st.integers(1, 16),
)
def test_a_later_start_of_all_moves_no_end_and_of_one_no_more_than_it_costs(
    startups_s, base_startups_s, latencies_s, batch_size
):
    """1 ms more in every start-up moves no end by more than one call. In the variant's alone it moves no end downwards, and
    upwards by one call and the calls in which 1 ms is gained, at the gain that was drawn."""
    measured = [rounds(*each) for each in latencies_s]
    ends = breakeven_interval(startups_s, base_startups_s, *measured, batch_size)
    later_s, base_later_s = ([each + LATER_S for each in side] for side in (startups_s, base_startups_s))
    for end, moved in zip(ends, breakeven_interval(later_s, base_later_s, *measured, batch_size)):
        assert end == moved or abs(end - moved) <= batch_size

    own_s, base_s = draw_latencies(*measured)
    with np.errstate(divide="ignore"):
        cost = np.where(base_s > own_s, batch_size * (1 + LATER_S / abs(base_s - own_s)), 0).max()
    for end, moved in zip(ends, breakeven_interval(later_s, base_startups_s, *measured, batch_size)):
        assert moved >= end
        assert moved == end or moved <= end + cost * (1 + 1e-9) + batch_size or moved == np.inf


@pytest.mark.parametrize("drift", [0, 0.05])
@pytest.mark.parametrize("count", [2, 3, 5])
def test_the_interval_covers_the_break_even(count, drift):
    generator = np.random.default_rng(5)

    def noisy(value, of_round=1):
        return value * np.exp(generator.normal(0, 0.02, count)) * of_round

    covered, missed = [], {"below": 0, "above": 0}
    for _ in range(400):
        drifts = np.exp(generator.normal(0, drift, count))
        calls = rounds(*noisy(1.0, drifts)), rounds(*noisy(1.5, drifts))
        low, high = breakeven_interval(noisy(50), noisy(2), *calls, 1)
        covered.append(low <= 96 <= high)
        missed["below"] += high < 96
        missed["above"] += low > 96
    assert np.mean(covered) >= 0.93
    if count == 5:
        assert np.mean(covered) <= 0.99 and all(missed.values()), "no wider than need be, and missed on both sides"
