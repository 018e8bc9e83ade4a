"""How tables print: unit, decimals, speed-ups, stages, columns, the best cell, formats. The default is the published form."""

from typing import NamedTuple

from diffbench.vocabulary.units import UNITS


class TableOptions(NamedTuple):
    """The `tables` of a config. `columns` lists (torch, variant) pairs; none: all of them."""

    unit: str = "it/s"
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
    column, reciprocal, _, _ = UNITS[unit]
    value = row[column]
    if row["status"] != "ok" or value != value or not value:
        return None
    return 1 / value if reciprocal else value


def interval_of(row, unit):
    """(low, high) of the row's 95% interval in the unit, the smaller end first; None where it has none: a summary has the
    intervals of iterations alone."""
    column, reciprocal, _, _ = UNITS[unit]
    ends = [row.get(f"{column}_{end}") for end in ("low", "high")]
    if row["status"] != "ok" or any(end is None or end != end for end in ends):
        return None
    return tuple(1 / end if end else float("inf") for end in reversed(ends)) if reciprocal else tuple(ends)
