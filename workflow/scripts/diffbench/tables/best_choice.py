"""The choice of the best variant of a cell at each level of fidelity."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from diffbench.data.rows import is_number, tuples
from diffbench.data.sizes import sized
from diffbench.data.types import Baseline
from diffbench.statistics.speedup import compare, round_rates
from diffbench.vocabulary.badges import CLOSE, EQUIVALENT, IDENTICAL
from diffbench.vocabulary.columns import KEY
from diffbench.vocabulary.units import IMAGES, RATES

from .cell_results import ORDER, UNITS, CellResult, Results, result_rounds
from .keys import CellKey

LEVELS = {  # header: the last badge of ORDER that it accepts
    "identical image": IDENTICAL,
    "equivalent or better": EQUIVALENT,
    "close or better": CLOSE,
    "any image": "",
}


class Speedup(NamedTuple):
    """A speed-up with the ends of its interval (both NaN without one) and its verdict."""

    ratio: float
    low: float
    high: float
    verdict: str


class Candidate(NamedTuple):
    """A result with a rate, and its speed-up over the baseline (None if the baseline has no rate)."""

    result: CellResult
    rate: float
    speedup: float | None
    verdict: str


class Rival(NamedTuple):
    """A variant that is not shown to be slower than the best, and its speed-up over the best."""

    variant: str
    speedup: Speedup


class Choice(NamedTuple):
    """The best at a level, in a unit. Those in `passed_over` have a higher rate but are not shown to beat the baseline."""

    best: Candidate
    unit: str
    passed_over: list[Candidate]
    rivals: list[Rival]


class Comparison:
    """The results of a dataset, compared in pairs of rounds as stages are (speedup.compare). `measurements`: from
    measurements.to_frame; None for a published page, which has neither intervals nor verdicts."""

    def __init__(self, results: Results, measurements: pd.DataFrame | None) -> None:
        of_all = [result for of_cell in results.values() for result in of_cell.values()]
        rows = [
            {key: result.rows[0][key] for key in KEY}
            | {"stage": 1, "iterations": np.nan}
            | {column: np.nan if (rate := result.rates[unit]) is None else rate for unit, column in RATES.items()}
            for result in of_all
        ]
        self.known: dict[tuple[object, ...], dict[tuple[CellKey, str], Speedup]] = {}
        self.frame = pd.DataFrame(rows, columns=[*KEY, "iterations", *RATES.values()])
        self.rounds = result_rounds(sized(measurements), of_all) if measurements is not None else round_rates()

    def against(self, baseline: Baseline, unit: str) -> dict[tuple[CellKey, str], Speedup]:
        """{(cell, variant): its Speedup} of all results over their `baseline`, in the unit."""
        of_which = (*baseline.items(), unit)
        if of_which not in self.known:
            columns = compare(self.frame, baseline, self.rounds, unit)
            names = [(CellKey(*key), variant) for *key, variant in tuples(self.frame[[*CellKey._fields, "variant"]])]
            values = (columns[name].tolist() for name in ("speedup", "speedup_low", "speedup_high", "verdict"))
            self.known[of_which] = dict(zip(names, map(Speedup, *values)))
        return self.known[of_which]


def unit_of_cell(key: CellKey, results: Results, baseline: Baseline) -> str:
    """The unit in which the results of a cell are compared: images per second if all of them and their baselines have it."""

    def base_of(result: CellResult) -> CellResult | None:
        names = key._asdict() | {"variant": result.variant} | baseline
        return results.get(CellKey(*(names[axis] for axis in CellKey._fields)), {}).get(names["variant"])

    own = results[key].values()
    compared = [*own, *filter(None, map(base_of, own))]
    return UNITS[any(result.rates[IMAGES] is None for result in compared)]


def choose(key: CellKey, results: Results, baseline: Baseline, comparison: Comparison) -> dict[str, Choice]:
    """{level: Choice} of a cell; a level that no variant reaches is missing.

    A variant that is not shown to be faster than the baseline is passed over, unless all are.
    """
    unit = unit_of_cell(key, results, baseline)
    candidates = candidates_of(key, results[key], comparison.against(baseline, unit), unit)
    choices = {}
    for level, last in LEVELS.items():
        reaching = [one for one in candidates if ORDER.index(one.result.badge) <= ORDER.index(last)]
        accepted = [one for one in reaching if one.verdict in ("", "faster")] or reaching
        if accepted:
            best = max(accepted, key=lambda one: one.rate)
            passed_over = [one for one in reaching if one.rate > best.rate]
            over_best = comparison.against({"variant": best.result.variant}, unit)
            slower = [one.result.variant for one in reaching if one.rate <= best.rate]
            rivals = [Rival(variant, over_best[key, variant]) for variant in slower]
            rivals = [rival for rival in rivals if rival.speedup.verdict not in ("", "slower")]
            choices[level] = Choice(best, unit, passed_over, rivals)
    return choices


def candidates_of(
    key: CellKey, results: Mapping[str, CellResult], speedups: Mapping[tuple[CellKey, str], Speedup], unit: str
) -> list[Candidate]:
    """The results of a cell that have a rate in the unit, with their speed-ups over the baseline."""
    candidates = []
    for variant, result in results.items():
        rate, speedup = result.rates[unit], speedups[key, variant]
        if rate is not None:
            ratio = speedup.ratio if is_number(speedup.ratio) else None
            candidates.append(Candidate(result, rate, ratio, speedup.verdict))
    return candidates
