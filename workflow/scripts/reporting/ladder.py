"""The ladder: the variants of a dataset as steps in their order, each against the step before and against the first."""

from typing import NamedTuple

from .cells import OUTSIDE, is_number
from .extended import number, print_fidelity, print_rate
from .figure_cells import SIGN, Cells, name_baseline
from .formats import Cell, Table, to_markdown
from .labels import label_of, torch_label
from .options import TableOptions
from .tables import cell_of, notes_of, print_speedup

DEFAULT = TableOptions()
PASSED = "A step without a number is passed over: the next one's speed-up is over the last step that has one."


class Step(NamedTuple):
    """A variant and its row (None outside the matrix); its rate, that of the last step before with one, and that of the first
    step of all; None each where there is none."""

    variant: str
    row: dict | None
    rate: float | None
    before: float | None
    first: float | None


class Place(NamedTuple):
    """Where a ladder stands; `group` is pipeline and stage."""

    gpu: str
    torch: str
    batch_size: int
    group: tuple


def climb(variants, rows):
    """The Steps of one ladder."""
    rates = [row["iterations_per_second"] if row else None for row in rows]
    rates = [rate if is_number(rate) else None for rate in rates]
    steps, before = [], None
    for variant, row, rate in zip(variants, rows, rates):
        steps.append(Step(variant, row, rate, before, rates[0]))
        before = before if rate is None else rate
    return steps


def ladders(cells):
    """{Place: [Step]} of every ladder of a dataset, in its order."""
    found, variants = {}, cells.unique("variant")
    for gpu, torch, size in cells.summary[["gpu", "torch", "batch_size"]].drop_duplicates().itertuples(index=False):
        for group in cells.groups(gpu=gpu, torch=torch, batch_size=size):
            rows = [cells.get(gpu, size, group, (torch, variant)) for variant in variants]
            found[Place(gpu, torch, size, group)] = climb(variants, rows)
    return found


def name_place(cells, place):
    """`A100, torch 2.0, SD - txt2img (batch size: 1)`."""
    torch = torch_label(cells.summary, place.torch)
    return (
        f"{cells.name_gpu(place.gpu)}, torch {torch}, {cells.name_group(place.group)} (batch size: {place.batch_size})"
    )


def print_ratio(step, rate):
    """The step's rate over another; marked where the image is not the baseline's."""
    if step.rate is None or not rate:
        return OUTSIDE
    return f"{f'{SIGN} ' * (step.row['fidelity'] == 'different')}{step.rate / rate:.2f}x"


def print_memory(row):
    """Peak MiB of a warm pipeline: torch's on a GPU, the process's on a CPU."""
    return next(
        (f"{row[name]:.0f}" for name in ("peak_allocated_mib", "peak_rss_mib") if is_number(row[name])), OUTSIDE
    )


def cells_of_step(step, compared, footnotes):
    """The Cells of a step; `compared`: whether its row's speed-up, with interval and verdict, is the one over the first."""
    if step.row is None:
        return [Cell([OUTSIDE])] * 7
    rate = cell_of([step.row], footnotes, DEFAULT)._replace(texts=[print_rate(step.row, DEFAULT)])
    texts = [
        number("images_per_second", 3)(step.row),
        print_ratio(step, step.before),
        print_speedup(step.row) if compared else print_ratio(step, step.first),
        print_memory(step.row),
        number("first_call_cold_s", 3)(step.row),
        print_fidelity(step.row),
    ]
    return [rate, *(Cell([text]) for text in texts)]


def build_ladder(cells, place, steps, baseline):
    """The Table of one ladder."""
    labels, footnotes = cells.labels, []
    compared = {"torch": place.torch, **baseline} == {"torch": place.torch, "variant": steps[0].variant}
    headers = [
        ["Step"],
        ["it/s"],
        ["images/s"],
        ["speed-up over the step before"],
        ["speed-up over the first step"],
        ["peak memory (MiB)"],
        ["first call, cold (s)"],
        [f"image against {name_baseline(baseline, labels)}"],
    ]
    rows = [(label_of(labels, "variants", step.variant), cells_of_step(step, compared, footnotes)) for step in steps]
    pipeline, stage = place.group
    part = cells.part(gpu=place.gpu, torch=place.torch, batch_size=place.batch_size, pipeline=pipeline)
    part = part[(part["stage"] == stage) | (part["status"] != "ok")]
    notes = [PASSED] * any(step.rate is None for step in steps) + list(notes_of(part, labels, DEFAULT))
    return Table(name_place(cells, place), headers, rows, footnotes, notes)


def render_ladders(summary, labels, baseline):
    """The Markdown of every ladder of a dataset: a table a GPU, torch build, pipeline, batch size and stage."""
    cells = Cells(summary, labels)
    tables = [build_ladder(cells, place, steps, baseline) for place, steps in ladders(cells).items()]
    return "\n".join(map(to_markdown, tables))
