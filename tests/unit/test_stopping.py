"""When warm-up and calls end, and that the interval of the median covers it."""

import math

import numpy as np
import pytest
from scipy import stats

from diffbench.catalogue.definition import default_stopping
from diffbench.measurement.stopping import Stopping, half_width, median_interval, spread_of

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
    assert Stopping(default_stopping(), "cuda").target == 0.005
    assert Stopping(default_stopping(), "cpu").target == 0.02
    assert rule(device_type="cuda").target == 0.01


@pytest.mark.parametrize(
    ("latencies_s", "spread"),
    [([], math.inf), ([1.0, 1.0], math.inf), ([2.0, 4.0, 3.0], 1.0), ([9.0, 2.0, 2.0, 3.0], 0.5)],
)
def test_the_spread_is_that_of_the_last_three_calls(latencies_s, spread):
    assert spread_of(latencies_s) == spread


def test_the_half_width_is_half_of_the_interval_over_the_median():
    assert half_width([8.0, 10.0, 12.0, 9.0, 11.0, 13.0]) == (13 - 8) / 2 / 10.5


def test_a_half_width_of_exactly_the_target_is_enough():
    rates = [99.0, 99.0, 100.0, 100.0, 101.0, 101.0]
    assert rule(target_percent=1).why_stop(rates, 0) == "target"
    assert rule(target_percent=0.99).why_stop(rates, 0) is None


def test_warm_up_may_end_with_its_fewest_calls_and_not_before():
    assert rule().is_warm([1.0] * 3)
    assert not rule(max_seconds=1).is_warm([1.0] * 2)


@pytest.mark.parametrize("count", [11, 12])
def test_calls_end_with_their_most_and_not_before(count):
    assert rule().why_stop([10.0, 20.0] * 5 + [10.0] * (count - 10), 0) == (None if count < 12 else "max-calls")


def test_the_target_of_a_device_of_another_kind_is_that_of_a_gpu():
    assert Stopping(default_stopping(), "mps").target == 0.005
