"""Bars: speed-ups by pipeline, speed-ups by GPU, and rates by pipeline."""

from matplotlib.patches import Patch

from diffbench.tables.cells import Cells, describe_origin, is_number, name_baseline
from diffbench.tables.tables import columns_of
from diffbench.vocabulary.units import IMAGES

from .marks import describe_rounds, label_speedup, mark_rate, mark_speedup
from .style import HATCHES, SMALL, blank, colour_of, finish, grid_of, shown, styled, text_width

PANEL, BAR, GAP = 2.6, 0.115, 0.12  # inches: width of a panel, height of a bar, space between groups of bars
PER_ROW = 4  # panels beside each other
BESIDE_STYLE = {  # on a ground that hides the line at 1, and an interval that goes on out of the panel
    "textcoords": "offset points",
    "fontsize": SMALL,
    "zorder": 5,
    "bbox": {"facecolor": "white", "edgecolor": "none", "pad": 0.4},
}
BESIDE = "Beside a bar: speed-up × the baseline's iterations per second"


def bar_style(columns, column):
    index = columns.index(column)
    return {"facecolor": colour_of(index), "hatch": HATCHES[index % len(HATCHES)], "edgecolor": "white", "linewidth": 0}


def group_height(count):
    """Inches of a group of `count` bars with its gap; two lines of its label fit."""
    return max(count * BAR + GAP, 0.28)


def draw_bars(axes, groups, columns, styles, marks, limit):
    """Horizontal bars from top to bottom, grouped; `marks` maps (group, column) to a Mark, `limit` ends the axis."""
    share = BAR / group_height(len(columns))
    for place, group in enumerate(groups):
        for index, column in enumerate(columns):
            mark = marks[(group, column)]
            y = place + (index - (len(columns) - 1) / 2) * share
            end = mark.value or 0
            if mark.value is not None:
                axes.barh(y, mark.value, share, zorder=3, **styles[column])
            if mark.low is not None:
                spread = [[mark.value - mark.low], [mark.high - mark.value]]
                axes.errorbar(mark.value, y, xerr=spread, color="black", linewidth=0.7, capsize=1.5, zorder=4)
                end = max(end, mark.high)
            axes.annotate(mark.text, (end, y), (2, 0), va="center_baseline", **BESIDE_STYLE)
    axes.set_ylim(len(groups) - 0.45, -0.55)
    axes.set_xlim(0, limit)
    axes.set_yticks(range(len(groups)), [])
    axes.tick_params(axis="y", length=0)


def limit_of(marks):
    """Where the axis must end for the bars and what is written beside them to fit into a panel."""
    width = PANEL * 72 - 4
    ends = [(mark.high or mark.value or 0, min(text_width(mark.text), 0.7 * width)) for mark in marks]
    return max(
        [(max((end for end, _ in ends), default=0) or 1) * 1.02, *(end * width / (width - text) for end, text in ends)]
    )


def describe_beside(marks):
    """A sentence for the caption: what is written beside the bars of speed-ups."""
    return BESIDE + f", or images per second where it says {IMAGES}" * any(mark.unit == IMAGES for mark in marks) + "."


def draw_panels(title, caption, cells, panels, columns, mark_of, label_of_axis, share_limit):
    """A figure of panels; `panels` holds rows of (title, [group], {group: label}, key), `mark_of(key, group, column)` is a Mark,
    `label_of_axis(marks)` the label of their axis."""
    every = columns_of(cells.summary)
    styles = {column: bar_style(every, column) for column in columns}
    marks = [
        [
            {(group, column): mark_of(key, group, column) for group in groups for column in columns}
            for _, groups, _, key in row
        ]
        for row in panels
    ]
    flat = [mark for row in marks for panel in row for mark in panel.values()]
    heights = [max(len(groups) for _, groups, _, _ in row) * group_height(len(columns)) + 0.1 for row in panels]
    figure, grid = grid_of([PANEL] * max(map(len, panels)), heights)
    for row, row_marks, row_axes in zip(panels, marks, grid):
        for axes in row_axes[len(row) :]:
            axes.set_visible(False)
        for index, ((name, groups, names, _), panel_marks, axes) in enumerate(zip(row, row_marks, row_axes)):
            limit = limit_of(flat if share_limit else panel_marks.values())
            draw_bars(axes, groups, columns, styles, panel_marks, limit)
            if index == 0:
                axes.set_yticklabels([shown(names[group], 24, 2) for group in groups])
            axes.set_title(shown(name, 38))
            axes.set_xlabel(label_of_axis(flat))
            if share_limit:
                axes.axvline(1, color="black", linewidth=0.8, linestyle="--", zorder=1)
    handles = [(Patch(**styles[column]), cells.name_column(column)) for column in columns]
    return finish(figure, title, caption(flat), handles)


