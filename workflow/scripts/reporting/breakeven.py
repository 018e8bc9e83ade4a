"""How many images it takes until a variant's start-up has paid for itself: T(n) = start-up + n x time an image, two lines."""

import numpy as np
from scipy import stats

from thresholds import CONFIDENCE

DRAWS = 4000
NEVER = np.inf


def breakeven_images(startup_s, base_startup_s, image_s, base_image_s, batch_size):
    """The number of images after which a variant is ahead of its baseline, rounded up to whole calls; NEVER if it is not
    faster, 0 if it is ahead from the start. Arrays of one shape, in seconds; NaN where something is not known."""
    gained_s = np.asarray(base_image_s, dtype=float) - image_s
    behind_s = np.asarray(startup_s, dtype=float) - base_startup_s
    with np.errstate(divide="ignore", invalid="ignore"):
        images = np.where(gained_s > 0, behind_s / gained_s, NEVER)
    images = np.ceil(np.maximum(images, 0) / batch_size) * batch_size
    images = np.where((behind_s <= 0) & (gained_s >= 0), 0.0, images)
    return np.where(np.isnan(gained_s) | np.isnan(behind_s), np.nan, images)


def count_images(images):
    """A break-even in words: `124`, `at once`, `never`."""
    return "never" if images == NEVER else "at once" if images == 0 else f"{images:.0f}"


def draw_means(generator, mean, deviation, rounds):
    """DRAWS values that the true mean may have, given the mean and deviation of so many rounds: the generalized pivot of a
    normal mean (Weerahandi 1993), of logarithms here. Shape (DRAWS,); where one round is all there is, that value itself."""
    if rounds < 2 or not deviation > 0:
        return np.full(DRAWS, mean)
    return mean - stats.t.rvs(rounds - 1, size=DRAWS, random_state=generator) * deviation / np.sqrt(rounds)


def breakeven_interval(startups_s, base_startups_s, latencies_s, base_latencies_s, batch_size):
    """(low, high) of the break-even in images, 95%; high may be NEVER. NaN where a latency has fewer than two rounds.

    Each argument holds one value a round. A start-up that was measured once (a cold one) counts as it is: the interval then
    tells of the calls' spread alone. Seeded, so that the same rounds give the same interval.
    """
    if min(len(latencies_s), len(base_latencies_s)) < 2 or not len(startups_s) or not len(base_startups_s):
        return np.nan, np.nan
    generator = np.random.default_rng(0)
    drawn = []
    for values in (startups_s, base_startups_s, latencies_s, base_latencies_s):
        logarithms = np.log(np.maximum(np.asarray(values, dtype=float), 1e-9))
        deviation = logarithms.std(ddof=1) if len(values) > 1 else 0.0
        drawn.append(np.exp(draw_means(generator, logarithms.mean(), deviation, len(values))))
    images = breakeven_images(drawn[0], drawn[1], drawn[2] / batch_size, drawn[3] / batch_size, batch_size)
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(images, [tail, 1 - tail], method="inverted_cdf")
    return float(low), float(high)
