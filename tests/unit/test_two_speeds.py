"""Cells with two speeds: seen where they are clear, and seldom where there is one."""

import numpy as np
import pytest

from diffbench.statistics.two_speeds import has_two_speeds, slow_rounds, widest_split
from diffbench.vocabulary.thresholds import TWO_SPEEDS
from summaries import rounds_with, summary_of

REPETITIONS = 10_000
SPREAD = 0.01  # standard deviation of the rounds at one speed


def at_one_speed(generator, distribution, rounds):
    shape = (REPETITIONS, rounds)
    if distribution == "normal":
        return generator.normal(0, SPREAD, shape)
    if distribution == "heavy tails":
        return generator.standard_t(5, shape) * SPREAD
    return (4 - generator.gamma(4, 1, shape)) * SPREAD / 2  # skewed: a machine is slowed down, seldom sped up


@pytest.mark.parametrize("distribution", ["normal", "heavy tails", "skewed"])
@pytest.mark.parametrize("rounds", range(3, 16))
def test_one_speed_is_seldom_called_two(rounds, distribution):
    values = at_one_speed(np.random.default_rng(1), distribution, rounds)
    assert has_two_speeds(values).mean() <= 0.055


@pytest.mark.parametrize(
    ("rounds", "gap", "least"), [(4, 12, 0.3), (5, 12, 0.5), (6, 8, 0.4), (8, 8, 0.6), (10, 8, 0.6), (10, 12, 0.9)]
)
@pytest.mark.parametrize("slow", [0.3, 0.5])
def test_two_speeds_that_are_far_apart_are_seen(rounds, gap, least, slow):
    """`gap`: how far apart, in standard deviations within one; `slow`: the share of rounds at the lower one."""
    generator = np.random.default_rng(2)
    values = at_one_speed(generator, "normal", rounds)
    values -= gap * SPREAD * (generator.random(values.shape) < slow)
    assert has_two_speeds(values).mean() >= least


def test_three_rounds_cannot_show_two_speeds():
    assert slow_rounds([20.0, 10.0, 20.01]) is None


def test_a_gap_below_a_percent_is_none():
    assert slow_rounds([20.0, 20.0001, 20.15, 20.1501]) is None
    assert slow_rounds([20.0, 20.0001, 20.25, 20.2501]) is not None


def test_the_slow_rounds_are_flagged_by_their_numbers(make_row):
    row = summary_of(rounds_with(make_row, "eager", [20, 18, 20.05, 19.95, 18.03, 20.02])).iloc[0]
    assert row["flags"].startswith("two speeds (round 2, 5): 10% slower than the other rounds. ")
    assert row["rounds"] == 6, "nothing is dropped"
    assert summary_of(rounds_with(make_row, "eager", [20, 19.9, 20.05, 19.95, 20.1, 20.02])).iloc[0]["flags"] == ""


def test_the_widest_split_is_that_of_the_largest_gap_for_the_spread_within():
    """0, 2 and 10, 11, 12: 8 between them, variances 1 of two values and 2/3 of three, 5 values less 2 groups."""
    gap, deviation, slow = widest_split([11.0, 0.0, 12.0, 2.0, 10.0])
    assert (gap, slow) == (8, 2)
    assert deviation == pytest.approx(((2 * 1 + 3 * 2 / 3) / 3) ** 0.5)


def test_cells_are_split_each_for_itself():
    values = np.array([[0.0, 0.1, 10.0, 10.1, 10.2], [0.0, 0.1, 0.2, 0.3, 10.0]])
    gap, deviation, slow = widest_split(values)
    assert slow.tolist() == [2, 4]
    for row in range(2):
        assert [gap[row], deviation[row], slow[row]] == pytest.approx(
            [float(each) for each in widest_split(values[row])]
        )
    assert has_two_speeds(values).tolist() == [True, True]
    assert has_two_speeds(values[:, :3]).tolist() == [False, False], "three rounds show nothing"


def test_rounds_that_are_alike_in_each_group_have_two_speeds_and_all_alike_have_one():
    assert slow_rounds([10.0, 20.0, 20.0, 20.0])[0].tolist() == [True, False, False, False]
    assert slow_rounds([20.0] * 4) is None


@pytest.mark.parametrize("rounds", [*TWO_SPEEDS, max(TWO_SPEEDS) + 5])
def test_the_limit_is_that_of_the_number_of_rounds(rounds):
    """Two groups of rounds, each of two values one apart, and a gap just within and just beyond the limit."""
    limit = TWO_SPEEDS[max(each for each in TWO_SPEEDS if each <= rounds)]
    low = np.arange(rounds // 2) % 2 / 100
    high = np.arange(rounds - rounds // 2) % 2 / 100
    _, deviation, _ = widest_split([*low, *(high + 5)])
    for factor, found in ((0.999, False), (1.001, True)):
        values = [*low, *(high + low.max() + factor * limit * deviation)]
        assert has_two_speeds(values) == found


def test_how_much_slower_the_slow_rounds_are_is_of_medians():
    slow, less = slow_rounds([20.0, 10.0, 20.2, 10.1, 20.4, 9.9, 10.05])
    assert slow.tolist() == [False, True, False, True, False, True, True]
    assert less == pytest.approx(1 - (10.0 * 10.05) ** 0.5 / 20.2)
