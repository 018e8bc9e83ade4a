"""Cells whose rounds fall into two groups: a machine with two speeds, of which a few rounds may have seen only one."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from diffbench.vocabulary.thresholds import SAME, TWO_SPEEDS


class Split(NamedTuple):
    """A split of sorted values into two groups; arrays without the last axis of the values.

    `gap`: the distance from the largest value of the slow group to the smallest of the fast one; `deviation`: pooled standard
    deviation within the groups; `slow_count`: size of the slow group.
    """

    gap: np.ndarray
    deviation: np.ndarray
    slow_count: np.ndarray


class SlowRounds(NamedTuple):
    """Rounds of the slower of two speeds: which they are (`is_slow`), and how much slower, median over median, less 1."""

    is_slow: np.ndarray
    slower_by: float


def widest_split(values: ArrayLike) -> Split:
    """The Split of values whose gap is widest relative to the deviation within its groups.

    `values`: logarithms of rates, rounds along the last axis, three or more.
    """
    ordered = np.sort(np.asarray(values, dtype=float), axis=-1)
    count = ordered.shape[-1]
    gaps = np.diff(ordered, axis=-1)
    within = [
        sum(part.var(axis=-1) * part.shape[-1] for part in (ordered[..., :size], ordered[..., size:]))
        for size in range(1, count)
    ]
    deviations = np.sqrt(np.stack(within, axis=-1) / (count - 2))
    with np.errstate(divide="ignore", invalid="ignore"):
        best = np.nanargmax(np.where(gaps > 0, gaps / deviations, -1.0), axis=-1)[..., None]
    gap, deviation = (np.take_along_axis(each, best, axis=-1)[..., 0] for each in (gaps, deviations))
    return Split(gap, deviation, best[..., 0] + 1)


def has_two_speeds(values: ArrayLike) -> np.ndarray:
    """Whether rounds run at two speeds, by TWO_SPEEDS; `values` as in widest_split. False if the rounds are too few."""
    values = np.asarray(values, dtype=float)
    limits = [limit for rounds, limit in TWO_SPEEDS.items() if rounds <= values.shape[-1]]
    if not limits:
        return np.zeros(values.shape[:-1], dtype=bool)
    split = widest_split(values)
    return np.asarray((split.gap >= np.log1p(SAME)) & (split.gap >= limits[-1] * split.deviation))


def slow_rounds(rates: ArrayLike) -> SlowRounds | None:
    """The rounds of the slower of two speeds; None if there is one speed. `rates` of one cell: one number per round."""
    values = np.log(np.asarray(rates, dtype=float))
    if not has_two_speeds(values):
        return None
    is_slow = values <= np.sort(values)[widest_split(values).slow_count - 1]
    return SlowRounds(is_slow, float(1 - np.exp(np.median(values[is_slow]) - np.median(values[~is_slow]))))