def panel_rows(cells, gpus):
    """Rows of panels, each GPU's batch sizes on rows of their own; the panels of a row share their groups."""
    rows = []
    for gpu in gpus:
        sizes, groups = sorted(cells.unique("batch_size", gpu=gpu)), cells.groups(gpu=gpu)
        names = {group: cells.name_group(group) for group in groups}
        panels = [(f"{cells.name_gpu(gpu)}, batch size {size}", groups, names, (gpu, size)) for size in sizes]
        rows += [panels[start : start + PER_ROW] for start in range(0, len(panels), PER_ROW)]
    return rows


def compared_columns(summary, baseline):
    """The columns without the baseline's, whose speed-up is 1 everywhere; all if there are no others."""
    names = {"torch": 0, "variant": 1}
    columns = columns_of(summary)
    others = [column for column in columns if any(column[names[key]] != value for key, value in baseline.items())]
    return others or columns


def base_of(column, baseline):
    """The column that a column's speed-up is against."""
    return baseline.get("torch", column[0]), baseline.get("variant", column[1])


def title_of(summary, labels, baseline, of=""):
    """`Speed-up over no compile, same torch build`; `of` says of what."""
    same = ", same torch build" if "torch" not in baseline and summary["torch"].nunique() > 1 else ""
    return f"Speed-up{of} over {name_baseline(baseline, labels)}{same}"


@styled
def draw_speedups(summary, labels, baseline):
    """The speed-up of each pipeline by column over the baseline: a panel a GPU and batch size."""
    title = title_of(summary, labels, baseline)
    if not len(summary):
        return blank(title, "no data")
    cells = Cells(summary, labels)

    def mark_of(key, group, column):
        row = cells.get(*key, group, column)
        speedup = row["speedup"] if row is not None and is_number(row["speedup"]) else None
        return mark_speedup(row, cells.get(*key, group, base_of(column, baseline)), speedup)

    def caption(marks):
        spread = describe_rounds(summary, marks)
        return [" ".join([describe_beside(marks), *spread]), *describe_origin(summary, cells)]

    columns = compared_columns(summary, baseline)
    panels = panel_rows(cells, cells.unique("gpu"))
    return draw_panels(title, caption, cells, panels, columns, mark_of, label_speedup, True)


@styled
def draw_speedups_by_gpu(summary, labels, baseline):
    """The page's first figure: SD txt2img on each GPU by column, over the first torch build's baseline."""
    if not len(summary):
        return blank("Speed-up by GPU", "no data")
    cells = Cells(summary, labels)
    pipelines = cells.unique("pipeline")
    pipeline = "sd-txt2img" if "sd-txt2img" in pipelines else pipelines[0]
    sizes = cells.unique("batch_size", pipeline=pipeline)
    size = 4 if 4 in sizes else min(sizes)
    part = cells.part(pipeline=pipeline, batch_size=size)
    torch = baseline.get("torch", part["torch"].iloc[0])
    reference = (torch, baseline.get("variant", part["variant"].iloc[0]))
    stages = sorted(part["stage"].unique())
    groups = [(gpu, stage) for gpu in part["gpu"].unique() for stage in stages]
    names = {
        (gpu, stage): cells.name_gpu(gpu) + (f", stage {stage}" if len(stages) > 1 else "") for gpu, stage in groups
    }

    def mark_of(_, group, column):
        gpu, stage = group
        find = (gpu, size, (pipeline, stage))
        return mark_speedup(cells.get(*find, column), cells.get(*find, reference))

    def caption(marks):
        spread = describe_rounds(part, marks, " of the rate, over the baseline's median")
        return [" ".join([describe_beside(marks), *spread]), *describe_origin(part, cells)]

    name = cells.name_group((pipeline, 1)) if len(stages) == 1 else cells.name_group((pipeline, 1)).rpartition(",")[0]
    title = f"{name}, batch size {size}: speed-up over {cells.name_column(reference)}"
    panels = [[("", groups, names, None)]]
    return draw_panels(title, caption, cells, panels, columns_of(part), mark_of, label_speedup, True)


@styled
def draw_rates(summary, labels, baseline):
    """The page's second figure: iterations per second by pipeline and column on an A100 or the first GPU."""
    if not len(summary):
        return blank("Iterations per second", "no data")
    cells = Cells(summary, labels)
    gpus = cells.unique("gpu")
    gpu = "A100" if "A100" in gpus else gpus[0]
    part = cells.part(gpu=gpu)

    def mark_of(key, group, column):
        return mark_rate(cells.get(*key, group, column))

    def caption(marks):
        return [*filter(None, [" ".join(describe_rounds(part, marks))]), *describe_origin(part, cells)]

    title = f"Iterations per second on {cells.name_gpu(gpu)}"
    panels = panel_rows(cells, [gpu])
    label = "iterations per second"
    return draw_panels(title, caption, cells, panels, columns_of(part), mark_of, lambda marks: label, False)
