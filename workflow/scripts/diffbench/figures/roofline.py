"""The roofline: how close each cell comes to the measured ceiling of its device."""

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from diffbench.catalogue.labels import Labels, label_of, torch_label
from diffbench.data.ceilings import LIMITS
from diffbench.data.rows import records
from diffbench.data.types import Baseline, Row
from diffbench.tables.cells import Cells, describe_origin, is_number, joined, print_failure, print_rate
from diffbench.tables.keys import Column, Group

from .marks import describe_rounds
from .style import MARKERS, SMALL, Style, blank, colour_of, finish, grid_of, shown, styled

TITLE = "How close each cell comes to its device's measured ceiling"
WORK = ["step_gflop", "step_mib", "achieved_tflops", *LIMITS]
WIDTH, HEIGHT = 4.2, 3.0  # inches of a panel
PER_ROW = 2  # panels next to each other
SHARES = [(1, "-"), (0.5, "--"), (0.1, ":")]  # of the ceiling that have a line
FILLS = ["none", "full", "left", "bottom", "right", "top"]  # variants differ without colour
DIAMETERS = [4, 6, 8, 10, 12]  # points; of batch sizes, from the smallest
ROOFS = (
    "Solid line: the ceiling measured on a device of this name with the same torch build, by a large copy where it slants "
    "and a large matrix product where it is level. Dashed: 50% of it; dotted: 10%. FLOP: for one denoising step. Bytes: the "
    "minimum that such a step must move, every weight, input and output once. Activations that leave the caches add to it, "
    "so a cell can be below the slanted line even though compute does not limit it."
)


def has_point(row: Row) -> bool:
    """Whether a row (a dictionary) has everything that its point requires."""
    return all(is_number(row.get(column)) and row[column] > 0 for column in WORK)


def intensity_of(row: Row) -> float:
    """FLOP per byte of a denoising step."""
    return row["step_gflop"] * 1e9 / (row["step_mib"] * 2**20)


def roof(intensity: Any, tflops: float, gib_per_second: float) -> Any:
    """TFLOP/s that a device can reach at an intensity (FLOP per byte)."""
    return np.minimum(tflops, intensity * gib_per_second * 2**30 / 1e12)


def limits_of(values: Sequence[float]) -> tuple[float, float]:
    """The ends of a logarithmic axis with room around the values."""
    room = (max(values) / min(values)) ** 0.06 * 1.15
    return min(values) / room, max(values) * room


def draw_roofs(axes: Axes, points: Iterable[Row], ends: tuple[float, float]) -> None:
    """The ceilings of a panel's rows, which are the same for all rows of one dtype, and shares of them."""
    x = np.geomspace(*ends, 400)
    for tflops, gib_per_second in dict.fromkeys(tuple(row[column] for column in LIMITS) for row in points):
        for share, dashes in SHARES:
            y = share * roof(x, tflops, gib_per_second)
            axes.plot(x, y, color="black" if share == 1 else "grey", linestyle=dashes, linewidth=0.9, zorder=1)
        text = f"{print_rate(tflops)} TFLOP/s, {print_rate(gib_per_second)} GiB/s"
        end = x[-1], roof(x[-1], tflops, gib_per_second)
        axes.annotate(text, end, (0, 2), textcoords="offset points", ha="right", fontsize=SMALL)


