"""Bars and points of figures: their values, intervals and texts, and the caption's sentences on rounds and error bars."""

from collections.abc import Collection, Iterable
from typing import NamedTuple

import pandas as pd

from diffbench.data.rows import is_number
from diffbench.data.types import Row
from diffbench.statistics.intervals import TOO_FEW, Interval, is_useful
from diffbench.statistics.ratios import WHERE_STEPS_DIFFER, rate_in, unit_between, unit_of
from diffbench.tables.cells import print_failure, print_rate
from diffbench.vocabulary.badges import DIFFERENT, OTHER_IMAGE
from diffbench.vocabulary.statuses import OUTSIDE
from diffbench.vocabulary.units import IMAGES, ITERATIONS


class Mark(NamedTuple):
    """A bar or a point: its `value` (None without a number), the `text` next to it, its interval, the `sign` of a value without
    text, and the `unit` of the rates that the value comes from. `is_too_wide`: the interval is left out because it is too wide
    to be drawn."""

    value: float | None
    text: str
    interval: Interval[float] | None = None
    sign: str = ""
    unit: str = ITERATIONS
    is_too_wide: bool = False

    def limited(self) -> "Mark":
        """The mark, without an interval that is too wide."""
        if self.interval is None or is_useful(*self.interval):
            return self
        return self._replace(interval=None, is_too_wide=True)

    @property
    def end(self) -> float:
        """Where the value or its interval ends; 0 without a number."""
        return self.value or 0 if self.interval is None else max(self.value or 0, self.interval.high)


def mark_rate(row: Row | None, factor: float = 1.0) -> Mark:
    """The Mark of a row's iterations per second times `factor`, with its number or its failure as text."""
    if row is None:
        return Mark(None, OUTSIDE)
    rate = row["iterations_per_second"]
    if not is_number(rate):
        return Mark(None, print_failure(row))
    low, high = row.get("iterations_per_second_low"), row.get("iterations_per_second_high")
    if not (is_number(low) and is_number(high)):
        return Mark(rate * factor, print_rate(rate * factor))
    return Mark(rate * factor, print_rate(rate * factor), Interval(low * factor, high * factor)).limited()


def mark_in(row: Row, unit: str) -> Mark:
    """The Mark of a row's rate in `it/s`, or in `images/s`, for which a summary has no interval."""
    mark = mark_rate(row)
    if unit == ITERATIONS or mark.value is None:
        return mark
    rate = rate_in(row, unit)
    return Mark(rate, OUTSIDE if rate is None else print_rate(rate), unit=unit)


def mark_speedup(row: Row | None, base: Row | None, speedup: float | None = None) -> Mark:
    """The Mark of a row's speed-up over the row `base`.

    Its text includes the baseline's own rate: `2.03 × 21.7`, and a sign if the image differs; per image, if step counts
    differ: `4.53 × 0.41 images/s`. `speedup` is the summary's, whose unit and interval it has; by default it is the ratio of
    the two rates, with the rate's interval divided by the same denominator.
    """
    has_base = base is not None and is_number(base["iterations_per_second"]) and base["iterations_per_second"] > 0
    if row is None and base is not None and not has_base:
        return Mark(None, f"baseline: {print_failure(base)}")
    mark = mark_rate(row)
    if mark.value is None:
        return mark
    if row is None or base is None or not has_base:
        reason = f" ({print_failure(base)})" if base is not None else ""
        return Mark(None, f"{mark.text} it/s, no baseline{reason}")
    unit = unit_between(row, base) if speedup is None else unit_of(row)
    rate, own = rate_in(base, unit), mark_in(row, unit)
    if rate is None or own.value is None:
        return Mark(None, f"{mark.text} it/s, no images/s to compare")
    sign = OTHER_IMAGE if row.get("fidelity") == DIFFERENT else ""
    words = f"{sign} other image " if sign else ""
    if speedup is None:
        value = own.value / rate
        interval = Interval(own.interval.low / rate, own.interval.high / rate) if own.interval else None
        mark = Mark(value, "", interval, unit=unit, is_too_wide=own.is_too_wide)
    else:
        value = speedup
        low, high = row.get("speedup_low"), row.get("speedup_high")
        interval = Interval(low, high) if is_number(low) and is_number(high) else None
        mark = Mark(value, "", interval, unit=unit).limited()
    text = f"{words}{value:.2f} × {print_rate(rate)}" + f" {unit}" * (unit == IMAGES)
    return mark._replace(text=text, sign=sign)


def label_speedup(marks: Iterable[Mark]) -> str:
    """The label of an axis of speed-ups; it says if some of them are per image."""
    return "speed-up" + f" ({WHERE_STEPS_DIFFER})" * any(mark.unit == IMAGES for mark in marks)


def describe_rounds(rows: pd.DataFrame, marks: Collection[Mark], over: str = "") -> list[str]:
    """Sentences for the caption: the number of rounds in the medians, and the meaning of the error bars if there are any."""
    single = ""
    counts = rows.loc[(rows["status"] == "ok") & rows["device_name"].astype(str).astype(bool), "rounds"]
    sentences = []
    if len(counts) and counts.max() >= 1:
        fewest, most = int(counts.min()), int(counts.max())
        single = "; one round has none" * (fewest == 1 < most)
        counted = f"{fewest} round{'s' * (fewest > 1)}" if fewest == most else f"{fewest} to {most} rounds"
        sentences.append(f"Medians of {counted}.")
    if any(mark.interval for mark in marks):
        sentences.append(f"Error bars: 95% interval{over}, by Student's t on the logarithms of the rounds{single}.")
    if any(mark.is_too_wide for mark in marks):
        sentences.append(f"Error bars that would be too wide are left out: {TOO_FEW}.")
    return sentences
