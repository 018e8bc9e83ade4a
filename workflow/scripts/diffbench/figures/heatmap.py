"""Heat map: the speed-up of each pipeline on each GPU, with failures as text."""

from collections.abc import Sequence

import matplotlib
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from diffbench.catalogue.labels import Labels
from diffbench.data.rows import is_number
from diffbench.data.types import Baseline
from diffbench.statistics.ratios import WHERE_STEPS_DIFFER
from diffbench.tables.cells import Cells, describe_origin
from diffbench.tables.keys import Column, Group
from diffbench.vocabulary.badges import OTHER_IMAGE
from diffbench.vocabulary.statuses import OUTSIDE
from diffbench.vocabulary.units import IMAGES

from .baseline import base_of, title_of
from .marks import Mark, describe_rounds, mark_speedup
from .style import SMALL, Style, blank, finish, grid_of, shown, styled

WIDTH, HEIGHT = 0.85, 0.42  # inches of a cell
COLOURS = "Blues"  # from light to dark: ordered in black and white too


def shown_column(cells: Cells, baseline: Baseline) -> Column:
    """The column of the heat map: the last variant that is not the baseline's, with the newest torch that has it."""
    variants = cells.unique("variant")
    others = [variant for variant in variants if variant != baseline.get("variant")]
    variant = (others or variants)[-1]
    return Column(cells.newest_torch(variant), variant)


def draw_cells(axes: Axes, marks: Sequence[Sequence[Mark]], scale: LogNorm) -> None:
    """The cells of a panel, coloured by their value; `marks` is a list of rows of Marks."""
    values = np.array([[np.nan if mark.value is None else mark.value for mark in row] for row in marks], dtype=float)
    limits = {"norm": scale, "vmin": scale.vmin, "vmax": scale.vmax}
    sns.heatmap(
        values, mask=np.isnan(values), cmap=COLOURS, **limits, cbar=False, linewidths=1, linecolor="white", ax=axes
    )
    colours = matplotlib.colormaps[COLOURS]
    for y, row in enumerate(marks):
        for x, mark in enumerate(row):
            dark = mark.value is not None and sum(colours(scale(mark.value))[:3]) < 1.6
            text = shown(mark.text if mark.value is None else f"{mark.sign} {mark.value:.2f}".strip(), 13, 3)
            size = SMALL if mark.value is None else 9
            colour = "white" if dark else "black"
            if mark.value is None and mark.text != OUTSIDE:
                frame: Style = {"facecolor": "white", "edgecolor": "0.4", "linewidth": 0.7}
                axes.add_patch(Rectangle((x + 0.03, y + 0.06), 0.94, 0.88, **frame))
            axes.text(x + 0.5, y + 0.5, text, ha="center", va="center", fontsize=size, color=colour)


@styled
def draw_heatmap(summary: pd.DataFrame, labels: Labels, baseline: Baseline) -> Figure:
    """GPU by pipeline, one panel per batch size: the speed-up of the last variant, newest torch, over the baseline."""
    if not len(summary):
        return blank(title_of(summary, labels, baseline), "no data")
    cells = Cells(summary, labels)
    column = shown_column(cells, baseline)
    base = base_of(column, baseline)
    part = summary[[pair in (column, base) for pair in zip(summary["torch"], summary["variant"])]]
    sizes, gpus = sorted(part["batch_size"].unique().tolist()), list(part["gpu"].unique())
    groups = {
        size: [group for group in cells.groups(batch_size=size) if group.pipeline in set(part["pipeline"])]
        for size in sizes
    }

    def mark_of(gpu: str, size: int, group: Group) -> Mark:
        row = cells.get(gpu, size, group, column)
        speedup = row["speedup"] if row is not None and is_number(row["speedup"]) else None
        return mark_speedup(row, cells.get(gpu, size, group, base), speedup)

    marks = {size: [[mark_of(gpu, size, group) for group in groups[size]] for gpu in gpus] for size in sizes}
    every = [mark for rows in marks.values() for row in rows for mark in row]
    numbers = [mark.value for mark in every if mark.value is not None]
    scale = LogNorm(max(min([1.0, *numbers]), 1e-3), max([1.1, *numbers]), clip=True)
    widest = max(map(len, groups.values()))
    figure, grid = grid_of([widest * WIDTH], [len(gpus) * HEIGHT] * len(sizes))
    for size, axes in zip(sizes, grid[:, 0]):
        draw_cells(axes, marks[size], scale)
        axes.set_title(f"batch size {size}")
        axes.set_xlim(0, widest)
        axes.set_xticks(
            [index + 0.5 for index in range(len(groups[size]))],
            [shown(cells.name_group(group), 13, 3) for group in groups[size]],
            rotation=0,
        )
        axes.set_yticks(
            [index + 0.5 for index in range(len(gpus))], [shown(cells.name_gpu(gpu), 20, 2) for gpu in gpus], rotation=0
        )
        axes.tick_params(length=0)
    title = title_of(summary, labels, baseline, f" of {cells.name_column(column)}")
    notes = [f"{OTHER_IMAGE}: the image differs from the baseline's."] * any(mark.sign for mark in every)
    notes += [f"Speed-ups are {WHERE_STEPS_DIFFER}."] * any(mark.unit == IMAGES for mark in every)
    caption = [*filter(None, [" ".join([*describe_rounds(part, []), *notes])]), *describe_origin(part, cells)]
    return finish(figure, title, caption)
