"""Speed-ups, denoising throughput and images per second by batch size: one panel per GPU and column, one line per pipeline."""

from collections.abc import Callable, Iterable, Iterator, Sequence

import pandas as pd
from matplotlib.figure import Figure

from diffbench.catalogue.labels import Labels, label_of
from diffbench.data.types import Baseline, Row
from diffbench.tables.cells import ALL, Cells, describe_origin, is_number, joined
from diffbench.tables.keys import Column, Group
from diffbench.tables.tables import columns_of
from diffbench.vocabulary.statuses import OUTSIDE

from .bars import PER_ROW
from .baseline import base_of, compared_columns, title_of
from .lines import Lines, Panel, draw_lines, marks_of
from .marks import Mark, describe_rounds, label_speedup, mark_rate, mark_speedup
from .style import blank, styled

MarkOf = Callable[[str, int, Group, Column], Mark | None]  # of a GPU, batch size, group and column
THROUGHPUT = "denoising throughput\n(batch size × iterations/s)"
IMAGES = "images per second\n(whole calls)"


def panel_lines(cells: Cells, gpu: str, column: Column, mark_of: MarkOf, several: int) -> Lines:
    """The lines of a panel, without the cells outside the matrix; the stage is `several` for a
    pipeline with several stages, else 1."""
    lines: Lines = {}
    for pipeline in cells.unique("pipeline"):
        group = Group(pipeline, several if pipeline in cells.staged else 1)
        marks = {
            size: mark_of(gpu, size, group, column) for size in cells.unique("batch_size", gpu=gpu, pipeline=pipeline)
        }
        points = {size: mark for size, mark in marks.items() if mark and mark.text != OUTSIDE}
        if points:
            lines[group] = points
    return lines


def panel_rows(
    cells: Cells, gpus: Iterable[str], columns: Iterable[Column], mark_of: MarkOf, label: str, several: int = 1
) -> list[list[Panel]]:
    """Rows of panels, each GPU's columns on separate rows; for several stages the first, or ALL."""
    rows = []
    for gpu in gpus:
        panels = [
            Panel(f"{cells.name_gpu(gpu)}: {cells.name_column(column)}", lines, label)
            for column in columns
            if (lines := panel_lines(cells, gpu, column, mark_of, several))
        ]
        rows += [panels[start : start + PER_ROW] for start in range(0, len(panels), PER_ROW)]
    return rows


@styled
def draw_speedups_by_batch_size(summary: pd.DataFrame, labels: Labels, baseline: Baseline) -> Figure:
    """Speed-up against batch size: one panel per GPU and column, one line per pipeline; first stages only."""
    title = f"{title_of(summary, labels, baseline)}, by batch size"
    if not len(summary):
        return blank(title, "no data")
    cells = Cells(summary, labels)

    def mark_of(gpu: str, size: int, group: Group, column: Column) -> Mark:
        row = cells.get(gpu, size, group, column)
        speedup = row["speedup"] if row is not None and is_number(row["speedup"]) else None
        return mark_speedup(row, cells.get(gpu, size, group, base_of(column, baseline)), speedup)

    def caption(marks: list[Mark]) -> list[str]:
        spread = describe_rounds(summary, marks)
        return [*filter(None, [" ".join(spread)]), *describe_origin(summary, cells)]

    rows = panel_rows(cells, cells.unique("gpu"), compared_columns(summary, baseline), mark_of, "")
    label = label_speedup([mark for row in rows for panel in row for mark in marks_of(panel)]).replace(" (", "\n(")
    rows = [[panel._replace(ylabel=label) for panel in row] for row in rows]
    return draw_lines(title, caption, cells, rows, 1)


@styled
def draw_throughput(summary: pd.DataFrame, labels: Labels, baseline: Baseline) -> Figure:
    """Batch size × iterations per second against batch size, first stages only; below, images per second through all stages,
    if whole calls were measured."""
    title = "Denoising throughput by batch size"
    if not len(summary):
        return blank(title, "no data")
    cells = Cells(summary, labels)

    def mark_of(gpu: str, size: int, group: Group, column: Column) -> Mark:
        return mark_rate(cells.get(gpu, size, group, column), size)

    def images_of(gpu: str, size: int, group: Group, column: Column) -> Mark | None:
        return mark_images(cells, gpu, size, group.pipeline, column)

    gpus, columns = cells.unique("gpu"), columns_of(summary)
    rows = panel_rows(cells, gpus, columns, mark_of, THROUGHPUT)
    images = panel_rows(cells, gpus, columns, images_of, IMAGES, ALL)
    notes = []
    if any(mark.value is not None for row in images for panel in row for mark in marks_of(panel)):
        title, rows = "Denoising throughput and images per second by batch size", rows + images
        notes = ["Images per second count images that pass through all stages, one after the other."] * bool(
            cells.staged
        )
        notes += describe_absent(cells, gpus, columns)

    def caption(marks: list[Mark]) -> list[str]:
        sentences = [*describe_rounds(summary, marks), *notes]
        return [*filter(None, [" ".join(sentences)]), *describe_origin(summary, cells)]

    return draw_lines(title, caption, cells, rows)


def rows_of_stages(cells: Cells, gpu: str, batch_size: int, pipeline: str, column: Column) -> list[Row | None]:
    """The rows of a cell's stages, None for each that the pipeline has elsewhere and that was not measured here."""
    return [cells.get(gpu, batch_size, group, column) for group in cells.groups(pipeline=pipeline)]


def mark_images(cells: Cells, gpu: str, batch_size: int, pipeline: str, column: Column) -> Mark | None:
    """The Mark of a cell's images per second, all its stages one after the other; None if only some were measured."""
    rows = rows_of_stages(cells, gpu, batch_size, pipeline, column)
    failed = [row for row in rows if row is not None and not is_number(row["iterations_per_second"])]
    if failed:
        return Mark(None, mark_rate(failed[0]).text)
    found = [None if row is None else row["images_per_second"] for row in rows]
    rates: list[float] = [rate for rate in found if is_number(rate) and rate > 0]
    if len(rates) < len(rows):
        return None
    return Mark(1 / sum(1 / rate for rate in rates), "")


def describe_absent(cells: Cells, gpus: Iterable[str], columns: Sequence[Column]) -> Iterator[str]:
    """Sentences for the caption: which cells with a rate have neither images per second nor a failure, and why."""
    absent: dict[tuple[str, str], set[int]] = {}
    for gpu in gpus:
        for pipeline in cells.unique("pipeline"):
            for size in cells.unique("batch_size", gpu=gpu, pipeline=pipeline):
                for column in columns:
                    reason = why_absent(rows_of_stages(cells, gpu, size, pipeline, column))
                    if reason:
                        absent.setdefault((label_of(cells.labels, "pipelines", pipeline), reason), set()).add(size)
    for (name, reason), sizes in absent.items():
        plural = "s" * (len(sizes) > 1)
        yield f"Where {name} has no images per second at batch size{plural} {joined(map(str, sorted(sizes)))}, {reason}."


def why_absent(rows: Sequence[Row | None]) -> str | None:
    """Why the rows of a cell's stages make no images per second; None if they do, failed or are outside the matrix."""
    measured = [row for row in rows if row is not None]
    if not measured or not all(is_number(row["iterations_per_second"]) for row in measured):
        return None
    if len(measured) < len(rows):
        stages = joined(str(row["stage"]) for row in measured)
        return f"only stage {stages} was measured, which makes no finished image"
    if not all(is_number(row["images_per_second"]) and row["images_per_second"] > 0 for row in measured):
        return "whole calls were not measured"
    return None
