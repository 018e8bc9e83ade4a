"""How tables print: unit, decimals, speed-ups, stages, columns, the best cell, formats. The default is the published form."""

from typing import NamedTuple

from diffbench.vocabulary.columns import INTERVALS
from diffbench.vocabulary.units import ITERATIONS, UNITS


class TableOptions(NamedTuple):
    """The `tables` of a config. `columns` lists (torch, variant) pairs; none: all of them."""

    unit: str = ITERATIONS
    decimals: int = 2
    speedups: bool = False
    stages: str = "all"
    columns: tuple = ()
    bold_best: bool = False
    formats: tuple = ("md",)


def read_options(config):
    """TableOptions of a config's `tables`, which the schema has checked."""
    settings = dict(config)
    settings["columns"] = tuple((column["torch"], column["variant"]) for column in settings.get("columns", []))
    settings["formats"] = tuple(settings.get("formats", TableOptions().formats))
    return TableOptions(**settings)


def value_of(row, unit):
    """The row's number in the unit, or None where it has none: a published rate has no images per second."""
    value = row[UNITS[unit].column]
    if row["status"] != "ok" or value != value or not value:
        return None
    return 1 / value if UNITS[unit].is_reciprocal else value


def interval_of(row, unit):
    """(low, high) of the row's 95% interval in the unit, the smaller end first; None where it has none: a summary has the
    intervals of iterations alone."""
    ends = [row.get(column) for column in INTERVALS.get(UNITS[unit].column, (None, None))]
    if row["status"] != "ok" or any(end is None or end != end for end in ends):
        return None
    return (
        tuple(1 / end if end else float("inf") for end in reversed(ends)) if UNITS[unit].is_reciprocal else tuple(ends)
    )
