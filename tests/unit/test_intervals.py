"""Intervals contain the true value as often as they say, no less and not much more, also with few rounds; and verdicts claim no
more than they may. Pairs of rounds: test_pairs.py."""

import numpy as np
import pytest
from scipy import stats

from diffbench.statistics.intervals import is_useful, rate_interval, rounds_needed, verdicts, welch_interval
from simulated_rounds import ERROR, moments, rounds_of


@pytest.mark.parametrize("distribution", ["normal", "heavy tails", "skewed"])
@pytest.mark.parametrize("rounds", [2, 3, 5, 10])
def test_the_interval_of_a_rate_covers_it(rounds, distribution):
    low, high = rate_interval(*moments(rounds_of(np.random.default_rng(1), distribution, rounds, 0.02)))
    covered = np.mean((low <= 1) & (high >= 1))
    assert 0.93 <= covered <= 0.965, f"{covered:.3f}"
    if distribution == "normal":
        assert covered == pytest.approx(0.95, abs=ERROR), "exact"


@pytest.mark.parametrize("distribution", ["normal", "heavy tails", "skewed"])
@pytest.mark.parametrize("noisier", [1, 4])
@pytest.mark.parametrize("rounds", [2, 3, 5, 10])
def test_welchs_interval_covers_a_speedup_of_rounds_without_pairs(rounds, noisier, distribution):
    generator = np.random.default_rng(2)
    own = moments(rounds_of(generator, distribution, rounds, 0.02))
    base = moments(rounds_of(generator, distribution, rounds, 0.02 * noisier))
    low, high = welch_interval(*own, *base)
    covered = np.mean((low <= 1) & (high >= 1))
    # conservative for two and three rounds that spread alike, a little too narrow where one cell is four times noisier
    assert 0.93 <= covered <= (0.985 if rounds < 5 else 0.965), f"{covered:.3f}"
    different = np.mean(np.isin(verdicts(low, high), ["faster", "slower"]))
    assert different <= (0.05 + ERROR if noisier == 1 else 0.07), f"{different:.3f}"


def calls_of(generator, distribution, rounds, between, calls=8, within=0.02):
    """Logarithms of latencies, shape (repetitions, rounds, calls): what all calls share in a process deviates by
    `between` times the deviation of the calls within one. Those that drift have in each process another slope."""
    shape = (4000, rounds, calls)
    noise = {
        "normal": lambda: np.log1p(generator.normal(0, within, shape)),
        "log-normal": lambda: generator.normal(0, 10 * within, shape),
        "drifting": lambda: (
            generator.normal(0, within, shape)
            + generator.normal(0, 3 * within, (*shape[:2], 1)) * np.linspace(0, 1, calls)
        ),
    }[distribution]()
    return noise + generator.normal(0, between * within, (*shape[:2], 1))


@pytest.mark.parametrize("distribution", ["normal", "log-normal", "drifting"])
@pytest.mark.parametrize("between", [0, 1, 5])
@pytest.mark.parametrize("rounds", [2, 3, 5, 10])
def test_intervals_cover_calls_within_rounds(rounds, between, distribution):
    """Both levels: the medians of a round's calls, then the rounds. `same` and `faster` are right as often as they claim."""
    generator = np.random.default_rng(5)
    own = moments(np.median(calls_of(generator, distribution, rounds, between), axis=2))
    base = moments(np.median(calls_of(generator, distribution, rounds, between), axis=2))
    low, high = rate_interval(*own)
    assert 0.93 <= np.mean((low <= 1) & (high >= 1)) <= 0.97
    low, high = welch_interval(*own, *base)
    assert 0.935 <= np.mean((low <= 1) & (high >= 1)) <= 0.99
    assert np.mean(np.isin(verdicts(low, high), ["faster", "slower"])) <= 0.06, "A against A; three standard errors"
    wrong = np.isin(verdicts(low * 1.012, high * 1.012), ["slower", "same"])
    assert np.mean(wrong) < 0.05, "1.2% faster is called slower or the same"


