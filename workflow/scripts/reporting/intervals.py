"""What rounds say of a rate and of a speed-up: 95% intervals, and a verdict. All of it on logarithms, vectorized.

Rounds are separate processes; calls within one are not independent, so a round counts as its median, and intervals come from
the rounds alone. With two to five of them a bootstrap covers too little (it cannot see beyond the few values that there are);
Student's t on the logarithms of the rounds' medians covers what it says, and so does Welch's for the ratio of two cells:
tests/unit/test_intervals.py simulates both. One round makes no claim.
"""

import numpy as np
from scipy import stats

from thresholds import CONFIDENCE, MOST_ROUNDS, SAME


def half_width(deviation, rounds, degrees=None):
    """Half of the interval of a mean of `rounds` values with that standard deviation; NaN below two of them."""
    rounds = np.asarray(rounds, dtype=float)
    degrees = rounds - 1 if degrees is None else degrees
    with np.errstate(invalid="ignore", divide="ignore"):
        quantile = stats.t.ppf((1 + CONFIDENCE) / 2, np.where(degrees > 0, degrees, np.nan))
        return quantile * np.asarray(deviation, dtype=float) / np.sqrt(rounds)


def rate_interval(mean, deviation, rounds):
    """(low, high) of a rate from the mean and standard deviation of its rounds' logarithms; NaN below two rounds."""
    half = half_width(deviation, rounds)
    return np.exp(mean - half), np.exp(mean + half)


def speedup_interval(mean, deviation, rounds, base_mean, base_deviation, base_rounds):
    """(low, high) of the ratio of two rates, by Welch's t test on logarithms; NaN where either has fewer than two rounds."""
    rounds, base_rounds = np.asarray(rounds, dtype=float), np.asarray(base_rounds, dtype=float)
    with np.errstate(invalid="ignore", divide="ignore"):
        own, base = np.square(deviation) / rounds, np.square(base_deviation) / base_rounds
        degrees = np.square(own + base) / (np.square(own) / (rounds - 1) + np.square(base) / (base_rounds - 1))
        degrees = np.where(own + base == 0, rounds + base_rounds - 2, degrees)
        enough = (rounds > 1) & (base_rounds > 1)
        quantile = stats.t.ppf((1 + CONFIDENCE) / 2, np.where(enough, degrees, np.nan))
        half = quantile * np.sqrt(own + base)
    ratio = np.asarray(mean, dtype=float) - base_mean
    return np.exp(ratio - half), np.exp(ratio + half)


def verdicts(low, high):
    """`faster`, `slower`, `same` (the interval lies within 1%), `unclear`; empty where there is no interval."""
    low, high = np.asarray(low, dtype=float), np.asarray(high, dtype=float)
    conditions = [np.isnan(low), (low >= 1 - SAME) & (high <= 1 + SAME), low > 1, high < 1]
    return np.select(conditions, ["", "same", "faster", "slower"], "unclear")


def rounds_needed(ratio, deviation, base_deviation, more_than=1):
    """How many rounds of each cell would settle an unclear speed-up, if its ratio and deviations are what they seem.

    The interval must then leave 1 outside, or lie within 1%, whichever is nearer. They are more than the rounds that left it
    unclear. Returns 0 where more than MOST_ROUNDS would be needed.
    """
    distance = abs(np.log(ratio))
    target = max(distance, SAME - distance)
    rounds = np.arange(more_than + 1, MOST_ROUNDS + 1)
    spread = np.hypot(deviation, base_deviation)
    enough = half_width(spread, rounds, 2 * rounds - 2) <= target
    return int(rounds[enough][0]) if enough.any() else 0
