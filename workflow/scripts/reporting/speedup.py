"""Speed-ups against the baseline, with interval and verdict."""

import numpy as np

from columns import CELL

from .intervals import rounds_needed, speedup_interval, verdicts

KEY = [*CELL, "stage"]


def is_baseline(frame, baseline):
    """Which rows are the baseline's own: an array of booleans."""
    return np.all([frame[column] == value for column, value in baseline.items()], axis=0)


def beside_baseline(summary, baseline, columns):
    """The `columns` of each row, and with the suffix `_base` those of the baseline's row for it; in the order of `summary`."""
    others = [column for column in KEY if column not in baseline]
    reference = summary[is_baseline(summary, baseline)]
    return summary[[*others, *columns]].merge(
        reference[[*others, *columns]], on=others, how="left", suffixes=("", "_base")
    )


def speedups(summary, baseline):
    """Iterations per second over those of the baseline's cell; NaN where either has no number. Same order as `summary`."""
    pairs = beside_baseline(summary, baseline, ["iterations_per_second"])
    ratio = pairs["iterations_per_second"] / pairs["iterations_per_second_base"]
    return ratio.to_numpy(dtype=float, na_value=np.nan)


def compare(summary, baseline):
    """The columns `speedup`, `speedup_low`, `speedup_high`, `verdict` and `rounds_needed`, in the order of `summary`.

    The baseline is compared with nothing: it has a speed-up of 1, and neither interval nor verdict.
    """
    pairs = beside_baseline(summary, baseline, ["log_mean", "log_deviation", "rounds"])
    values = [pairs[column].to_numpy(dtype=float, na_value=np.nan) for column in pairs.columns[-6:]]
    speedup = speedups(summary, baseline)
    own = is_baseline(summary, baseline)
    low, high = (np.where(own, np.nan, end) for end in speedup_interval(*values))
    low, high = np.minimum(low, speedup), np.maximum(high, speedup)
    verdict = verdicts(low, high)
    fewest = np.fmin(values[2], values[5])
    needed = [
        rounds_needed(ratio, deviation, base, more_than=rounds) if text == "unclear" else np.nan
        for text, ratio, deviation, base, rounds in zip(verdict, speedup, values[1], values[4], fewest)
    ]
    return {
        "speedup": speedup,
        "speedup_low": low,
        "speedup_high": high,
        "verdict": verdict,
        "rounds_needed": np.asarray(needed, dtype=float),
    }
