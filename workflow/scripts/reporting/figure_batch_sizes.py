"""Against batch size: speed-ups, denoising throughput and images per second, a line a pipeline, a panel a GPU and column."""

from .cells import OUTSIDE
from .figure_bars import PER_ROW, base_of, compared_columns, title_of
from .figure_cells import (
    Cells,
    Mark,
    describe_origin,
    describe_rounds,
    is_number,
    label_speedup,
    mark_rate,
    mark_speedup,
)
from .figure_lines import Panel, draw_lines, marks_of
from .figure_style import blank, styled
from .tables import columns_of

THROUGHPUT = "denoising throughput\n(batch size × iterations/s)"
IMAGES = "images per second\n(whole calls)"


def panel_lines(cells, gpu, column, mark_of):
    """{(pipeline, 1): {batch size: Mark}} of a panel, without the cells outside the matrix."""
    lines = {}
    for pipeline in cells.unique("pipeline"):
        group = (pipeline, 1)
        marks = {
            size: mark_of(gpu, size, group, column) for size in cells.unique("batch_size", gpu=gpu, pipeline=pipeline)
        }
        points = {size: mark for size, mark in marks.items() if mark and mark.text != OUTSIDE}
        if points:
            lines[group] = points
    return lines


def panel_rows(cells, gpus, columns, mark_of, label):
    """Rows of panels, each GPU's columns on rows of their own."""
    rows = []
    for gpu in gpus:
        panels = [
            Panel(f"{cells.name_gpu(gpu)}: {cells.name_column(column)}", lines, label)
            for column in columns
            if (lines := panel_lines(cells, gpu, column, mark_of))
        ]
        rows += [panels[start : start + PER_ROW] for start in range(0, len(panels), PER_ROW)]
    return rows


@styled
def draw_speedups_by_batch_size(summary, labels, baseline):
    """Speed-up against batch size: a panel a GPU and column, a line a pipeline; of several stages the first."""
    title = f"{title_of(summary, labels, baseline)}, by batch size"
    if not len(summary):
        return blank(title, "no data")
    cells = Cells(summary, labels)

    def mark_of(gpu, size, group, column):
        row = cells.get(gpu, size, group, column)
        speedup = row["speedup"] if row is not None and is_number(row["speedup"]) else None
        return mark_speedup(row, cells.get(gpu, size, group, base_of(column, baseline)), speedup)

    def caption(marks):
        spread = describe_rounds(summary, marks)
        return [*filter(None, [" ".join(spread)]), *describe_origin(summary, cells)]

    rows = panel_rows(cells, cells.unique("gpu"), compared_columns(summary, baseline), mark_of, "")
    label = label_speedup([mark for row in rows for panel in row for mark in marks_of(panel)]).replace(" (", "\n(")
    rows = [[panel._replace(ylabel=label) for panel in row] for row in rows]
    return draw_lines(title, caption, cells, rows, 1)


@styled
def draw_throughput(summary, labels, baseline):
    """Batch size × iterations per second against batch size; images per second below, where whole calls were measured."""
    title = "Denoising throughput by batch size"
    if not len(summary):
        return blank(title, "no data")
    cells = Cells(summary, labels)

    def mark_of(gpu, size, group, column):
        return mark_rate(cells.get(gpu, size, group, column), size)

    def images_of(gpu, size, group, column):
        return mark_images(cells, gpu, size, group[0], column)

    gpus, columns = cells.unique("gpu"), columns_of(summary)
    rows = panel_rows(cells, gpus, columns, mark_of, THROUGHPUT)
    images = panel_rows(cells, gpus, columns, images_of, IMAGES)
    notes = []
    if any(mark.value is not None for row in images for panel in row for mark in marks_of(panel)):
        title, rows = "Denoising throughput and images per second by batch size", rows + images
        notes = ["Images per second: of several stages, all one after the other."] * bool(cells.staged)

    def caption(marks):
        sentences = [*describe_rounds(summary, marks), *notes]
        return [*filter(None, [" ".join(sentences)]), *describe_origin(summary, cells)]

    return draw_lines(title, caption, cells, rows)


def mark_images(cells, gpu, batch_size, pipeline, column):
    """The Mark of a cell's images per second, all its stages one after the other; None where only some were measured."""
    stages = [stage for name, stage in cells.groups(pipeline=pipeline)]
    rows = [cells.get(gpu, batch_size, (pipeline, stage), column) for stage in stages]
    failed = [row for row in rows if row is not None and not is_number(row["iterations_per_second"])]
    if failed:
        return Mark(None, None, None, mark_rate(failed[0]).text)
    rates = [None if row is None else row["images_per_second"] for row in rows]
    if not all(is_number(rate) and rate > 0 for rate in rates):
        return None
    return Mark(1 / sum(1 / rate for rate in rates), None, None, "")