def scale_axis(axis: Any, ends: tuple[float, float]) -> None:
    """A logarithmic axis with plain numbers, no more than fit."""
    axis.set_major_locator(LogLocator(subs=(1, 2, 5) if math.log10(ends[1] / ends[0]) < 2 else (1,)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def draw_panel(axes: Axes, title: str, points: Sequence[Row], styles: Callable[[Row], Style]) -> None:
    """One device and torch build; `styles(row)` gives the style of a row's point."""
    intensities = [intensity_of(row) for row in points]
    ridges = [row["matmul_tflops"] * 1e12 / (row["copy_gib_per_second"] * 2**30) for row in points]
    ends = limits_of([*intensities, *(ridge * factor for ridge in ridges for factor in (0.5, 2))])
    draw_roofs(axes, points, ends)
    for row in sorted(points, key=lambda row: -row["batch_size"]):  # the small points above the large ones
        axes.plot(intensity_of(row), row["achieved_tflops"], linestyle="", zorder=3, **styles(row))
    heights = limits_of([row[column] for row in points for column in ("achieved_tflops", "matmul_tflops")])
    axes.set(xscale="log", yscale="log", xlim=ends, ylim=heights, title=shown(title, 50))
    axes.set(xlabel="FLOP per byte that must move", ylabel="TFLOP/s")
    scale_axis(axes.xaxis, ends)
    scale_axis(axes.yaxis, heights)


def style_of(cells: Cells, points: Sequence[Row]) -> tuple[Callable[[Row], Style], list[tuple[Line2D, str]]]:
    """The function that gives a row the style of its point (marker by pipeline, colour and fill by variant, size by batch size),
    and the legend."""
    groups, variants, sizes = (
        list(dict.fromkeys(values))
        for values in (
            (Group(row["pipeline"], row["stage"]) for row in points),
            (row["variant"] for row in points),
            sorted(row["batch_size"] for row in points),
        )
    )

    def style(group: int = 0, variant: int = 0, size: int = 1, colour: str | None = None) -> Style:
        edge = colour or colour_of(variant)
        return {
            "marker": MARKERS[group % len(MARKERS)],
            "markeredgecolor": edge,
            "markerfacecolor": to_rgba(edge, 0.6),  # so that overlapping points can be seen
            "fillstyle": FILLS[variant % len(FILLS)],
            "markerfacecoloralt": "white",
            "markersize": DIAMETERS[min(size, len(DIAMETERS) - 1)],
            "markeredgewidth": 0.8,
        }

    def styles(row: Row) -> Style:
        group = groups.index(Group(row["pipeline"], row["stage"]))
        return style(group, variants.index(row["variant"]), sizes.index(row["batch_size"]))

    entries = [(style(group=index, colour="black"), cells.name_group(name)) for index, name in enumerate(groups)]
    entries += [
        (style(variant=index), label_of(cells.labels, "variants", variant)) for index, variant in enumerate(variants)
    ]
    entries += [(style(size=index, colour="grey"), f"batch size {size}") for index, size in enumerate(sizes)]
    return styles, [(Line2D([], [], linestyle="", **keys), name) for keys, name in entries]


def describe_missing(cells: Cells, rows: Iterable[Row]) -> list[str]:
    """A sentence for the caption: the rows that have no point, and why."""
    missing: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        reason = print_failure(row) if not is_number(row["iterations_per_second"]) else "its work or ceiling is unknown"
        gpu = label_of(cells.labels, "gpus", row["gpu"])
        place = f"{gpu}, {cells.name_group(Group(row['pipeline'], row['stage']))}, batch size {row['batch_size']}"
        missing.setdefault((place, reason), []).append(cells.name_column(Column(row["torch"], row["variant"])))
    texts = [f"{place} ({joined(columns)}): {reason}" for (place, reason), columns in missing.items()]
    return [f"Not shown: {'; '.join(texts)}."] if texts else []


@styled
def draw_roofline(summary: pd.DataFrame, labels: Labels, baseline: Baseline) -> Figure:
    """TFLOP/s against FLOP per byte, below the ceiling: one panel per GPU and torch build."""
    rows = records(summary)
    points = list(filter(has_point, rows))
    if not points:
        return blank(TITLE, "no cell has both its work and its device's ceiling measured" if rows else "no data")
    cells = Cells(summary, labels)
    styles, handles = style_of(cells, points)
    panels: dict[tuple[str, str], list[Row]] = {}
    for row in points:
        panels.setdefault((row["gpu"], row["torch"]), []).append(row)
    keys = list(panels)
    lines = [keys[start : start + PER_ROW] for start in range(0, len(keys), PER_ROW)]
    figure, grid = grid_of([WIDTH] * max(map(len, lines)), [HEIGHT] * len(lines))
    for line, row_axes in zip(lines, grid):
        for key, axes in zip(line, row_axes):
            title = f"{cells.name_gpu(key[0])}, torch {torch_label(summary, key[1])}"
            draw_panel(axes, title, panels[key], styles)
        for axes in row_axes[len(line) :]:
            axes.set_visible(False)
    missing = [row for row in rows if not has_point(row)]
    caption = [ROOFS, *describe_rounds(summary, []), *describe_missing(cells, missing)]
    return finish(figure, TITLE, [*caption, *describe_origin(summary, cells)], handles)