def test_intervals_are_those_of_scipy():
    generator = np.random.default_rng(6)
    own, base = np.log(generator.lognormal(3, 0.05, 4)), np.log(generator.lognormal(2.9, 0.1, 3))
    low, high = rate_interval(own.mean(), own.std(ddof=1), 4)
    expected = stats.ttest_1samp(own, 0).confidence_interval(0.95)
    assert np.log([low, high]) == pytest.approx([expected.low, expected.high])
    low, high = welch_interval(own.mean(), own.std(ddof=1), 4, base.mean(), base.std(ddof=1), 3)
    expected = stats.ttest_ind(own, base, equal_var=False).confidence_interval(0.95)
    assert np.log([low, high]) == pytest.approx([expected.low, expected.high])


def test_shared_degrees_of_freedom_make_an_interval_narrower():
    """Two pairs of rounds with a deviation of 0.1: alone one degree of freedom, shared three."""
    for degrees, count in ((None, 1), (3, 3)):
        half = stats.t.ppf(0.975, count) * 0.1 / np.sqrt(2)
        assert rate_interval(0.5, 0.1, 2, degrees) == pytest.approx((np.exp(0.5 - half), np.exp(0.5 + half)))


def test_with_many_rounds_the_interval_is_that_of_the_bootstrap():
    values = np.random.default_rng(7).normal(0, 0.03, 200)
    low, high = np.log(rate_interval(values.mean(), values.std(ddof=1), 200))
    expected = stats.bootstrap((values,), np.mean, n_resamples=4000, rng=np.random.default_rng(8)).confidence_interval
    assert high - low == pytest.approx(expected.high - expected.low, rel=0.05)


def test_scipys_bootstrap_covers_too_little_with_three_rounds():
    """Why it is not used: 95% asked for, of the mean of three."""
    values = rounds_of(np.random.default_rng(3), "normal", 3, 0.02)[:400]
    found = stats.bootstrap((values,), np.mean, axis=1, n_resamples=499, method="percentile", rng=1).confidence_interval
    assert np.mean((found.low <= 0) & (found.high >= 0)) < 0.85


@pytest.mark.parametrize(
    ("low", "high", "useful"),
    [(10, 20, True), (10, np.nextafter(20, 21), False), (0.1, 0.19, True), (0, 1, False), (np.nan, np.nan, False)],
)
def test_an_interval_is_useful_up_to_a_factor_of_two(low, high, useful):
    assert bool(is_useful(low, high)) == useful


def test_one_round_has_no_interval():
    low, high = rate_interval(np.log([20.0]), [np.nan], [1])
    assert np.isnan(low).all() and np.isnan(high).all()
    low, high = welch_interval(np.log([40.0]), [np.nan], [1], np.log([20.0]), [0.01], [3])
    assert list(verdicts(low, high)) == [""]


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (1.2, 1.4, "faster"),
        (0.7, 0.9, "slower"),
        (0.995, 1.005, "same"),
        (1.002, 1.008, "same"),
        (0.98, 1.3, "unclear"),
        (0.97, 1.005, "unclear"),
    ],
)
def test_verdicts(low, high, verdict):
    assert list(verdicts([low], [high])) == [verdict]


@pytest.mark.parametrize("paired", [True, False])
def test_the_rounds_that_are_advised_settle_it(paired):
    generator = np.random.default_rng(4)
    ratio, sigma = 1.03, 0.03
    spread = np.hypot(sigma, sigma)
    needed = rounds_needed(ratio, spread, paired=paired)
    assert 4 <= needed <= 20
    own = rounds_of(generator, "normal", int(needed), sigma) + np.log(ratio)
    base = rounds_of(generator, "normal", int(needed), sigma)
    interval = rate_interval(*moments(own - base)) if paired else welch_interval(*moments(own), *moments(base))
    settled = np.mean(verdicts(*interval) == "faster")
    assert 0.4 < settled < 0.7, "about half of the time: the advice is for the ratio as it seems"


@pytest.mark.parametrize(("paired", "degrees_a_round"), [(True, 1), (False, 2)])
def test_the_rounds_that_are_advised_are_the_fewest(paired, degrees_a_round):
    needed = rounds_needed(1.03, 0.04, paired=paired)
    widths = [
        stats.t.ppf(0.975, degrees_a_round * (rounds - 1)) * 0.04 / rounds**0.5 for rounds in (needed - 1, needed)
    ]
    assert widths[0] > np.log(1.03) >= widths[1]


def test_advice_that_nobody_can_follow_is_infinite():
    assert rounds_needed(1.0001, 5.0) == np.inf
    assert rounds_needed(1.03, 0.03, more_than=60) == 61, "more than there were"
