"""The result of a cell: all its stages count as one, and an image passes through them one after the other."""

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
import pandas as pd

from diffbench.catalogue.definition import entry
from diffbench.data.rows import is_number, records
from diffbench.data.types import Baseline, Row
from diffbench.statistics.speedup import is_baseline, round_rates
from diffbench.vocabulary.badges import BADGES, IDENTICAL
from diffbench.vocabulary.columns import KEY
from diffbench.vocabulary.errors import DiffbenchError
from diffbench.vocabulary.sizes import split_name
from diffbench.vocabulary.units import IMAGES, ITERATIONS, RATES

from .keys import CellKey

ORDER = (*BADGES, "")  # from the best badge to none: not compared
UNITS = (IMAGES, ITERATIONS)


class CellResult(NamedTuple):
    """The result of a cell: the `rows` of its stages, its rate by unit (None without one), the worst badge of its stages."""

    variant: str
    rows: list[Row]
    rates: dict[str, float | None]
    badge: str
    is_baseline: bool


Results = Mapping[CellKey, Mapping[str, CellResult]]  # the last key is the variant


@cache
def steps_of(pipeline: str) -> dict[int, int]:
    """{stage: steps} of a pipeline in the catalogue. Raises DiffbenchError if it is not there."""
    stages = entry("pipelines", split_name(pipeline)[0])["stages"]
    return {number: stage["steps"] for number, stage in enumerate(stages, start=1)}


def rates_of(rows: Sequence[Row]) -> dict[str, float | None]:
    """{unit: rate} of a cell's rows, one per stage: images per second through all stages one after the other, and all
    iterations divided by the time of all stages, with the catalogue's step counts."""
    images = [row["images_per_second"] for row in rows]
    iterations = [row["iterations_per_second"] for row in rows]
    rates: dict[str, float | None] = dict.fromkeys(UNITS)
    if all(is_number(rate) and rate > 0 for rate in images):
        rates[IMAGES] = 1 / sum(1 / rate for rate in images)
    if len(rows) == 1:
        rates[ITERATIONS] = iterations[0]
        return rates
    try:
        steps = [steps_of(rows[0]["pipeline"]).get(row["stage"], 0) for row in rows]
    except DiffbenchError:
        return rates
    if all(steps):
        rates[ITERATIONS] = sum(steps) / sum(count / rate for count, rate in zip(steps, iterations))
    return rates


def results_of(summary: pd.DataFrame, baseline: Baseline) -> dict[CellKey, dict[str, CellResult]]:
    """The results of a dataset by variant, only for cells that have a number in every stage that any variant has."""
    stages: dict[CellKey, set[int]] = {}
    rows: dict[CellKey, dict[str, list[Row]]] = {}
    baselines: set[tuple[CellKey, str]] = set()
    for row, of_baseline in zip(records(summary), is_baseline(summary, baseline).tolist()):
        key = CellKey(*(row[axis] for axis in CellKey._fields))
        stages.setdefault(key, set()).add(row["stage"])
        rows.setdefault(key, {}).setdefault(row["variant"], []).append(row)
        baselines |= {(key, row["variant"])} if of_baseline else set()
    return {
        key: {
            variant: result_of(variant, of_cell, (key, variant) in baselines)
            for variant, of_cell in variants.items()
            if {row["stage"] for row in of_cell} == stages[key]
            and all(is_number(row["iterations_per_second"]) for row in of_cell)
        }
        for key, variants in rows.items()
    }


def result_of(variant: str, rows: list[Row], is_baseline: bool) -> CellResult:
    """The result of the cell whose stages have these rows."""
    badge = IDENTICAL if is_baseline else max((row["fidelity"] for row in rows), key=ORDER.index)
    return CellResult(variant, rows, rates_of(rows), badge, is_baseline)


def result_rounds(measurements: pd.DataFrame, results: Iterable[CellResult]) -> pd.DataFrame:
    """The rounds in which all stages of a result are ok, as stage 1: see speedup.round_rates."""
    cell = KEY[:-1]
    stages = {tuple(result.rows[0][key] for key in cell): len(result.rows) for result in results}
    rounds: dict[tuple[tuple[str, ...], int], list[Row]] = {}
    for row in records(measurements.loc[measurements["status"] == "ok", [*KEY, "round", "device_id", *RATES.values()]]):
        rounds.setdefault((tuple(row[key] for key in cell), row["round"]), []).append(row)
    rows = []
    for (of_cell, _), of_round in rounds.items():
        if len(of_round) == stages.get(of_cell):
            rates = rates_of(of_round)
            logarithms = {unit: np.nan if (rate := rates[unit]) is None else np.log(rate) for unit in RATES}
            rows.append({**of_round[0], "stage": 1, **logarithms})
    empty = round_rates()
    return pd.DataFrame(rows, columns=empty.columns).astype(empty.dtypes) if rows else empty
