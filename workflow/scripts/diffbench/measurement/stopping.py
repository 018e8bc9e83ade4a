"""When warm-up and measured calls end: when they are steady and precise enough, or at a limit."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy

from diffbench.vocabulary.thresholds import CONFIDENCE, TARGET, WARMUP_SPREAD, WARMUP_WINDOW

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any


def spread_of(latencies_s: Sequence[float]) -> float:
    """Largest over smallest of the last WARMUP_WINDOW latencies, minus 1; infinite with fewer latencies."""
    window = latencies_s[-WARMUP_WINDOW:]
    return max(window) / min(window) - 1 if len(window) == WARMUP_WINDOW else math.inf


def median_interval(values: Sequence[float]) -> tuple[float, float]:
    """(low, high) that contains the median of the distribution of `values` in at least CONFIDENCE of cases.

    Two order statistics, for any distribution: the number of n values below the median is binomial. With six values the
    outermost two are enough (1 - 2 / 2**6 = 96.9%); with fewer the interval is infinite. Source: Hollander, Wolfe and
    Chicken, Nonparametric Statistical Methods, 2014, section 3.6.
    """
    ordered, count = sorted(values), len(values)
    outside, inside = 0.0, -1
    while 2 * (outside + math.comb(count, inside + 1) / 2**count) <= 1 - CONFIDENCE:
        inside += 1
        outside += math.comb(count, inside) / 2**count
    return (ordered[inside], ordered[count - 1 - inside]) if inside >= 0 else (-math.inf, math.inf)


def half_width(rates: Sequence[float]) -> float:
    """Half of the width of the median's interval, over the median."""
    low, high = median_interval(rates)
    return (high - low) / 2 / float(numpy.median(rates))


class Stopping:
    """The rule of one stage. `settings` are the definition's `measurement`."""

    def __init__(self, settings: Mapping[str, Any], device_type: str) -> None:
        self.settings = settings
        percent = settings["target_percent"]
        self.target = TARGET.get(device_type, TARGET["cuda"]) if percent is None else percent / 100

    def is_warm(self, latencies_s: Sequence[float]) -> bool:
        """Whether warm-up ends after the calls with these latencies, including the first call's."""
        count, limits = len(latencies_s), self.settings
        if count < limits["warmup_calls"]:
            return False
        spent = count >= limits["max_warmup_calls"] or sum(latencies_s[1:]) >= limits["max_seconds"]
        return spent or spread_of(latencies_s) <= WARMUP_SPREAD

    def why_stop(self, rates: Sequence[float], elapsed_s: float) -> str | None:
        """`target`, `max-calls` or `max-seconds` once the measured calls with these rates are enough, else None."""
        count, limits = len(rates), self.settings
        if count < limits["calls"]:
            return None
        if half_width(rates) <= self.target:
            return "target"
        if count >= limits["max_calls"]:
            return "max-calls"
        return "max-seconds" if elapsed_s >= limits["max_seconds"] else None
