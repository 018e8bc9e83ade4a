"""The ladder: the variants of a dataset as steps in their order, each against the step before and against the first."""

from typing import NamedTuple

from diffbench.catalogue.labels import label_of
from diffbench.data.rows import tuples
from diffbench.statistics.peak_memory import kinds_in, name_peaks, print_peak
from diffbench.statistics.ratios import WHERE_STEPS_DIFFER, print_times, rate_in, ratio_of, unit_between
from diffbench.vocabulary.badges import DIFFERENT, OTHER_IMAGE
from diffbench.vocabulary.statuses import OUTSIDE
from diffbench.vocabulary.units import IMAGES, ITERATIONS

from .cells import Cells, name_baseline
from .extended import number, print_fidelity, print_rate
from .formats import Cell, Table, to_markdown
from .notes import notes_of
from .table_options import TableOptions
from .tables import cell_of, print_speedup

DEFAULT = TableOptions()
PASSED = "A step without a number is passed over: the next one's speed-up is over the last step that has one."
PER_IMAGE_NOTE = f"Speed-ups are of iterations per second, {WHERE_STEPS_DIFFER}."


class Step(NamedTuple):
    """A variant and its row (None outside the matrix), the row of the last step before it that has a number, and the row of the
    first step of all, if that has one; None each where there is none."""

    variant: str
    row: dict | None
    before: dict | None
    first: dict | None

    @property
    def has_number(self):
        return rate_in(self.row, ITERATIONS) is not None


class Place(NamedTuple):
    """Where a ladder stands; `group` is pipeline and stage."""

    gpu: str
    torch: str
    batch_size: int
    group: tuple


def climb(variants, rows):
    """The Steps of one ladder."""
    steps, before = [], None
    first = rows[0] if rows and rate_in(rows[0], ITERATIONS) else None
    for variant, row in zip(variants, rows):
        steps.append(Step(variant, row, before, first))
        before = row if steps[-1].has_number else before
    return steps


def unit_of_ladder(steps):
    """The unit in which all steps of a ladder compare: `images/s` where any two step counts differ, else `it/s`."""
    rows = [step.row for step in steps if step.has_number]
    return IMAGES if any(unit_between(row, rows[0]) == IMAGES for row in rows) else ITERATIONS


def ladders(cells):
    """{Place: [Step]} of every ladder of a dataset, in its order."""
    found, variants = {}, cells.unique("variant")
    for gpu, torch, size in tuples(cells.summary[["gpu", "torch", "batch_size"]].drop_duplicates()):
        for group in cells.groups(gpu=gpu, torch=torch, batch_size=size):
            rows = [cells.get(gpu, size, group, (torch, variant)) for variant in variants]
            found[Place(gpu, torch, size, group)] = climb(variants, rows)
    return found


def name_place(cells, place):
    """`A100, torch 2.0, SD - txt2img (batch size: 1)`."""
    torch, pipeline = cells.names.torch(place.torch), cells.name_group(place.group)
    return f"{cells.name_gpu(place.gpu)}, torch {torch}, {pipeline} (batch size: {place.batch_size})"


def print_ratio(step, base):
    """The step's speed-up over another row, per image where step counts differ; marked where the image is not the baseline's."""
    ratio, unit = ratio_of(step.row, base)
    if ratio is None:
        return OUTSIDE
    return f"{OTHER_IMAGE} " * (step.row["fidelity"] == DIFFERENT) + print_times(ratio, unit)


def cells_of_step(step, compared, mixed, footnotes):
    """The Cells of a step; `compared`: whether its row's speed-up, with interval and verdict, is the one over the first;
    `mixed`: whether the ladder's peaks are of several kinds."""
    if step.row is None:
        return [Cell([OUTSIDE])] * 7
    rate = cell_of([step.row], footnotes, DEFAULT)._replace(texts=[print_rate(step.row, DEFAULT)])
    texts = [
        number("images_per_second", 3)(step.row),
        print_ratio(step, step.before),
        print_speedup(step.row) if compared else print_ratio(step, step.first),
        print_peak(step.row, mixed),
        number("first_call_cold_s", 3)(step.row),
        print_fidelity(step.row),
    ]
    return [rate, *(Cell([text]) for text in texts)]


def build_ladder(cells, place, steps, baseline):
    """The Table of one ladder."""
    labels, footnotes = cells.labels, []
    compared = {"torch": place.torch, **baseline} == {"torch": place.torch, "variant": steps[0].variant}
    measured = [step.row for step in steps if step.row]
    mixed = len(kinds_in(measured)) > 1
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
        (label_of(labels, "variants", step.variant), cells_of_step(step, compared, mixed, footnotes)) for step in steps
    ]
    pipeline, stage = place.group
    part = cells.part(gpu=place.gpu, torch=place.torch, batch_size=place.batch_size, pipeline=pipeline)
    part = part[(part["stage"] == stage) | (part["status"] != "ok")]
    notes = [PASSED] * (not all(step.has_number for step in steps))
    notes += [PER_IMAGE_NOTE] * (unit_of_ladder(steps) == IMAGES)
    notes += notes_of(part, labels, DEFAULT)
    return Table(name_place(cells, place), headers, rows, footnotes, notes)


def render_ladders(summary, labels, baseline):
    """The Markdown of every ladder of a dataset: a table a GPU, torch build, pipeline, batch size and stage."""
    cells = Cells(summary, labels)
    tables = [build_ladder(cells, place, steps, baseline) for place, steps in ladders(cells).items()]
    return "\n".join(map(to_markdown, tables))
