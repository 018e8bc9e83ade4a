"""Break-even: the number of images after which a variant's longer start-up has paid for itself. The total time of n images is
start-up + n x time per image, for the variant and for the baseline."""

from collections.abc import Hashable, Mapping, Sequence
from functools import cache

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats
from scipy.stats import qmc

from diffbench.vocabulary.thresholds import CONFIDENCE

from .intervals import Interval

MEANS = 4  # drawn for an interval: two start-ups, two latencies
DRAWS = 2**14
NEVER = np.inf
Latencies = Mapping[Hashable, float]  # {round: seconds}
DIGITS = 9  # decimals of seconds and calls: a smaller difference is a rounding error
LARGEST = 100  # limit for a drawn logarithm: values drawn from two rounds have no bounds


def breakeven_images(
    startup_s: ArrayLike, base_startup_s: ArrayLike, image_s: ArrayLike, base_image_s: ArrayLike, batch_size: int
) -> np.ndarray:
    """The number of images after which a variant is ahead of its baseline, rounded up to whole calls; NEVER if it is not
    faster, 0 if it is ahead from the start. Arrays of one shape, in seconds; NaN where a value is unknown."""
    gained_s = np.asarray(base_image_s, dtype=float) - image_s
    # so that no rounding error decides which is behind, or adds a call
    behind_s = np.round(np.asarray(startup_s, dtype=float) - base_startup_s, DIGITS)
    with np.errstate(divide="ignore", invalid="ignore"):
        images = np.where(gained_s > 0, behind_s / gained_s, NEVER)
    images = np.ceil(np.round(np.maximum(images, 0) / batch_size, DIGITS)) * batch_size
    images = np.where((behind_s <= 0) & (gained_s >= 0), 0.0, images)
    return np.where(np.isnan(gained_s) | np.isnan(behind_s), np.nan, images)


def count_images(images: float) -> str:
    """A break-even in words: `124`, `at once`, `never`."""
    return "never" if images == NEVER else "at once" if images == 0 else f"{images:.0f}"


@cache
def drawn_t(place: int, degrees: int) -> np.ndarray:
    """DRAWS values of Student's t, for the mean number `place`. The MEANS together are points of a scrambled Sobol sequence,
    which fills space more evenly than random numbers: the ends of an interval hardly depend on the seed."""
    points = qmc.Sobol(MEANS, scramble=True, rng=0).random(DRAWS)
    return np.asarray(stats.t.ppf(points[:, place], degrees))


def draw_mean(place: int, values: ArrayLike) -> np.ndarray:
    """DRAWS values that the true mean may have, given one value per round: the generalized pivot of a normal mean (Weerahandi
    1993). A single value is used as it is. `place` numbers the mean: each has its own draws (drawn_t), which do not depend on the
    values."""
    values = np.asarray(values, dtype=float)
    if len(values) < 2:
        return np.full(DRAWS, values.mean())
    return np.asarray(values.mean() - drawn_t(place, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values)))


def draw_latencies(latencies_s: Latencies, base_latencies_s: Latencies) -> tuple[np.ndarray, np.ndarray]:
    """(variant's, baseline's) latencies drawn from {round: latency}, in seconds, on logarithms.

    If both cells have at least two rounds in common, these are pairs: the midpoint of both cells and their ratio are drawn, which
    are independent if both cells have the same spread. Common drift affects only the midpoint.
    """
    logs, base_logs = ({key: np.log(value) for key, value in cell.items()} for cell in (latencies_s, base_latencies_s))
    pairs = np.array([(logs[key], base_logs[key]) for key in logs if key in base_logs])
    if len(pairs) < 2:
        drawn = draw_mean(2, list(logs.values())), draw_mean(3, list(base_logs.values()))
    else:
        middle, half_ratio = draw_mean(2, pairs.mean(axis=1)), draw_mean(3, (pairs[:, 0] - pairs[:, 1]) / 2)
        drawn = middle + half_ratio, middle - half_ratio
    return tuple(np.exp(np.clip(logarithms, -LARGEST, LARGEST)) for logarithms in drawn)


def breakeven_interval(
    startups_s: Sequence[float] | np.ndarray,
    base_startups_s: Sequence[float] | np.ndarray,
    latencies_s: Latencies,
    base_latencies_s: Latencies,
    batch_size: int,
) -> Interval[float]:
    """The 95% interval of the break-even in images; `high` may be NEVER. NaN if a latency has fewer than two rounds.

    Start-ups are lists with one value per round; latencies are {round: latency}; all in seconds. Start-ups are additive: they
    may be 0 or negative, and are drawn without logarithms. A start-up that was measured once (a cold one) is used as it is: the
    interval then does not include its variation. Seeded, so that the same rounds give the same interval.
    """
    if min(len(latencies_s), len(base_latencies_s)) < 2 or not len(startups_s) or not len(base_startups_s):
        return Interval(np.nan, np.nan)
    startup_s, base_startup_s = draw_mean(0, startups_s), draw_mean(1, base_startups_s)
    latency_s, base_latency_s = draw_latencies(latencies_s, base_latencies_s)
    images = breakeven_images(
        startup_s, base_startup_s, latency_s / batch_size, base_latency_s / batch_size, batch_size
    )
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(images, [tail, 1 - tail], method="inverted_cdf")
    return Interval(float(low), float(high))
