"""Figures of bars: speed-ups by pipeline, speed-ups by GPU, and rates by pipeline."""

from collections.abc import Iterable

import pandas as pd
from matplotlib.figure import Figure

from diffbench.catalogue.labels import Labels
from diffbench.data.types import Baseline
from diffbench.tables.cells import Cells, describe_origin, is_number
from diffbench.tables.keys import Column, Group, TableKey
from diffbench.tables.tables import columns_of

from .bars import PER_ROW, BarPanel, describe_beside, draw_panels
from .baseline import base_of, compared_columns, title_of
from .marks import Mark, describe_rounds, label_speedup, mark_rate, mark_speedup
from .style import blank, styled


def panel_rows(cells: Cells, gpus: Iterable[str]) -> list[list[BarPanel]]:
    """Rows of panels, each GPU's batch sizes on separate rows; the panels of a row share their groups."""
    rows = []
    for gpu in gpus:
        sizes, groups = sorted(cells.unique("batch_size", gpu=gpu)), cells.groups(gpu=gpu)
        names = {group: cells.name_group(group) for group in groups}
        panels = [
            BarPanel(f"{cells.name_gpu(gpu)}, batch size {size}", groups, names, TableKey(gpu, size)) for size in sizes
        ]
        rows += [panels[start : start + PER_ROW] for start in range(0, len(panels), PER_ROW)]
    return rows


@styled
def draw_speedups(summary: pd.DataFrame, labels: Labels, baseline: Baseline) -> Figure:
    """The speed-up of each pipeline by column over the baseline: one panel per GPU and batch size."""
    title = title_of(summary, labels, baseline)
    if not len(summary):
        return blank(title, "no data")
    cells = Cells(summary, labels)

    def mark_of(key: TableKey, group: Group, column: Column) -> Mark:
        row = cells.get(*key, group, column)
        speedup = row["speedup"] if row is not None and is_number(row["speedup"]) else None
        return mark_speedup(row, cells.get(*key, group, base_of(column, baseline)), speedup)

    def caption(marks: list[Mark]) -> list[str]:
        spread = describe_rounds(summary, marks)
        return [" ".join([describe_beside(marks), *spread]), *describe_origin(summary, cells)]

    columns = compared_columns(summary, baseline)
    panels = panel_rows(cells, cells.unique("gpu"))
    return draw_panels(title, caption, cells, panels, columns, mark_of, label_speedup, True)


@styled
def draw_speedups_by_gpu(summary: pd.DataFrame, labels: Labels, baseline: Baseline) -> Figure:
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
    reference = Column(torch, baseline.get("variant", part["variant"].iloc[0]))
    stages = sorted(part["stage"].unique())
    groups = [(gpu, stage) for gpu in part["gpu"].unique() for stage in stages]
    names = {
        (gpu, stage): cells.name_gpu(gpu) + (f", stage {stage}" if len(stages) > 1 else "") for gpu, stage in groups
    }

    def mark_of(_: None, group: tuple[str, int], column: Column) -> Mark:
        gpu, stage = group
        place = gpu, size, Group(pipeline, stage)
        return mark_speedup(cells.get(*place, column), cells.get(*place, reference))

    def caption(marks: list[Mark]) -> list[str]:
        spread = describe_rounds(part, marks, " of the rate, divided by the baseline's median")
        return [" ".join([describe_beside(marks), *spread]), *describe_origin(part, cells)]

    name = cells.name_group(Group(pipeline, 1))
    name = name if len(stages) == 1 else name.rpartition(",")[0]
    title = f"{name}, batch size {size}: speed-up over {cells.name_column(reference)}"
    panels = [[BarPanel("", groups, names, None)]]
    return draw_panels(title, caption, cells, panels, columns_of(part), mark_of, label_speedup, True)


@styled
def draw_rates(summary: pd.DataFrame, labels: Labels, baseline: Baseline) -> Figure:
    """The page's second figure: iterations per second by pipeline and column on an A100 or the first GPU."""
    if not len(summary):
        return blank("Iterations per second", "no data")
    cells = Cells(summary, labels)
    gpus = cells.unique("gpu")
    gpu = "A100" if "A100" in gpus else gpus[0]
    part = cells.part(gpu=gpu)

    def mark_of(key: TableKey, group: Group, column: Column) -> Mark:
        return mark_rate(cells.get(*key, group, column))

    def caption(marks: list[Mark]) -> list[str]:
        return [*filter(None, [" ".join(describe_rounds(part, marks))]), *describe_origin(part, cells)]

    title = f"Iterations per second on {cells.name_gpu(gpu)}"
    panels = panel_rows(cells, [gpu])
    label = "iterations per second"
    return draw_panels(title, caption, cells, panels, columns_of(part), mark_of, lambda marks: label, False)
