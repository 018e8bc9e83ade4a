"""Bars: speed-ups by pipeline, speed-ups by GPU, and rates by pipeline."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from diffbench.tables.cells import Cells
from diffbench.tables.keys import Column
from diffbench.tables.tables import columns_of
from diffbench.vocabulary.units import IMAGES

from .marks import Mark
from .style import HATCHES, SMALL, Style, colour_of, finish, grid_of, shown, text_width

PANEL, BAR, GAP = 2.6, 0.115, 0.12  # inches: width of a panel, height of a bar, space between groups of bars
PER_ROW = 4  # panels next to each other
BESIDE_STYLE: Style = {  # on a background that hides the line at 1 and an interval that leaves the panel
    "textcoords": "offset points",
    "fontsize": SMALL,
    "zorder": 5,
    "bbox": {"facecolor": "white", "edgecolor": "none", "pad": 0.4},
}
BESIDE = "Next to each bar: speed-up × the baseline's iterations per second"


class BarPanel(NamedTuple):
    """A panel of bars: `groups` from top to bottom with their printed `names`; `mark_of` finds their numbers by `key`."""

    title: str
    groups: list[Any]
    names: dict[Any, str]
    key: Any


def bar_style(columns: Sequence[Column], column: Column) -> Style:
    index = columns.index(column)
    return {"facecolor": colour_of(index), "hatch": HATCHES[index % len(HATCHES)], "edgecolor": "white", "linewidth": 0}


def group_height(count: int) -> float:
    """Inches of a group of `count` bars with its gap; two lines of its label fit."""
    return max(count * BAR + GAP, 0.28)


def draw_bars(
    axes: Axes,
    groups: Sequence[Any],
    columns: Sequence[Column],
    styles: Mapping[Column, Style],
    marks: Mapping[tuple[Any, Column], Mark],
    limit: float,
) -> None:
    """Horizontal bars from top to bottom, grouped; `marks` maps (group, column) to a Mark, `limit` ends the axis."""
    share = BAR / group_height(len(columns))
    for place, group in enumerate(groups):
        for index, column in enumerate(columns):
            mark = marks[(group, column)]
            y = place + (index - (len(columns) - 1) / 2) * share
            if mark.value is not None:
                axes.barh(y, mark.value, share, zorder=3, **styles[column])
            if mark.value is not None and mark.interval:
                spread = [[mark.value - mark.interval.low], [mark.interval.high - mark.value]]
                axes.errorbar(mark.value, y, xerr=spread, color="black", linewidth=0.7, capsize=1.5, zorder=4)
            axes.annotate(mark.text, (mark.end, y), (2, 0), va="center_baseline", **BESIDE_STYLE)
    axes.set_ylim(len(groups) - 0.45, -0.55)
    axes.set_xlim(0, limit)
    axes.set_yticks(range(len(groups)), [])
    axes.tick_params(axis="y", length=0)


def limit_of(marks: Collection[Mark]) -> float:
    """Where the axis must end so that the bars and the text next to them fit into a panel."""
    width = PANEL * 72 - 4
    ends = [(mark.end, min(text_width(mark.text), 0.7 * width)) for mark in marks]
    return max(
        [(max((end for end, _ in ends), default=0) or 1) * 1.02, *(end * width / (width - text) for end, text in ends)]
    )


def describe_beside(marks: Iterable[Mark]) -> str:
    """A sentence for the caption: the meaning of the text next to the bars of speed-ups."""
    return BESIDE + f", or images per second where it says {IMAGES}" * any(mark.unit == IMAGES for mark in marks) + "."


def draw_panels(
    title: str,
    caption: Callable[[list[Mark]], list[str]],
    cells: Cells,
    panels: Sequence[Sequence[BarPanel]],
    columns: Sequence[Column],
    mark_of: Callable[[Any, Any, Column], Mark],
    label_of_axis: Callable[[list[Mark]], str],
    share_limit: bool,
) -> Figure:
    """A figure of rows of panels; `mark_of(key, group, column)` is the Mark of a bar, `label_of_axis(marks)` the label of their
    axis; `share_limit`: all axes end at the same number."""
    every = columns_of(cells.summary)
    styles = {column: bar_style(every, column) for column in columns}
    marks = [
        [
            {(group, column): mark_of(panel.key, group, column) for group in panel.groups for column in columns}
            for panel in row
        ]
        for row in panels
    ]
    flat = [mark for row in marks for of_panel in row for mark in of_panel.values()]
    heights = [max(len(panel.groups) for panel in row) * group_height(len(columns)) + 0.1 for row in panels]
    figure, grid = grid_of([PANEL] * max(map(len, panels)), heights)
    for row, row_marks, row_axes in zip(panels, marks, grid):
        for axes in row_axes[len(row) :]:
            axes.set_visible(False)
        for index, (panel, panel_marks, axes) in enumerate(zip(row, row_marks, row_axes)):
            limit = limit_of(flat if share_limit else panel_marks.values())
            draw_bars(axes, panel.groups, columns, styles, panel_marks, limit)
            if index == 0:
                axes.set_yticklabels([shown(panel.names[group], 24, 2) for group in panel.groups])
            axes.set_title(shown(panel.title, 38))
            axes.set_xlabel(label_of_axis(flat))
            if share_limit:
                axes.axvline(1, color="black", linewidth=0.8, linestyle="--", zorder=1)
    handles = [(Patch(**styles[column]), cells.name_column(column)) for column in columns]
    return finish(figure, title, caption(flat), handles)
