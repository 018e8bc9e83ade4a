"""Speed-ups as they are printed: the rate that they compare, ratios of any two rows, and means over the same pipelines.

Iterations per second do not compare cells with different step counts, so a speed-up between such cells is per image.
"""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import pandas as pd

from diffbench.data.rows import is_number, tuples
from diffbench.data.types import Row
from diffbench.vocabulary.units import IMAGES, ITERATIONS, RATES, UNITS

WHERE_STEPS_DIFFER = "per image where step counts differ"


class Ratio(NamedTuple):
    """The ratio of two rows' rates in a unit; None if one of them has no such rate."""

    value: float | None
    unit: str


class MeanSpeedup(NamedTuple):
    """The geometric mean of the speed-ups of `rows`."""

    value: float
    rows: pd.DataFrame


def unit_of(row: Row) -> str:
    """The unit of a row's speed-up in the summary: `it/s`, or `images/s` if its step count is not the baseline's."""
    return row.get("speedup_unit") or ITERATIONS


def rate_in(row: Row | None, unit: str) -> float | None:
    """The row's rate in `it/s` or `images/s`; None without one."""
    value = None if row is None else row[UNITS[unit].column]
    return value if is_number(value) and value > 0 else None


def steps_of(row: Row) -> str:
    """The iterations of one call, as text; empty if unknown, as on a published page."""
    return f"{row['iterations']:.0f}" if is_number(row["iterations"]) else ""


def unit_between(row: Row, base: Row) -> str:
    """The unit in which two rows of one pipeline are compared: `images/s` if their step counts differ.

    If a step count is unknown, they count as different if only one of the two is compared with the baseline per image.
    """
    steps = [steps_of(one) for one in (row, base)]
    differ = steps[0] != steps[1] if all(steps) else unit_of(row) != unit_of(base)
    return IMAGES if differ else ITERATIONS


def ratio_of(row: Row | None, base: Row | None) -> Ratio:
    """The ratio of the rates of two rows, in the unit in which they compare."""
    if row is None or base is None:
        return Ratio(None, ITERATIONS)
    unit = unit_between(row, base)
    rate, base_rate = rate_in(row, unit), rate_in(base, unit)
    return Ratio(rate / base_rate if rate and base_rate else None, unit)


def print_times(ratio: float, unit: str) -> str:
    """`2.03x`, or `12.10x per image`."""
    return f"{ratio:.2f}x" + " per image" * (unit == IMAGES)


def base_rate(row: Row) -> float | None:
    """The rate of the baseline that a row's speed-up is measured against, in the speed-up's unit; None without one."""
    rate = rate_in(row, unit_of(row))
    return rate / row["speedup"] if rate and is_number(row["speedup"]) and row["speedup"] > 0 else None


def common_pipelines(part: pd.DataFrame) -> tuple[list[tuple[str, str]], set[str]]:
    """[(torch, variant)] of the compared columns of `part`, and the pipelines whose first stage has a speed-up in all of them.

    A column that is the baseline itself, with 1 everywhere, is not compared.
    """
    first = part.loc[(part["stage"] == 1) & part["speedup"].notna(), ["torch", "variant", "pipeline", "speedup"]]
    found: dict[tuple[str, str], dict[str, list[float]]] = {}
    for torch, variant, pipeline, speedup in tuples(first):
        found.setdefault((torch, variant), {}).setdefault(pipeline, []).append(speedup)
    compared = {
        column: set(speedups)
        for column, speedups in found.items()
        if any(speedup != 1 for several in speedups.values() for speedup in several)
    }
    return list(compared), set.intersection(*compared.values()) if compared else set()


def mean_rows(
    part: pd.DataFrame, columns: Iterable[tuple[str, str]], pipelines: Iterable[str]
) -> dict[tuple[str, str], MeanSpeedup]:
    """{(torch, variant): mean} of the speed-ups of `columns` over the first stages of `pipelines`, as
    common_pipelines gives them."""
    columns_of_mean = ["torch", "variant", "speedup", "speedup_unit", "fidelity", "size", *RATES.values()]
    first = part.loc[
        (part["stage"] == 1) & part["pipeline"].isin(pipelines), part.columns.intersection(columns_of_mean)
    ]
    found = {column: first[(first["torch"] == column[0]) & (first["variant"] == column[1])] for column in columns}
    return {column: MeanSpeedup(float(np.exp(np.log(rows["speedup"]).mean())), rows) for column, rows in found.items()}
