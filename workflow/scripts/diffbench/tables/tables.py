"""Tables in the form of the published page: one per GPU and batch size, pipelines down, torch build x variant across."""

from collections.abc import Iterable, Mapping, Sequence

import pandas as pd

from diffbench.catalogue.labels import Labels, label_of
from diffbench.data.rows import records
from diffbench.data.types import Row
from diffbench.statistics.intervals import TOO_FEW, is_useful
from diffbench.statistics.ratios import print_times, unit_of
from diffbench.vocabulary.badges import DIFFERENT, OTHER_IMAGE
from diffbench.vocabulary.statuses import FOOTNOTED, HOST_MEMORY, OUTSIDE

from .cell_text import best_value, merge_stages, print_stage
from .column_names import Names
from .formats import Cell, Table, to_markdown
from .keys import Column, TableKey
from .notes import notes_of
from .table_options import TableOptions, value_of

DEFAULT = TableOptions()


def columns_of(summary: pd.DataFrame) -> list[Column]:
    """The columns of a table, variants outermost, in the order of the summary."""
    present = set(zip(summary["torch"], summary["variant"]))
    return [
        Column(torch, variant)
        for variant in summary["variant"].unique()
        for torch in summary["torch"].unique()
        if (torch, variant) in present
    ]


def headers_of(part: pd.DataFrame, columns: Iterable[Column], labels: Labels, options: TableOptions) -> list[list[str]]:
    """The lines of each column's header; with speed-ups, a second column next to each."""
    names, headers = Names(part, labels), [["Pipeline"]]
    for torch, variant in columns:
        lines = names.column(torch, variant)
        headers.append(lines)
        if options.speedups:
            headers.append([*lines, "speed-up"])
    return headers


def footnotes_of(rows: Iterable[Row], footnotes: list[str]) -> list[int]:
    """The numbers of a cell's footnotes, from the rows of its stages; adds the notes to `footnotes`."""
    numbers: list[int] = []
    for row in rows:
        # the machine ran out of memory, not the device: not a property of the GPU
        explained = row["status"] in (*FOOTNOTED, "ok") or HOST_MEMORY in row["detail"]
        add_footnote(row["detail"] if explained else "", numbers, footnotes)
        add_footnote(unverified_of(row), numbers, footnotes)
    return numbers


def add_footnote(note: str, numbers: list[int], footnotes: list[str]) -> None:
    """Adds a note to `footnotes` and its number to `numbers`, each once; nothing for an empty note."""
    if note and note not in footnotes:
        footnotes.append(note)
    if note and footnotes.index(note) + 1 not in numbers:
        numbers.append(footnotes.index(note) + 1)


def unverified_of(row: Row) -> str:
    """`not verified: vae: CUDA out of memory`: the mechanisms of a cell whose check could not run; empty if all ran."""
    return f"not verified: {row['unverified']}" if row["status"] == "ok" and row["unverified"] else ""


def cell_of(rows: Sequence[Row], footnotes: list[str], options: TableOptions) -> Cell:
    """A Cell from the rows of its stages; adds its notes to `footnotes`."""
    texts = [print_stage(row, options.decimals, options.unit) for row in rows]
    return Cell(merge_stages(texts), footnotes_of(rows, footnotes))


def print_speedup(row: Row) -> str:
    """`1.56x (1.50 to 1.62), faster`: with interval and verdict if there are enough rounds; `-` without a number.

    A different image is mentioned first; a speed-up per image says so; an unclear one may have too few rounds for an interval.
    """
    if row["speedup"] != row["speedup"]:
        return OUTSIDE
    text = f"{f'{OTHER_IMAGE} other image: ' if row['fidelity'] == DIFFERENT else ''}{print_times(row['speedup'], unit_of(row))}"
    if row["speedup_low"] == row["speedup_low"]:
        low, high, verdict = row["speedup_low"], row["speedup_high"], row["verdict"]
        is_too_wide = verdict == "unclear" and not is_useful(low, high)
        text += f" ({TOO_FEW if is_too_wide else f'{low:.2f} to {high:.2f}'}), {verdict}"
    return text


