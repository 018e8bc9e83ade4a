"""Panels of lines over batch sizes, with failures below them."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from matplotlib.transforms import ScaledTranslation

from diffbench.tables.cells import ALL, Cells
from diffbench.tables.keys import Group

from .marks import Mark
from .style import CHARACTER, DASHES, MARKERS, SMALL, Style, blank, colour_of, finish, grid_of, shown, text_width

HEIGHT, STEP = 1.6, 0.95  # inches: height of a panel without its failures, width of a batch size
LINE = 8.5  # points of a line of text below the axis
DODGE = 0.06  # between lines at the same batch size, in steps of the axis


Lines = dict[Group, dict[int, Mark]]  # {group: {batch size: Mark}}


class Scale(NamedTuple):
    """The vertical axis of a row of panels: its ends in the unit of its numbers, and the height in points of the failures
    below it."""

    floor: float
    top: float
    points_below: float


class Panel(NamedTuple):
    """A panel of lines over batch sizes, one per pipeline."""

    title: str
    lines: Lines
    ylabel: str


def line_style(index: int) -> Style:
    return {
        "color": colour_of(index),
        "marker": MARKERS[index % len(MARKERS)],
        "linestyle": DASHES[index % len(DASHES)],
    }


def failures_of(lines: Mapping[Group, Mapping[int, Mark]]) -> dict[int, list[tuple[Group, str]]]:
    """{x: [(name, text)]} of the points without a number, texts wrapped to the width of a batch size."""
    width = int((STEP * 72 - 14) / (SMALL * CHARACTER))
    failed: dict[int, list[tuple[Group, str]]] = {}
    for name, points in lines.items():
        for x, mark in points.items():
            if mark.value is None:
                failed.setdefault(x, []).append((name, shown(mark.text, width, 4)))
    return failed


def room_for_failures(lines: Mapping[Group, Mapping[int, Mark]]) -> float:
    """The height of a panel's failures in points."""
    counts = [sum(1 + text.count("\n") for _, text in failed) for failed in failures_of(lines).values()]
    return LINE * max(counts) + 4 if counts else 0


def draw_points(
    axes: Axes, lines: Mapping[Group, Mapping[int, Mark]], styles: Mapping[Group, Style], count: int
) -> None:
    """Lines over `count` batch sizes, interrupted if there is no number; `lines` maps a name to {x: Mark}."""
    for index, (name, points) in enumerate(lines.items()):
        shift = (index - (len(lines) - 1) / 2) * min(DODGE, 0.5 / len(lines))
        marks = [points.get(x, Mark(None, "")) for x in range(count)]
        values = [float("nan") if mark.value is None else mark.value for mark in marks]
        axes.plot([x + shift for x in range(count)], values, **styles[name], markersize=4, linewidth=1)
        for x, mark in enumerate(marks):
            if mark.sign and mark.value is not None:
                axes.annotate(
                    f"{mark.sign} other image",
                    (x + shift, mark.value),
                    (4, 3),
                    textcoords="offset points",
                    fontsize=SMALL,
                )
            if mark.value is not None and mark.interval:
                spread = [[mark.value - mark.interval.low], [mark.interval.high - mark.value]]
                axes.errorbar(x + shift, mark.value, spread, color=styles[name]["color"], linewidth=0.7, capsize=1.5)


def draw_failures(
    axes: Axes, lines: Mapping[Group, Mapping[int, Mark]], styles: Mapping[Group, Style], floor: float, unit: float
) -> None:
    """Failures, below `floor` at their batch size, after the marker of their line; a point is `unit` high."""
    for x, failed in failures_of(lines).items():
        y = floor - 2 * unit
        for name, text in failed:
            left = ScaledTranslation(-(text_width(text) / 2 + 5) / 72, 0, axes.figure.dpi_scale_trans)
            axes.plot(x, y - LINE / 2 * unit, **styles[name], markersize=3.5, transform=axes.transData + left)
            axes.annotate(text, (x, y), ha="center", va="top", fontsize=SMALL, linespacing=1.15)
            y -= LINE * unit * (1 + text.count("\n"))


def draw_panel(axes: Axes, panel: Panel, styles: Mapping[Group, Style], sizes: Sequence[int], scale: Scale) -> None:
    """One panel, on the axis of its row."""
    floor, top, below = scale
    lines = {name: {sizes.index(size): mark for size, mark in points.items()} for name, points in panel.lines.items()}
    unit = (top - floor) / (HEIGHT * 72)
    draw_points(axes, lines, styles, len(sizes))
    draw_failures(axes, lines, styles, floor, unit)
    if below:
        axes.axhline(floor, color="black", linewidth=0.8)
    axes.set_xlim(-0.6, len(sizes) - 0.4)
    axes.set_ylim(floor - below * unit, top)
    axes.set_yticks([tick for tick in MaxNLocator(5).tick_values(floor, top) if floor <= tick <= top])
    axes.set_xticks(range(len(sizes)), [str(size) for size in sizes])
    axes.set(title=shown(panel.title, int(width_of(sizes) * 14)), xlabel="batch size")


def width_of(sizes: Sequence[int]) -> float:
    """Inches of a panel."""
    return max(2.2, STEP * len(sizes))


def scale_of(row: Sequence[Panel], line: float | None) -> Scale:
    """The axis of a row's panels: from zero, or from below the thin line if there is one."""
    marks = [mark for panel in row for mark in marks_of(panel)]
    top = 1.1 * max([line or 0, *(mark.end for mark in marks)]) or 1
    lows = [(mark.interval and mark.interval.low) or mark.value for mark in marks if mark.value is not None]
    floor = 0.9 * min([line, *lows]) if line else 0
    return Scale(floor, top, max(room_for_failures(panel.lines) for panel in row))


def draw_lines(
    title: str,
    caption: Callable[[list[Mark]], list[str]],
    cells: Cells,
    rows: Sequence[Sequence[Panel]],
    line: float | None = None,
) -> Figure:
    """A figure of rows of Panels; each row shares an axis. `line`: the value of a thin line."""
    if not rows:
        return blank(title, "no data")
    sizes = sorted(cells.unique("batch_size"))
    drawn = {group for row in rows for panel in row for group in panel.lines}
    groups = [Group(pipeline, stage) for pipeline in cells.unique("pipeline") for stage in (1, ALL)]
    names = [group for group in groups if group in drawn]
    styles = {name: line_style(index) for index, name in enumerate(names)}
    scales = [scale_of(row, line) for row in rows]
    heights = [HEIGHT + scale.points_below / 72 for scale in scales]
    figure, grid = grid_of([width_of(sizes)] * max(map(len, rows)), heights)
    for row, scale, height, row_axes in zip(rows, scales, heights, grid):
        for panel, axes in zip(row, row_axes):
            draw_panel(axes, panel, styles, sizes, scale)
            if line is not None:
                axes.axhline(line, color="black", linewidth=0.8, linestyle="--")
            if axes is not row_axes[0]:
                axes.tick_params(labelleft=False)
        row_axes[0].set_ylabel(row[0].ylabel, y=1 - HEIGHT / height / 2)
        for axes in row_axes[len(row) :]:
            axes.set_visible(False)
    handles = [(Line2D([], [], **styles[name]), cells.name_group(name)) for name in names]
    return finish(figure, title, caption([mark for row in rows for panel in row for mark in marks_of(panel)]), handles)


def marks_of(panel: Panel) -> list[Mark]:
    return [mark for points in panel.lines.values() for mark in points.values()]
