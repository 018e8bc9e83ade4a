"""When compiling pays off: time against the number of images, start-up included, for the baseline and each variant."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from diffbench.catalogue.labels import Labels
from diffbench.data.types import Baseline, Row
from diffbench.statistics.breakeven import NEVER, count_images
from diffbench.statistics.startup import STATES
from diffbench.tables.cells import Cells, describe_origin, is_number, name_baseline
from diffbench.tables.keys import Column
from diffbench.vocabulary.badges import DIFFERENT, OTHER_IMAGE
from diffbench.vocabulary.columns import BREAKEVEN, STARTS

from .bars import PER_ROW
from .baseline import base_of, compared_columns
from .marks import describe_rounds
from .style import SMALL, Style, blank, colour_of, finish, grid_of, shown, styled, text_width

WIDTH, HEIGHT = 2.0, 1.35  # inches of a panel
START = STARTS["startup_s"]
STYLES: dict[str, Any] = {"cold": "--", "warm": ":"}
BEYOND = 1.6  # where a panel ends, as a multiple of its largest break-even
FEWEST_CALLS = 10  # a panel shows at least this many
LINE = 1.3 * SMALL / (HEIGHT * 72)  # the height of a line of words, in panels
EDGE = 0.03  # between words and the edge of a panel, in panels
NOTHING_COMPILES = "no compiled variant has been measured together with its baseline"
NEGATIVE = "A line that begins to the right of 0 has a start-up below 0 s: its first calls were faster than later ones."
UNKNOWN = "start-up times are unknown, so it is unknown when compiling pays off"


class TimeLine(NamedTuple):
    """The time of a cell against the number of images: a straight line."""

    startup_s: float
    image_s: float


class LineEnds(NamedTuple):
    """The two ends of a line in a panel."""

    images: tuple[float, float]
    times_s: tuple[float, float]


class BreakevenPanel(NamedTuple):
    """The panel of a GPU, torch build, batch size and pipeline: the baseline's row, and those of the variants by column."""

    title: str
    base: Row
    rows: dict[Column, Row]


def line_of(row: Row | None, state: str) -> TimeLine | None:
    """The line of a row; None if it was not measured from this state."""
    if row is None or not is_number(row[START[state]]) or not is_number(row["images_per_second"]):
        return None
    return TimeLine(row[START[state]], 1 / row["images_per_second"])


def print_breakeven(row: Row, state: str) -> str | None:
    """`cold: 124 images`, `warm: at once`, `cold: never`; None if it is unknown."""
    images = row[BREAKEVEN[state]]
    if not is_number(images):
        return None
    sign = f"{OTHER_IMAGE} other image, " if row.get("fidelity") == DIFFERENT else ""
    unit = " images" if 0 < images < NEVER else ""
    return f"{sign}{state}: {count_images(images)}{unit}"


def panels_of(cells: Cells, baseline: Baseline) -> Iterator[BreakevenPanel]:
    """The panels: one per GPU, torch build, batch size and pipeline with a variant that has a break-even."""
    columns = compared_columns(cells.summary, baseline)
    for gpu in cells.unique("gpu"):
        for size in sorted(cells.unique("batch_size", gpu=gpu)):
            for group in cells.groups(gpu=gpu, batch_size=size):
                for reference in dict.fromkeys(base_of(column, baseline) for column in columns):
                    found = {
                        column: cells.get(gpu, size, group, column)
                        for column in columns
                        if base_of(column, baseline) == reference
                    }
                    rows = {
                        column: row
                        for column, row in found.items()
                        if row is not None and any(is_number(row[BREAKEVEN[state]]) for state in STATES)
                    }
                    base = cells.get(gpu, size, group, reference)
                    if rows and base is not None:
                        torch = f"\ntorch {reference.torch}" if len(cells.builds) > 1 else ""
                        title = f"{cells.name_gpu(gpu)}, batch size {size}{torch}\n{cells.name_group(group)}"
                        yield BreakevenPanel(title, base, rows)


def why_empty(cells: Cells, baseline: Baseline) -> str:
    """Why there is no panel: a published page does not give its start-ups."""
    columns = compared_columns(cells.summary, baseline)
    compared = [
        row
        for row in cells.rows.values()
        if row["status"] == "ok" and (column := Column(row["torch"], row["variant"])) in columns
        if base_of(column, baseline) != column
    ]
    unknown = [row for row in compared if not any(is_number(row[START[state]]) for state in STATES)]
    return UNKNOWN if unknown else NOTHING_COMPILES


