"""The names of the parts of a dataset: columns and groups of rows of a table, tables, cells."""

from typing import NamedTuple


class Column(NamedTuple):
    """A column of a table: a torch build and a variant."""

    torch: str
    variant: str


class Group(NamedTuple):
    """A pipeline and one of its stages, which tables and figures show as one group of numbers; the stage may be cells.ALL."""

    pipeline: str
    stage: int


class TableKey(NamedTuple):
    """The table of one GPU and batch size."""

    gpu: str
    batch_size: int


class CellKey(NamedTuple):
    """The cells that differ only in their variant."""

    gpu: str
    torch: str
    pipeline: str
    batch_size: int