def speedup_of(rows: Iterable[Row]) -> Cell:
    """A Cell with the speed-up of each stage."""
    return Cell(merge_stages(list(map(print_speedup, rows))))


def cells_of(
    stages: Mapping[Column, Sequence[Row]], columns: Sequence[Column], footnotes: list[str], options: TableOptions
) -> list[Cell]:
    """The Cells of one pipeline. `stages` maps (torch, variant) to the rows of its stages."""
    best = None
    if options.bold_best:
        best = best_value(
            [value_of(stages[column][0], options.unit) for column in columns if column in stages], options.unit
        )
    cells = []
    for column in columns:
        rows = stages.get(column)
        cell = cell_of(rows, footnotes, options) if rows else Cell([OUTSIDE])
        if rows and best is not None and value_of(rows[0], options.unit) == best:
            cell = cell._replace(bold=True)
        cells.append(cell)
        if options.speedups:
            cells.append(speedup_of(rows) if rows else Cell([OUTSIDE]))
    return cells


def build_table(
    summary: pd.DataFrame, gpu: str, batch_size: int, labels: Labels, options: TableOptions = DEFAULT
) -> Table:
    """The Table of one GPU and batch size. `summary` has the rows of the dataset, and may have more."""
    part = summary[(summary["gpu"] == gpu) & (summary["batch_size"] == batch_size)]
    if options.stages == "first":
        part = part[part["stage"] == 1]
    columns = [column for column in options.columns or columns_of(part) if column in columns_of(part)]
    pipelines: dict[str, dict[Column, list[Row]]] = {}
    for row in records(part):
        stages = pipelines.setdefault(row["pipeline"], {})
        stages.setdefault(Column(row["torch"], row["variant"]), []).append(row)
    rows = []
    footnotes: list[str] = []
    for pipeline, stages in pipelines.items():
        marks = dict.fromkeys(row["mark"] for of_column in stages.values() for row in of_column if row["mark"])
        label = " ".join([label_of(labels, "pipelines", pipeline), *marks])
        rows.append((label, cells_of(stages, columns, footnotes, options)))
    heading = heading_of(part, gpu, batch_size, labels)
    headers = headers_of(part, columns, labels, options)
    shown = part[[column in columns for column in zip(part["torch"], part["variant"])]]
    return Table(heading, headers, rows, footnotes, list(notes_of(shown, labels, options)))


def heading_of(part: pd.DataFrame, gpu: str, batch_size: int, labels: Labels) -> str:
    """`A100 (batch size: 1)`."""
    return f"{label_of(labels, 'gpus', gpu, next(iter(part['device_name']), None))} (batch size: {batch_size})"


def table_keys(summary: pd.DataFrame) -> list[TableKey]:
    """The keys of all tables, GPUs outermost, in the order of the summary."""
    pairs = summary[["gpu", "batch_size"]].drop_duplicates()
    return [
        TableKey(gpu, batch_size)
        for gpu in pairs["gpu"].unique()
        for batch_size in pairs.loc[pairs["gpu"] == gpu, "batch_size"]
    ]


def build_tables(summary: pd.DataFrame, labels: Labels, options: TableOptions = DEFAULT) -> dict[TableKey, Table]:
    """Every table of the dataset."""
    parts = dict(list(summary.groupby(["gpu", "batch_size"], sort=False)))
    return {key: build_table(parts[key], *key, labels, options) for key in table_keys(summary)}


def render_tables(summary: pd.DataFrame, labels: Labels, options: TableOptions = DEFAULT) -> dict[TableKey, str]:
    """The Markdown of every table of the dataset."""
    return {key: to_markdown(table) for key, table in build_tables(summary, labels, options).items()}
