"""Bars and points of figures: their values, intervals and texts, and what a caption says of rounds and error bars."""

from typing import NamedTuple

from diffbench.data.rows import is_number
from diffbench.statistics.intervals import TOO_FEW, is_useful
from diffbench.statistics.ratios import WHERE_STEPS_DIFFER, rate_in, unit_between, unit_of
from diffbench.tables.cells import print_failure, print_rate
from diffbench.vocabulary.badges import DIFFERENT, OTHER_IMAGE
from diffbench.vocabulary.statuses import OUTSIDE
from diffbench.vocabulary.units import IMAGES, ITERATIONS


class Mark(NamedTuple):
    """A bar or a point: `value` with the `low` and `high` of its interval, or None each; `text` is what is written there,
    and `sign` what must not be overlooked beside a value without text; `unit` is that of the rates it was made of. `wide`: the
    interval is left out, for it is too wide to be drawn."""

    value: float | None
    low: float | None
    high: float | None
    text: str
    sign: str = ""
    unit: str = ITERATIONS
    wide: bool = False

    def limited(self):
        """The mark, without its interval if that is too wide."""
        if self.low is None or is_useful(self.low, self.high):
            return self
        return self._replace(low=None, high=None, wide=True)


def mark_rate(row, factor=1.0):
    """The Mark of a row's iterations per second times `factor`, written as number or as what failed."""
    if row is None:
        return Mark(None, None, None, OUTSIDE)
    rate = row["iterations_per_second"]
    if not is_number(rate):
        return Mark(None, None, None, print_failure(row))
    low, high = row.get("iterations_per_second_low"), row.get("iterations_per_second_high")
    if not (is_number(low) and is_number(high)):
        return Mark(rate * factor, None, None, print_rate(rate * factor))
    return Mark(rate * factor, low * factor, high * factor, print_rate(rate * factor)).limited()


def mark_in(row, unit):
    """The Mark of a row's rate in `it/s`, or in `images/s`, of which a summary has no interval."""
    mark = mark_rate(row)
    if unit == ITERATIONS or mark.value is None:
        return mark
    rate = rate_in(row, unit)
    return Mark(rate, None, None, OUTSIDE if rate is None else print_rate(rate), unit=unit)


def mark_speedup(row, base, speedup=None):
    """The Mark of a row's speed-up over the row `base`.

    Its text holds the baseline's own rate: `2.03 × 21.7`, and a sign where the image is another; per image, where step counts
    differ, `4.53 × 0.41 images/s`. `speedup` is the summary's, whose unit and interval it has; by default it is the ratio of
    the two rates, with the rate's interval over the same denominator.
    """
    based = base is not None and is_number(base["iterations_per_second"]) and base["iterations_per_second"] > 0
    if row is None and base is not None and not based:
        return Mark(None, None, None, f"baseline: {print_failure(base)}")
    mark = mark_rate(row)
    if mark.value is None:
        return mark
    if not based:
        why = f" ({print_failure(base)})" if base is not None else ""
        return Mark(None, None, None, f"{mark.text} it/s, no baseline{why}")
    unit = unit_between(row, base) if speedup is None else unit_of(row)
    rate, own = rate_in(base, unit), mark_in(row, unit)
    if rate is None or own.value is None:
        return Mark(None, None, None, f"{mark.text} it/s, no images/s to compare")
    sign = OTHER_IMAGE if row.get("fidelity") == DIFFERENT else ""
    words = f"{sign} other image " if sign else ""
    if speedup is None:
        low, high = (None if end is None else end / rate for end in (own.low, own.high))
        scaled = Mark(own.value / rate, low, high, "", unit=unit, wide=own.wide)
    else:
        low, high = row.get("speedup_low"), row.get("speedup_high")
        scaled = Mark(
            speedup, *((low, high) if is_number(low) and is_number(high) else (None, None)), "", unit=unit
        ).limited()
    text = f"{words}{scaled.value:.2f} × {print_rate(rate)}" + f" {unit}" * (unit == IMAGES)
    return scaled._replace(text=text, sign=sign)


def label_speedup(marks):
    """The label of an axis of speed-ups: whether some of them are per image."""
    return "speed-up" + f" ({WHERE_STEPS_DIFFER})" * any(mark.unit == IMAGES for mark in marks)


def describe_rounds(rows, marks, over=""):
    """Sentences for the caption: of how many rounds the medians are, and what the error bars are where there are any."""
    single = ""
    counts = rows.loc[(rows["status"] == "ok") & rows["device_name"].astype(str).astype(bool), "rounds"]
    sentences = []
    if len(counts) and counts.max() >= 1:
        few, many = int(counts.min()), int(counts.max())
        single = "; one round has none" * (few == 1 < many)
        counted = f"{few} round{'s' * (few > 1)}" if few == many else f"{few} to {many} rounds"
        sentences.append(f"Medians of {counted}.")
    if any(mark.low is not None for mark in marks):
        sentences.append(f"Error bars: 95% interval{over}, by Student's t on the logarithms of the rounds{single}.")
    if any(mark.wide for mark in marks):
        sentences.append(f"Error bars that would be too wide are left out: {TOO_FEW}.")
    return sentences
