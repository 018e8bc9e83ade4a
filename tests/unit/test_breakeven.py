"""When compiling has paid for itself, and that its interval covers the truth."""

import numpy as np
import pytest

from reporting.breakeven import breakeven_images, breakeven_interval


def test_break_even_is_where_the_two_lines_cross():
    # 50 s behind, 0.5 s gained an image
    assert breakeven_images(52, 2, 1.0, 1.5, 1) == 100
    assert breakeven_images(52.1, 2, 1.0, 1.5, 1) == 101, "the first image that is ahead"
    assert breakeven_images(52, 2, 1.0, 1.5, 16) == 112, "whole calls"


def test_never_at_once_and_unknown():
    assert breakeven_images(52, 2, 1.5, 1.0, 1) == np.inf
    assert breakeven_images(52, 2, 1.0, 1.0, 1) == np.inf
    assert breakeven_images(1, 2, 1.0, 1.5, 1) == 0
    assert breakeven_images(1, 2, 2.0, 1.0, 1) == np.inf, "ahead at first, behind for ever after"
    assert np.isnan(breakeven_images(np.nan, 2, 1.0, 1.5, 1))


def test_one_round_makes_no_interval():
    assert np.isnan(breakeven_interval([50.0], [2.0], [1.0], [1.5], 1)).all()


def test_the_interval_holds_never_where_the_speedup_may_be_none():
    low, high = breakeven_interval([50.0], [2.0], [1.0, 1.4], [1.5, 1.45], 1)
    assert low < np.inf
    assert high == np.inf


def test_the_same_rounds_give_the_same_interval():
    rounds = [50.0, 51.0], [2.0, 2.1], [1.0, 1.02, 0.99], [1.5, 1.52, 1.49]
    assert breakeven_interval(*rounds, 1) == breakeven_interval(*rounds, 1)


@pytest.mark.parametrize("rounds", [2, 3, 5])
def test_the_interval_covers_the_break_even(rounds):
    generator = np.random.default_rng(5)

    def noisy(value):
        return value * np.exp(generator.normal(0, 0.02, rounds))

    covered = []
    for _ in range(400):
        low, high = breakeven_interval(noisy(50), noisy(2), noisy(1.0), noisy(1.5), 1)
        covered.append(low <= 96 <= high)
    assert np.mean(covered) >= 0.93
