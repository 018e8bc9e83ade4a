"""Cells whose rounds fall into two groups: a machine with two speeds, of which a few rounds may have seen only one."""

import numpy as np

from diffbench.vocabulary.thresholds import SAME, TWO_SPEEDS


def widest_split(values):
    """(gap, deviation, slow) of the split of sorted values into two groups whose gap is widest for the deviation within them.

    `values`: logarithms of rates, rounds along the last axis, three or more. `gap`: largest value of the slow group to the
    smallest of the fast one; `deviation`: standard deviation within the groups, pooled; `slow`: size of the slow group.
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
    return gap, deviation, best[..., 0] + 1


def has_two_speeds(values):
    """Whether rounds run at two speeds, by TWO_SPEEDS; `values` as in widest_split. False with fewer rounds than it names."""
    values = np.asarray(values, dtype=float)
    limits = [limit for rounds, limit in TWO_SPEEDS.items() if rounds <= values.shape[-1]]
    if not limits:
        return np.zeros(values.shape[:-1], dtype=bool)
    gap, deviation, _ = widest_split(values)
    return (gap >= np.log1p(SAME)) & (gap >= limits[-1] * deviation)


def slow_rounds(rates):
    """Which rounds belong to the slower of two speeds, and how much slower it is (median over median, less 1); None without."""
    values = np.log(np.asarray(rates, dtype=float))
    if not has_two_speeds(values):
        return None
    slow = values <= np.sort(values)[widest_split(values)[2] - 1]
    return slow, 1 - np.exp(np.median(values[slow]) - np.median(values[~slow]))
