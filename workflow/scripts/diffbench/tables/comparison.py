"""Published and measured rates side by side, and their ratio if both have a number."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from diffbench.catalogue.labels import Labels, label_of, torch_label
from diffbench.data.rows import is_number, records
from diffbench.data.types import Row
from diffbench.statistics.conditions import differences_between
from diffbench.statistics.ratios import steps_of
from diffbench.vocabulary.statuses import OUTSIDE

from .cell_text import merge_stages, print_stage
from .formats import Cell, Table, to_markdown
from .notes import notes_of
from .tables import DEFAULT, footnotes_of

MATCH = ["pipeline", "batch_size", "variant", "stage"]
NOTHING = (
    "No number in the measured dataset corresponds to a published one: both must have the same pipeline, batch size and "
    "variant at full scale."
)


def corresponding(published: pd.DataFrame, measured: pd.DataFrame) -> list[tuple[str, str, str, str, int]]:
    """The keys (gpu, torch, gpu and torch of the published, batch_size) of every measured and published table that have
    a pipeline, variant and stage at full scale in common, where the measured one has a number."""
    pairs = published[published["scale"] == "full"].merge(
        measured[measured["status"] == "ok"], on=MATCH, suffixes=("_p", "")
    )
    return list(
        dict.fromkeys(pairs[["gpu", "torch", "gpu_p", "torch_p", "batch_size"]].itertuples(index=False, name=None))
    )


def with_values(summary: pd.DataFrame, **values: Any) -> pd.DataFrame:
    """The rows with these values."""
    return summary[np.logical_and.reduce([summary[column] == value for column, value in values.items()])]


def first_known(summary: pd.DataFrame, column: str) -> str:
    """The first value of a column that is not empty: a run that fails early does not know its device and releases."""
    return next(filter(None, summary[column]), "")


def name_gpu(summary: pd.DataFrame, labels: Labels) -> str:
    return label_of(labels, "gpus", summary["gpu"].iloc[0], first_known(summary, "device_name"))


def header(summary: pd.DataFrame, labels: Labels, variant: str) -> list[str]:
    """GPU, torch, Diffusers and variant of one column."""
    torch = torch_label(summary[["torch", "torch_version"]], summary["torch"].iloc[0])
    diffusers = first_known(summary, "diffusers_version")
    return [f"{name_gpu(summary, labels)}, torch {torch}, Diffusers {diffusers}", label_of(labels, "variants", variant)]


def cells_of(published: pd.DataFrame, measured: pd.DataFrame, footnotes: list[str]) -> list[Cell]:
    """Three Cells, published, measured and ratio, from the rows of one pipeline and variant; one text per stage, `-` for a
    stage that one side lacks. Adds their notes to `footnotes`."""
    sides = [{row["stage"]: row for row in records(side)} for side in (published, measured)]
    stages = sorted({*sides[0], *sides[1]}) or [1]
    cells = []
    for rows in sides:
        texts = [print_stage(rows[stage]) if stage in rows else OUTSIDE for stage in stages]
        cells.append(Cell(merge_stages(texts), footnotes_of(rows.values(), footnotes)))
    rates = [[rows.get(stage, {}).get("iterations_per_second") for stage in stages] for rows in sides]
    ratios = [
        f"{ours / theirs:.2f}x" if is_number(ours) and is_number(theirs) else OUTSIDE for theirs, ours in zip(*rates)
    ]
    return [*cells, Cell(merge_stages(ratios))]


def conditions_of(published: pd.DataFrame, measured: pd.DataFrame, labels: Labels) -> Iterator[str]:
    """A sentence for each known difference between the two sides, with the pipelines and variants that have it."""
    place = ["pipeline", "variant", "stage"]
    theirs = {tuple(row[axis] for axis in place): row for row in records(published)}
    found: dict[str, list[str]] = {}
    for row in records(measured):
        base = theirs.get(tuple(row[axis] for axis in place))
        if base is None or not (is_number(row["iterations_per_second"]) and is_number(base["iterations_per_second"])):
            continue
        name = f"{label_of(labels, 'pipelines', row['pipeline'])}, {label_of(labels, 'variants', row['variant'])}"
        for text in filter(None, [differences_between(row, base), different_steps(row, base)]):
            found.setdefault(text, []).append(name)
    for text, names in found.items():
        yield f"Measured and published under other conditions ({'; '.join(dict.fromkeys(names))}): {text}."


def different_steps(row: Row, base: Row) -> str:
    """`steps 100 and 50`: the step counts of two rows if both are known and differ."""
    own, other = steps_of(row), steps_of(base)
    return f"steps {own} and {other}" if own and other and own != other else ""


def build_comparison(published: pd.DataFrame, measured: pd.DataFrame, labels: Labels, source: str) -> Table:
    """The Table of one published GPU, torch build and batch size next to one measured: the published pipelines, and the
    variants that both have."""
    measured = measured[measured["pipeline"].isin(published["pipeline"])]
    variants = [name for name in published["variant"].unique() if name in set(measured["variant"])]
    headers, rows = [["Pipeline"]], []
    footnotes: list[str] = []
    for variant in variants:
        headers += [header(side, labels, variant) for side in (published, measured)]
        headers.append(["ratio", label_of(labels, "variants", variant)])
    for pipeline in published["pipeline"].unique():
        cells = []
        for variant in variants:
            of_cell = {"pipeline": pipeline, "variant": variant}
            cells += cells_of(with_values(published, **of_cell), with_values(measured, **of_cell), footnotes)
        rows.append((label_of(labels, "pipelines", pipeline), cells))
    *notes, provenance = notes_of(measured[measured["variant"].isin(variants)], labels, DEFAULT)
    conditions = conditions_of(published, measured, labels)
    ratio = "Ratio: measured divided by published iterations per second."
    notes = [f"Published: {source}.", f"Measured: {provenance}", *notes, *conditions, ratio]
    torch, batch_size = published[["torch", "batch_size"]].iloc[0]
    heading = (
        f"{name_gpu(measured, labels)} over {name_gpu(published, labels)}, torch {torch} (batch size: {batch_size})"
    )
    return Table(heading, headers, rows, footnotes, notes)


def render_comparison(published: pd.DataFrame, measured: pd.DataFrame, labels: Labels, source: str) -> str:
    """The Markdown of every comparison, one table per published GPU, torch build, batch size and measured GPU and torch build;
    empty if no number corresponds."""
    measured, texts = measured[measured["scale"].isin(["full", ""])], []  # an open cell has no scale yet
    for gpu, torch, their_gpu, their_torch, batch_size in corresponding(published, measured):
        theirs = with_values(published, gpu=their_gpu, torch=their_torch, batch_size=batch_size)
        ours = with_values(measured, gpu=gpu, torch=torch, batch_size=batch_size)
        texts.append(to_markdown(build_comparison(theirs, ours, labels, source)))
    return "\n".join(texts)