def ends_of(line: TimeLine, size: int, end: float) -> LineEnds:
    """The ends of a line in a panel that goes to `end` images: it begins before the first call or, with a start-up below
    0 s, at the first call after which its time is above 0 s."""
    startup_s, image_s = line
    start = 0 if startup_s >= 0 else size * max(1, int(-startup_s // (image_s * size)) + 1)
    images = (start, max(start, end))
    return LineEnds(images, (startup_s + image_s * images[0], startup_s + image_s * images[1]))


def place_words(text: str, lines: Sequence[LineEnds], end: float, top: float) -> tuple[float, float]:
    """(x, y) of the lower right corner of a text where no line crosses it, in panels; at the lower right if there is no such
    place. The axes reach from 0 to `end` and `top`."""
    width, height = text_width(text) / (WIDTH * 72), (1 + text.count("\n")) * LINE
    rights = [1 - EDGE, width + 3 * EDGE]
    heights = np.arange(2 * EDGE, 1 - height, EDGE)
    for right in rights:
        spans = []
        for images, times_s in lines:
            reached = np.interp([right - width - EDGE, right + EDGE], np.divide(images, end), np.divide(times_s, top))
            spans.append((min(reached) - EDGE, max(reached) + EDGE))
        for low in heights:
            if all(below > low + height or above < low for below, above in spans):
                return right, low
    return rights[0], heights[0]


def draw_panel(axes: Axes, base: Row, rows: Mapping[Column, Row], colours: Mapping[Column, Any]) -> bool:
    """The lines of one panel, a dot where they cross, and the numbers of images as text, in their variant's colour if there
    are several. Returns whether a start-up is below 0 s."""
    size = base["batch_size"]
    finite = [row[BREAKEVEN[state]] for row in rows.values() for state in STATES]
    finite = [images for images in finite if is_number(images) and images < NEVER]
    end = max([BEYOND * max(finite, default=0), FEWEST_CALLS * size])
    own = {state: line_of(base, state) for state in STATES}
    drawn: list[LineEnds] = []
    words: dict[Any, list[str]] = {}
    is_negative = False
    for state, line in own.items():
        if line is not None:
            dashes = "-" if len(set(own.values())) == 1 else STYLES[state]
            drawn.append(ends_of(line, size, end))
            is_negative |= line.startup_s < 0
            axes.plot(*drawn[-1], color="black", linewidth=1, linestyle=dashes)
    for column, row in rows.items():
        for state in STATES:
            line = line_of(row, state)
            if line is None:
                continue
            drawn.append(ends_of(line, size, end))
            is_negative |= line.startup_s < 0
            axes.plot(*drawn[-1], color=colours[column], linestyle=STYLES[state], linewidth=1.4)
            images = row[BREAKEVEN[state]]
            if is_number(images) and 0 < images < NEVER:
                axes.plot(
                    images, line.startup_s + images * line.image_s, "o", color=colours[column], markersize=4, zorder=5
                )
            if text := print_breakeven(row, state):
                words.setdefault(colours[column] if len(rows) > 1 else "black", []).append(text)
    top = 1.05 * max(ends.times_s[1] for ends in drawn)
    ground = {"facecolor": "white", "edgecolor": "none", "pad": 0.5}
    right, low = place_words("\n".join(text for texts in words.values() for text in texts), drawn, end, top)
    style: Style = {"transform": axes.transAxes, "ha": "right", "fontsize": SMALL, "zorder": 6, "bbox": ground}
    for colour, texts in reversed(words.items()):
        axes.text(right, low, "\n".join(texts), color=colour, **style)
        low += len(texts) * LINE
    axes.set_xlim(0, end)
    axes.set_ylim(0, top)
    axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))
    return is_negative


@styled
def draw_breakeven(summary: pd.DataFrame, labels: Labels, baseline: Baseline) -> Figure:
    """Time against the number of images: one panel per GPU, batch size and pipeline. The baseline is black; lines from a cold
    compiler cache are dashed, from a warm one dotted; a dot marks where compiling has paid off."""
    title = f"When compiling pays off, compared with {name_baseline(baseline, labels)}"
    if not len(summary):
        return blank(title, NOTHING_COMPILES)
    cells = Cells(summary, labels)
    panels = list(panels_of(cells, baseline))
    if not panels:
        return blank(title, why_empty(cells, baseline))
    rows = [panels[start : start + PER_ROW] for start in range(0, len(panels), PER_ROW)]
    figure, grid = grid_of([WIDTH] * len(rows[0]), [HEIGHT + 0.25] * len(rows))
    columns = compared_columns(summary, baseline)
    colours = {column: colour_of(index) for index, column in enumerate(columns)}
    is_negative = False
    for row, row_axes in zip(rows, grid):
        for axes in row_axes[len(row) :]:
            axes.set_visible(False)
        for panel, axes in zip(row, row_axes):
            is_negative |= draw_panel(axes, panel.base, panel.rows, colours)
            axes.set_title("\n".join(shown(line, 38) for line in panel.title.split("\n")), fontsize=7)
            axes.set_xlabel("images")
        row_axes[0].set_ylabel("seconds")
    handles = [(Line2D([], [], color="black", linewidth=1), name_baseline(baseline, labels))]
    handles += [
        (Line2D([], [], color=colours[column], linestyle=dashes), f"{cells.name_column(column)}, {state} cache")
        for column in columns
        for state, dashes in STYLES.items()
        if any(line_of(panel.rows.get(column), state) for panel in panels)
    ]
    sentence = (
        "Start-up: how much longer the first call and the warm-up took than as many warm calls, without loading. "
        "Cold: with an empty compiler cache; warm: with the cache that an earlier round left. "
        "Whole calls, including text encoder and VAE."
    )
    sentences = [sentence, *[NEGATIVE] * is_negative, *describe_rounds(summary, [])]
    return finish(figure, title, [" ".join(sentences), *describe_origin(summary, cells)], handles)
