"""How tables are printed: unit, decimals, speed-ups, stages, columns, best cell, formats. The default is the published form."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from diffbench.data.rows import is_number
from diffbench.data.types import Row
from diffbench.statistics.intervals import Interval
from diffbench.vocabulary.columns import INTERVALS
from diffbench.vocabulary.units import ITERATIONS, UNITS

from .keys import Column


class TableOptions(NamedTuple):
    """The `tables` of a config. With no `columns`, a table has all of them."""

    unit: str = ITERATIONS
    decimals: int = 2
    speedups: bool = False
    stages: str = "all"
    columns: tuple[Column, ...] = ()
    bold_best: bool = False
    formats: tuple[str, ...] = ("md",)


def read_options(config: Mapping[str, Any]) -> TableOptions:
    """TableOptions of a config's `tables`, which the schema has checked."""
    settings = dict(config)
    settings["columns"] = tuple(Column(column["torch"], column["variant"]) for column in settings.get("columns", []))
    settings["formats"] = tuple(settings.get("formats", TableOptions().formats))
    return TableOptions(**settings)


def value_of(row: Row, unit: str) -> float | None:
    """The row's number in the unit, or None if it has none: a published row has no images per second."""
    value = row[UNITS[unit].column]
    if row["status"] != "ok" or value != value or not value:
        return None
    return 1 / value if UNITS[unit].is_reciprocal else value


def interval_of(row: Row, unit: str) -> Interval[float] | None:
    """The row's 95% interval in the unit; None if it has none: a summary has
    intervals only for iterations."""
    columns = INTERVALS.get(UNITS[unit].column)
    if row["status"] != "ok" or columns is None:
        return None
    low, high = (row.get(column) for column in columns)
    if not (is_number(low) and is_number(high)):
        return None
    if UNITS[unit].is_reciprocal:
        low, high = (1 / end if end else float("inf") for end in (high, low))
    return Interval(low, high)
