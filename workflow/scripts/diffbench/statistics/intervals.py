"""95% intervals of rates and speed-ups from rounds, and verdicts: on logarithms, vectorized.

Rounds are separate processes. Calls within one process are not independent, so a round counts as one value, and intervals come
from the rounds alone. tests/unit/test_intervals.py and test_pairs.py simulate how often the intervals contain the true value;
docs/method.md explains the choice. One round has no interval.
"""

from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from diffbench.vocabulary.thresholds import CONFIDENCE, MOST_ROUNDS, SAME, SHARED_CELLS, SHARED_DEGREES, WIDEST_INTERVAL

Value = TypeVar("Value", float, np.ndarray)
TOO_FEW = "too few rounds"  # printed instead of an interval that is too wide


class Interval(NamedTuple, Generic[Value]):
    """The ends of a 95% interval: two numbers, or two arrays of one shape."""

    low: Value
    high: Value


def half_width(deviation: ArrayLike, rounds: ArrayLike, degrees: ArrayLike | None = None) -> np.ndarray:
    """Half the width of the interval of a mean of `rounds` values with that standard deviation; NaN below two rounds.

    `degrees`: degrees of freedom of the deviation, `rounds` - 1 if not given.
    """
    rounds = np.asarray(rounds, dtype=float)
    degrees = rounds - 1 if degrees is None else np.asarray(degrees, dtype=float)
    with np.errstate(invalid="ignore", divide="ignore"):
        quantile = quantiles(np.where((degrees > 0) & (rounds > 1), degrees, np.nan))
        return np.asarray(quantile * np.asarray(deviation, dtype=float) / np.sqrt(rounds))


def quantiles(degrees: np.ndarray) -> np.ndarray:
    """Student's t at the upper end of the interval, for an array of degrees of freedom; most of them are equal."""
    different, places = np.unique(degrees, return_inverse=True)
    return np.asarray(stats.t.ppf((1 + CONFIDENCE) / 2, different))[places].reshape(degrees.shape)


def rate_interval(
    mean: ArrayLike, deviation: ArrayLike, rounds: ArrayLike, degrees: ArrayLike | None = None
) -> Interval[np.ndarray]:
    """The interval of a rate or a ratio, from mean and standard deviation of the rounds' logarithms (Student's t).

    For a speed-up these are the logarithms of the ratios of paired rounds. NaN below two rounds.
    """
    half = half_width(deviation, rounds, degrees)
    mean = np.asarray(mean, dtype=float)
    return Interval(np.exp(mean - half), np.exp(mean + half))


def welch_interval(
    mean: ArrayLike,
    deviation: ArrayLike,
    rounds: ArrayLike,
    base_mean: ArrayLike,
    base_deviation: ArrayLike,
    base_rounds: ArrayLike,
) -> Interval[np.ndarray]:
    """The interval of the ratio of two rates whose rounds are not paired, by Welch's t test on logarithms.

    NaN if either has fewer than two rounds.
    """
    rounds, base_rounds = np.asarray(rounds, dtype=float), np.asarray(base_rounds, dtype=float)
    with np.errstate(invalid="ignore", divide="ignore"):
        own, base = np.square(deviation) / rounds, np.square(base_deviation) / base_rounds
        degrees = np.square(own + base) / (np.square(own) / (rounds - 1) + np.square(base) / (base_rounds - 1))
        degrees = np.where(own + base == 0, rounds + base_rounds - 2, degrees)
        enough = (rounds > 1) & (base_rounds > 1)
        quantile = quantiles(np.where(enough, degrees, np.nan))
        half = quantile * np.sqrt(own + base)
    ratio = np.asarray(mean, dtype=float) - base_mean
    return Interval(np.exp(ratio - half), np.exp(ratio + half))


def share_variances(deviation: ArrayLike, pairs: ArrayLike, groups: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """(deviation, degrees of freedom) of log ratios; cells with two pairs also use the mean variance of their group.

    The variance of such a cell is averaged with the mean variance of its group, which counts as SHARED_DEGREES degrees of freedom
    (after Smyth 2004); its own variance is kept if it is larger. Groups with fewer than SHARED_CELLS such cells share
    nothing. `groups`: one label per cell; arrays of one shape.
    """
    variance, pairs = np.square(np.asarray(deviation, dtype=float)), np.asarray(pairs, dtype=float)
    shared, degrees, groups = variance.copy(), pairs - 1, np.asarray(groups, dtype=object)
    two = (pairs == 2) & ~np.isnan(variance)
    for group in set(groups[two]):
        cells = two & (groups == group)
        if cells.sum() >= SHARED_CELLS:
            mean = (SHARED_DEGREES * variance[cells].mean() + variance[cells]) / (SHARED_DEGREES + 1)
            shared[cells] = np.maximum(variance[cells], mean)
            degrees[cells] += SHARED_DEGREES
    return np.sqrt(shared), degrees


def verdicts(low: ArrayLike, high: ArrayLike) -> np.ndarray:
    """`faster`, `slower`, `same` (the interval is within 1% of 1), `unclear`; empty without an interval."""
    low, high = np.asarray(low, dtype=float), np.asarray(high, dtype=float)
    conditions = [np.isnan(low), (low >= 1 - SAME) & (high <= 1 + SAME), low > 1, high < 1]
    return np.select(conditions, ["", "same", "faster", "slower"], "unclear")


def is_useful(low: Any, high: Any) -> Any:
    """Whether an interval is narrow enough to be printed or drawn; false if unknown (NaN). Numbers, or arrays of one shape."""
    return (low > 0) & (high <= WIDEST_INTERVAL * low)


def rounds_needed(
    ratio: ArrayLike, deviation: ArrayLike, more_than: ArrayLike = 1, paired: ArrayLike = True
) -> np.ndarray:
    """The number of rounds of each cell that would settle an unclear speed-up, if its ratio and deviation are as measured.

    `deviation`: standard deviation of the log ratio of one pair of rounds; if the rounds are not paired, the square root of the
    sum of both cells' variances. The interval must then exclude 1 or be within 1% of it, whichever takes fewer rounds. The result
    is larger than `more_than`, and infinite if more than MOST_ROUNDS are needed. Numbers, or arrays of one shape.
    """
    distance = np.abs(np.log(ratio))
    target = np.maximum(distance, SAME - distance)
    needed = np.full(np.shape(distance), np.inf)
    for rounds in range(MOST_ROUNDS, 1, -1):
        degrees = (rounds - 1) * np.where(paired, 1, 2)
        enough = (rounds > np.asarray(more_than)) & (half_width(deviation, rounds, degrees) <= target)
        needed = np.where(enough, rounds, needed)
    return needed
