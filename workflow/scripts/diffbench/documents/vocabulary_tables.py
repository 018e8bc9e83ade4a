"""The tables of columns and statuses in docs/method.md, from the records of the vocabulary."""

from collections.abc import Iterable, Sequence

from diffbench.vocabulary.columns import TABLES
from diffbench.vocabulary.statuses import OOM, OOM_IN_FIRST_CALL, OOM_LATER, OUTSIDE, STATUSES


def render_columns(name: str) -> str:
    """The table of a group of columns; its column of units only where one has a unit."""
    columns = TABLES[name]
    if any(column.unit for column in columns):
        rows = [(f"`{column.name}`", column.unit, column.meaning) for column in columns]
        return render_rows(["column", "unit", "meaning"], rows)
    return render_rows(["column", "meaning"], [(f"`{column.name}`", column.meaning) for column in columns])


def render_statuses() -> str:
    """The table of statuses, with what a table prints for each."""
    of_memory = (OOM, OOM_IN_FIRST_CALL, OOM_LATER.format(completed="1st"))
    printed = {"ok": "the number", "oom": ", ".join(f"`{text}`" for text in of_memory) + ", …"}
    rows = [(f"`{one.name}`", printed.get(one.name, f"`{one.sign}`"), one.meaning) for one in STATUSES]
    return render_rows(
        ["`status`", "printed", "meaning"],
        [*rows, ("", f"`{OUTSIDE}`", "outside the matrix, or no number in this unit")],
    )


def render_rows(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown whose cells are Markdown; not padded, for some meanings are long."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines).replace("|  |", "| |")
