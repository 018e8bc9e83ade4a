"""When warm-up and calls end, and that the interval of the median covers it."""

import math

import numpy as np
import pytest
from scipy import stats

from measurement.definition import SETTINGS
from measurement.stopping import Stopping, half_width, median_interval, spread_of

LIMITS = {"warmup_calls": 3, "max_warmup_calls": 8, "calls": 6, "max_calls": 12, "max_seconds": 10, "target_percent": 1}


def rule(device_type="cpu", **settings):
    return Stopping({**LIMITS, **settings}, device_type)


@pytest.mark.parametrize("count", [6, 7, 9, 15, 50])
def test_the_interval_of_the_median_is_that_of_the_binomial_distribution(count):
    values = np.arange(count, dtype=float)
    low, high = median_interval(values)
    below = int(low)  # so many values lie below it
    assert high == count - 1 - below
    assert 2 * stats.binom.cdf(below, count, 0.5) <= 0.05
    assert 2 * stats.binom.cdf(below + 1, count, 0.5) > 0.05


def test_five_calls_make_no_interval():
    assert median_interval([1.0, 2.0, 3.0, 4.0, 5.0]) == (-math.inf, math.inf)
    assert half_width([1.0, 1.0, 1.0, 1.0, 1.0]) == math.inf


@pytest.mark.parametrize("draw", [lambda g, n: g.normal(1, 0.05, n), lambda g, n: g.lognormal(0, 0.3, n)])
@pytest.mark.parametrize("count", [6, 10, 30])
def test_the_interval_covers_the_median(count, draw):
    generator = np.random.default_rng(1)
    covered = [low <= 1 <= high for low, high in (median_interval(draw(generator, count)) for _ in range(2000))]
    assert np.mean(covered) >= 0.94


def test_warm_up_ends_once_the_last_three_calls_agree():
    stopping = rule()
    assert not stopping.is_warm([9.0, 1.0])
    assert not stopping.is_warm([9.0, 1.0, 1.0])
    assert stopping.is_warm([9.0, 1.0, 1.01, 1.019])
    assert not stopping.is_warm([9.0, 1.0, 1.01, 1.03])
    assert spread_of([9.0, 1.0, 1.01, 1.03]) == pytest.approx(0.03)


def test_warm_up_ends_at_its_most_calls_and_at_its_time_which_the_first_call_does_not_count_in():
    noisy = [50.0, 1.0, 2.0, 1.0]
    assert not rule().is_warm(noisy)
    assert rule(max_warmup_calls=4).is_warm(noisy)
    assert rule(max_seconds=4).is_warm(noisy)


def test_calls_end_when_the_median_is_known_well_enough():
    assert rule().why_stop([10.0] * 5, 0) is None, "six at the least"
    assert rule().why_stop([10.0, 10.05, 9.98, 10.02, 10.0, 10.01], 0) == "target"
    assert rule(target_percent=0.1).why_stop([10.0, 10.05, 9.98, 10.02, 10.0, 10.01], 0) is None


def test_calls_end_at_a_limit_but_never_before_their_least():
    noisy = [10.0, 20.0, 12.0, 15.0, 30.0, 11.0]
    assert rule().why_stop(noisy, 9) is None
    assert rule().why_stop(noisy, 10) == "max-seconds"
    assert rule().why_stop(noisy * 2, 0) == "max-calls"
    assert rule().why_stop(noisy[:5], 100) is None


def test_the_target_depends_on_the_device_unless_it_is_given():
    assert Stopping(SETTINGS, "cuda").target == 0.005
    assert Stopping(SETTINGS, "cpu").target == 0.02
    assert rule(device_type="cuda").target == 0.01
