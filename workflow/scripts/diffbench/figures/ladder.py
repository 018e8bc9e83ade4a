"""The ladder as a waterfall: each step is a bar from the rate of the step before to its own; one panel per ladder."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from diffbench.catalogue.labels import Labels, label_of
from diffbench.data.types import Baseline
from diffbench.statistics.ratios import rate_in
from diffbench.tables.cells import Cells, describe_origin, print_failure
from diffbench.tables.ladder import Step, ladders_of, name_ladder, unit_of_ladder
from diffbench.vocabulary.badges import DIFFERENT, OTHER_IMAGE
from diffbench.vocabulary.statuses import OUTSIDE
from diffbench.vocabulary.units import IMAGES

from .bars import BESIDE_STYLE, PANEL, PER_ROW, limit_of
from .marks import Mark, describe_rounds, mark_in
from .style import Style, blank, colour_of, finish, grid_of, shown, styled

HEIGHT, THICK = 0.22, 0.62  # inches of a step, and its bar's share of them
TITLE = "Ladder: speed, step by step"
FIRST, RISE, FALL = "first step", "faster than the step before", "slower than the step before"
STYLES: dict[str, Style] = {  # the hatch distinguishes them in black and white
    FIRST: {"facecolor": "0.6", "edgecolor": "white", "linewidth": 0},
    RISE: {"facecolor": colour_of(0), "edgecolor": "white", "linewidth": 0},
    FALL: {"facecolor": colour_of(1), "hatch": "////", "edgecolor": "white", "linewidth": 0},
}


class Bar(NamedTuple):
    """A step in the unit of its ladder: its own rate, that of the last step before with one, and that of the first; None for
    each that is missing."""

    step: Step
    rate: float | None
    before: float | None
    first: float | None


def bars_of(steps: Iterable[Step], unit: str) -> list[Bar]:
    """The Bars of a ladder."""
    return [Bar(step, *(rate_in(row, unit) for row in (step.row, step.before, step.first))) for step in steps]


def mark_bar(bar: Bar, unit: str) -> Mark:
    """The Mark of a Bar: its value is the far end of the bar, its text the rate and its ratio to the first step's."""
    row = bar.step.row
    if row is None or bar.rate is None:
        return Mark(bar.before, OUTSIDE if row is None else print_failure(row))
    mark = mark_in(row, unit)
    of_first = f" ({bar.rate / bar.first:.2f}x)" if bar.first else ""
    sign = f"{OTHER_IMAGE} " if row["fidelity"] == DIFFERENT else ""
    return mark._replace(value=max(bar.rate, bar.before or 0), text=f"{sign}{mark.text}{of_first}")


def kind_of(bar: Bar) -> str:
    """FIRST, RISE or FALL; the first step with a number is FIRST."""
    if bar.before is None:
        return FIRST
    return RISE if (bar.rate or 0) >= bar.before else FALL


def draw_bars(axes: Axes, bars: Sequence[Bar], marks: Sequence[Mark], limit: float) -> None:
    """The Bars of one ladder from top to bottom, joined by lines where the next one begins."""
    for place, (bar, mark) in enumerate(zip(bars, marks)):
        end, level = mark.value or 0, bar.rate if bar.rate is not None else bar.before
        if bar.rate is not None:
            start = bar.before or 0
            axes.barh(place, bar.rate - start, THICK, left=start, zorder=3, **STYLES[kind_of(bar)])
            if mark.interval:
                spread = [[bar.rate - mark.interval.low], [mark.interval.high - bar.rate]]
                axes.errorbar(bar.rate, place, xerr=spread, color="black", linewidth=0.7, capsize=1.5, zorder=4)
                end = mark.end
        if level is not None and place + 1 < len(bars):
            axes.plot([level, level], [place, place + 1], color="0.4", linewidth=0.7, zorder=2)
        axes.annotate(mark.text, (end, place), (3, 0), va="center_baseline", **BESIDE_STYLE)
    axes.set_ylim(len(bars) - 0.45, -0.55)
    axes.set_xlim(0, limit)
    axes.set_yticks(range(len(bars)), [])
    axes.tick_params(axis="y", length=0)


@styled
def draw_ladder(summary: pd.DataFrame, labels: Labels, baseline: Baseline) -> Figure:
    """Every ladder of a dataset, one panel each; a sign marks an image that differs from the baseline's."""
    if not len(summary):
        return blank(TITLE, "no data")
    cells = Cells(summary, labels)
    ladders = list(ladders_of(cells).items())
    rows = [ladders[start : start + PER_ROW] for start in range(0, len(ladders), PER_ROW)]
    names = [shown(label_of(labels, "variants", variant), 28, 1) for variant in cells.unique("variant")]
    figure, grid = grid_of([PANEL] * len(rows[0]), [len(names) * HEIGHT + 0.1] * len(rows))
    every: list[Mark] = []
    kinds, units = set(), set()
    for row, row_axes in zip(rows, grid):
        for axes in row_axes[len(row) :]:
            axes.set_visible(False)
        for (key, steps), axes in zip(row, row_axes):
            unit = unit_of_ladder(steps)
            bars = bars_of(steps, unit)
            marks = [mark_bar(bar, unit) for bar in bars]
            draw_bars(axes, bars, marks, limit_of(marks))
            axes.set_title(shown(name_ladder(cells, key), 38))
            axes.set_xlabel("images per second" if unit == IMAGES else "iterations per second")
            every += marks
            units.add(unit)
            kinds |= {kind_of(bar) for bar in bars if bar.rate is not None}
        row_axes[0].set_yticklabels(names)
    notes = ["Next to each bar: the step's rate (speed-up over the first step).", *describe_rounds(summary, every)]
    notes += ["If step counts differ, rates are images per second of whole calls."] * (IMAGES in units)
    notes += [f"{OTHER_IMAGE}: the image differs from the baseline's."] * any(
        mark.text.startswith(OTHER_IMAGE) for mark in every
    )
    caption = [" ".join(notes), *describe_origin(summary, cells)]
    return finish(figure, TITLE, caption, [(Patch(**STYLES[kind]), kind) for kind in STYLES if kind in kinds])
