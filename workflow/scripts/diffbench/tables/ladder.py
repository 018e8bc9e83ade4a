"""The ladder: the variants of a dataset as steps in their order, each compared with the step before and with the first."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import pandas as pd

from diffbench.catalogue.labels import Labels, label_of
from diffbench.data.rows import tuples
from diffbench.data.types import Baseline, Row
from diffbench.statistics.peak_memory import kinds_in, name_peaks, print_peak
from diffbench.statistics.ratios import WHERE_STEPS_DIFFER, print_times, rate_in, ratio_of, unit_between
from diffbench.vocabulary.badges import DIFFERENT, OTHER_IMAGE
from diffbench.vocabulary.statuses import OUTSIDE
from diffbench.vocabulary.units import IMAGES, ITERATIONS

from .cells import Cells, name_baseline
from .extended import number, print_fidelity, print_rate
from .formats import Cell, Table, to_markdown
from .keys import Column, Group
from .notes import notes_of
from .table_options import TableOptions
from .tables import cell_of, print_speedup

DEFAULT = TableOptions()
PASSED = "A step without a number is skipped: the next speed-up is over the last step that has a number."
PER_IMAGE_NOTE = f"Speed-ups compare iterations per second; they are {WHERE_STEPS_DIFFER}."


class Step(NamedTuple):
    """A variant and its row (None outside the matrix), the row of the last step before it that has a number, and the row of the
    first step, if that has one; None for each that is missing."""

    variant: str
    row: Row | None
    before: Row | None
    first: Row | None

    @property
    def has_number(self) -> bool:
        return rate_in(self.row, ITERATIONS) is not None


class LadderKey(NamedTuple):
    """The ladder of one GPU, torch build, batch size, pipeline and stage."""

    gpu: str
    torch: str
    batch_size: int
    group: Group


def steps_of(variants: Sequence[str], rows: Sequence[Row | None]) -> list[Step]:
    """The Steps of one ladder."""
    steps: list[Step] = []
    first = rows[0] if rows and rate_in(rows[0], ITERATIONS) else None
    before = None
    for variant, row in zip(variants, rows):
        steps.append(Step(variant, row, before, first))
        before = row if steps[-1].has_number else before
    return steps


def unit_of_ladder(steps: Iterable[Step]) -> str:
    """The unit in which all steps of a ladder are compared: `images/s` if any two step counts differ, else `it/s`."""
    rows = [step.row for step in steps if step.row and step.has_number]
    return IMAGES if any(unit_between(row, rows[0]) == IMAGES for row in rows) else ITERATIONS


def ladders_of(cells: Cells) -> dict[LadderKey, list[Step]]:
    """The steps of every ladder of a dataset, in its order."""
    ladders, variants = {}, cells.unique("variant")
    for gpu, torch, size in tuples(cells.summary[["gpu", "torch", "batch_size"]].drop_duplicates()):
        for group in cells.groups(gpu=gpu, torch=torch, batch_size=size):
            rows = [cells.get(gpu, size, group, Column(torch, variant)) for variant in variants]
            ladders[LadderKey(gpu, torch, size, group)] = steps_of(variants, rows)
    return ladders


def name_ladder(cells: Cells, key: LadderKey) -> str:
    """`A100, torch 2.0, SD - txt2img (batch size: 1)`."""
    torch, pipeline = cells.names.torch(key.torch), cells.name_group(key.group)
    return f"{cells.name_gpu(key.gpu)}, torch {torch}, {pipeline} (batch size: {key.batch_size})"


def print_ratio(row: Row, base: Row | None) -> str:
    """A row's speed-up over another one, per image if step counts differ; marked if the image differs from the baseline's."""
    ratio = ratio_of(row, base)
    if ratio.value is None:
        return OUTSIDE
    return f"{OTHER_IMAGE} " * (row["fidelity"] == DIFFERENT) + print_times(ratio.value, ratio.unit)


def cells_of_step(step: Step, is_compared: bool, is_mixed: bool, footnotes: list[str]) -> list[Cell]:
    """The Cells of a step; `is_compared`: whether its row's speed-up, with interval and verdict, is over the first step;
    `is_mixed`: whether the ladder's peaks are of several kinds."""
    if step.row is None:
        return [Cell([OUTSIDE])] * 7
    rate = cell_of([step.row], footnotes, DEFAULT)._replace(texts=[print_rate(step.row, DEFAULT)])
    texts = [
        number("images_per_second", 3)(step.row),
        print_ratio(step.row, step.before),
        print_speedup(step.row) if is_compared else print_ratio(step.row, step.first),
        print_peak(step.row, is_mixed),
        number("first_call_cold_s", 3)(step.row),
        print_fidelity(step.row),
    ]
    return [rate, *(Cell([text]) for text in texts)]


def build_ladder(cells: Cells, key: LadderKey, steps: Sequence[Step], baseline: Baseline) -> Table:
    """The Table of one ladder."""
    labels = cells.labels
    footnotes: list[str] = []
    is_compared = {"torch": key.torch, **baseline} == {"torch": key.torch, "variant": steps[0].variant}
    measured = [step.row for step in steps if step.row]
    is_mixed = len(kinds_in(measured)) > 1
    headers = [
        ["Step"],
        [ITERATIONS],
        [IMAGES],
        ["speed-up over the step before"],
        ["speed-up over the first step"],
        [f"{name_peaks(measured)} (MiB)"],
        ["first call, cold (s)"],
        [f"image against {name_baseline(baseline, labels)}"],
    ]
    rows = [
        (label_of(labels, "variants", step.variant), cells_of_step(step, is_compared, is_mixed, footnotes))
        for step in steps
    ]
    part = cells.part(gpu=key.gpu, torch=key.torch, batch_size=key.batch_size, pipeline=key.group.pipeline)
    part = part[(part["stage"] == key.group.stage) | (part["status"] != "ok")]
    notes = [PASSED] * (not all(step.has_number for step in steps))
    notes += [PER_IMAGE_NOTE] * (unit_of_ladder(steps) == IMAGES)
    notes += notes_of(part, labels, DEFAULT)
    return Table(name_ladder(cells, key), headers, rows, footnotes, notes)


def render_ladders(summary: pd.DataFrame, labels: Labels, baseline: Baseline) -> str:
    """The Markdown of every ladder of a dataset: one table per GPU, torch build, pipeline, batch size and stage."""
    cells = Cells(summary, labels)
    tables = [build_ladder(cells, key, steps, baseline) for key, steps in ladders_of(cells).items()]
    return "\n".join(map(to_markdown, tables))
