"""Flags from the calls of a run: their spread, outliers and drift. Limits: thresholds.py."""

from collections.abc import Iterator
from functools import lru_cache

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import stats

from diffbench.data.groups import groups_by_size, number_groups
from diffbench.data.rows import tuples
from diffbench.vocabulary import thresholds as limits
from diffbench.vocabulary.columns import KEY

from .flag_kinds import Flag

RUN = [*KEY, "round"]


def flag_calls(latencies_s: ArrayLike) -> list[list[Flag]]:
    """Flags of the measured calls of several runs: one list per run, in their order. `latencies_s`: calls along the last axis."""
    latencies_s = np.asarray(latencies_s, dtype=float)
    count = latencies_s.shape[-1]
    flags: list[list[Flag]] = [[] for _ in range(len(latencies_s))]
    if count < limits.FEWEST_CALLS:
        return flags
    q1, median, q3 = np.percentile(latencies_s, [25, 50, 75], axis=-1)[..., None]
    width = q3 - q1
    for place in np.flatnonzero(width / median > limits.SPREAD):
        flags[place].append(Flag("spread", f"IQR {(width / median)[place, 0]:.0%} of the median"))
    beyond = np.maximum(q1 - latencies_s, latencies_s - q3)
    far = (beyond > limits.FAR_OUTLIER * width).sum(axis=-1)
    mild = (beyond > limits.OUTLIER * width).sum(axis=-1) - far
    for place in np.flatnonzero(far + mild):
        flags[place].append(Flag("outliers", f"{mild[place]} mild and {far[place]} severe of {count} calls"))
    for run, drift in drifts_of(stats.rankdata(latencies_s, axis=-1)):
        flags[run].append(Flag("drift", f"calls get {'slower' if drift > 0 else 'faster'}, Spearman {drift:+.2f}"))
    return flags


def drifts_of(ranks: np.ndarray) -> Iterator[tuple[int, float]]:
    """(place of a run, Spearman's rank correlation of its calls with their order) of the runs that drift."""
    order = np.arange(ranks.shape[-1])
    ranks_off, order_off = ranks - ranks.mean(axis=-1, keepdims=True), order - order.mean()
    together = np.abs(ranks_off @ order_off)
    most = np.sqrt((ranks_off**2).sum(axis=-1) * (order_off**2).sum())  # 0 if all calls are equal
    for place in np.flatnonzero((most > 0) & (together >= (limits.DRIFT - 1e-6) * most)):
        drift, pvalue = correlate(tuple(ranks[place]))
        if abs(drift) >= limits.DRIFT and pvalue < limits.DRIFT_SIGNIFICANCE:
            yield int(place), drift


@lru_cache(maxsize=2**16)
def correlate(ranks: tuple[float, ...]) -> tuple[float, float]:
    """(Spearman's rank correlation with the order, the p-value of Kendall's tau) of ranks. Runs of few calls share them."""
    order = np.arange(1.0, len(ranks) + 1)
    spearman = np.corrcoef(np.column_stack([order, ranks]), rowvar=False)[1, 0]
    return spearman, stats.kendalltau(order, ranks).pvalue


def flags_of_calls(ok: pd.DataFrame, calls: pd.DataFrame | None) -> list[list[Flag]]:
    """For each row of `ok`, a list of the flags of its measured calls."""
    if calls is None:
        return [[] for _ in range(len(ok))]
    measured = calls[calls["kind"] == "call"]
    numbers, keys = number_groups(measured, RUN)
    latencies_s = measured["latency_s"].to_numpy(dtype=float)
    found: dict[int, list[Flag]] = {}
    for places in groups_by_size(numbers):
        of_run = dict(zip(numbers[places[:, 0]].tolist(), flag_calls(latencies_s[places])))
        found.update({number: flags for number, flags in of_run.items() if flags})
    named = dict(zip(tuples(keys.iloc[list(found)]), found.values()))
    return [named.get(key, []) for key in tuples(ok[RUN])]
