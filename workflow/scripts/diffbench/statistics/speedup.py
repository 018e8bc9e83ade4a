"""Speed-ups against the baseline, with interval and verdict."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from diffbench.data.types import Baseline
from diffbench.vocabulary.columns import KEY
from diffbench.vocabulary.units import IMAGES, ITERATIONS, RATES

from .intervals import rate_interval, rounds_needed, share_variances, verdicts, welch_interval

PAIRED, WELCH = "paired", "welch"


class Moments(NamedTuple):
    """Mean and standard deviation of the rounds' log rates, and the number of rounds: arrays over cells, in one order."""

    mean: np.ndarray
    deviation: np.ndarray
    rounds: np.ndarray


def is_baseline(frame: pd.DataFrame, baseline: Baseline) -> np.ndarray:
    """Which rows are the baseline's own: an array of booleans."""
    return np.asarray(np.all([frame[column] == value for column, value in baseline.items()], axis=0))


def beside_baseline(summary: pd.DataFrame, baseline: Baseline, columns: Sequence[str]) -> pd.DataFrame:
    """The `columns` of each row and, with the suffix `_base`, those of its baseline's row; in the order of `summary`."""
    others = [column for column in KEY if column not in baseline]
    reference = summary[is_baseline(summary, baseline)]
    return summary[[*others, *columns]].merge(
        reference[[*others, *columns]], on=others, how="left", suffixes=("", "_base")
    )


def round_rates(measurements: pd.DataFrame | None = None) -> pd.DataFrame:
    """The rounds that are ok: KEY, `round`, `device_id`, and the natural logarithm of each rate under its unit (RATES).

    `measurements` as measurements.to_frame returns them; None means no rounds.
    """
    if measurements is None:
        frame = pd.DataFrame(columns=[*KEY, "round", "device_id", *RATES])
        return frame.astype({"batch_size": int, "stage": int, "round": int} | dict.fromkeys(RATES, float))
    ok = measurements[measurements["status"] == "ok"]
    rates = {unit: np.log(ok[column].where(ok[column] > 0)) for unit, column in RATES.items()}
    return ok[[*KEY, "round", "device_id"]].assign(**rates)


def pair_rounds(rounds: pd.DataFrame, baseline: Baseline) -> pd.DataFrame:
    """Each round of a cell paired with the same round of its baseline: KEY, `round`, the log ratio in each unit, and the log
    rates with the suffixes `_own` and `_base`.

    Two rounds that were measured on different devices are not paired; an unknown device counts as the same.
    """
    others = [column for column in KEY if column not in baseline]
    base = rounds.loc[is_baseline(rounds, baseline), [*others, "round", "device_id", *RATES]]
    pairs = rounds.merge(base, on=[*others, "round"], suffixes=("", "_base"))
    known = (pairs["device_id"] != "") & (pairs["device_id_base"] != "")
    pairs = pairs[~known | (pairs["device_id"] == pairs["device_id_base"])]
    ratios = {unit: pairs[unit] - pairs[f"{unit}_base"] for unit in RATES}
    own = {f"{unit}_own": pairs[unit] for unit in RATES}
    return pairs[[*KEY, "round", *(f"{unit}_base" for unit in RATES)]].assign(**ratios, **own)


def ratios_of(pairs: pd.DataFrame, keys: pd.DataFrame, units: np.ndarray) -> np.ndarray:
    """The median rate of each of the `keys` divided by its baseline's, both over paired rounds only; NaN without a pair."""
    found = np.full(len(keys), np.nan)
    for unit in RATES:
        known = pairs[pairs[unit].notna()]
        rates: pd.DataFrame = np.exp(known[[f"{unit}_own", f"{unit}_base"]])  # type: ignore[assignment]
        rates = rates.groupby([known[key] for key in KEY], sort=False).median()
        ratios = (rates[f"{unit}_own"] / rates[f"{unit}_base"]).reindex(pd.MultiIndex.from_frame(keys))
        found = np.where(units == unit, ratios, found)
    return found


def moments_of(rounds: pd.DataFrame, keys: pd.DataFrame, units: np.ndarray) -> Moments:
    """The Moments of the rounds of each of the `keys`, each in its unit."""
    found = [np.full(len(keys), np.nan) for _ in range(3)]
    for unit in RATES:
        moments = rounds.groupby(KEY, sort=False)[unit].agg(["mean", "std", "count"])
        moments = moments.reindex(pd.MultiIndex.from_frame(keys))
        found = [np.where(units == unit, moments[name], values) for name, values in zip(moments, found)]
    return Moments(found[0], found[1], np.nan_to_num(found[2]))


def units_of(summary: pd.DataFrame, baseline: Baseline) -> np.ndarray:
    """The unit of each speed-up: images per second if a cell and its baseline are known to differ in their number of
    iterations per call, because an iteration is then not the same work; otherwise iterations per second."""
    pairs = beside_baseline(summary, baseline, ["iterations"])
    known = pairs["iterations"].notna() & pairs["iterations_base"].notna()
    return np.where(known & (pairs["iterations"] != pairs["iterations_base"]), IMAGES, ITERATIONS)


def speedups(summary: pd.DataFrame, baseline: Baseline, units: str | np.ndarray = ITERATIONS) -> np.ndarray:
    """The rate of each row divided by its baseline's; NaN if either has none. Same order as `summary`."""
    pairs = beside_baseline(summary, baseline, list(RATES.values()))
    ratios = {unit: pairs[column] / pairs[f"{column}_base"] for unit, column in RATES.items()}
    chosen = ratios[ITERATIONS].where(np.broadcast_to(units == ITERATIONS, len(pairs)), ratios[IMAGES])
    return chosen.to_numpy(dtype=float, na_value=np.nan)


def compare(
    summary: pd.DataFrame, baseline: Baseline, rounds: pd.DataFrame, unit: str | None = None
) -> dict[str, np.ndarray]:
    """The columns `speedup`, `speedup_unit`, `speedup_low`, `speedup_high`, `verdict`, `compared_by` and `rounds_needed`, in
    the order of `summary`.

    `rounds` as round_rates returns them. `unit`: the unit of all speed-ups; None chooses one for each (units_of). If there are at
    least two pairs of rounds, they are compared in pairs, and rounds without a partner count neither for the interval nor for the
    speed-up. Otherwise all rounds of both cells are compared, by Welch's test. The baseline itself has a speed-up of 1, without
    interval and verdict.
    """
    units = units_of(summary, baseline) if unit is None else np.full(len(summary), unit)
    speedup = speedups(summary, baseline, units)
    own = is_baseline(summary, baseline)
    keys = summary[KEY]
    cell, base = moments_of(rounds, keys, units), moments_of(rounds, keys.assign(**baseline), units)
    rounds_in_pairs = pair_rounds(rounds, baseline)
    mean, deviation, pairs = moments_of(rounds_in_pairs, keys, units)
    deviation = np.where(own, np.nan, deviation)
    paired = (pairs >= 2) & ~own
    alone = paired & ((cell.rounds > pairs) | (base.rounds > pairs))
    speedup = np.where(alone, ratios_of(rounds_in_pairs, keys, units), speedup)
    deviation, degrees = share_variances(deviation, pairs, summary["gpu"])
    in_pairs, unpaired = rate_interval(mean, deviation, pairs, degrees), welch_interval(*cell, *base)
    low, high = (np.where(own, np.nan, np.where(paired, *ends)) for ends in zip(in_pairs, unpaired))
    low, high = np.minimum(low, speedup), np.maximum(high, speedup)
    verdict = verdicts(low, high)
    spread = np.where(paired, deviation, np.hypot(cell.deviation, base.deviation))
    fewest = np.where(paired, pairs, np.fmin(cell.rounds, base.rounds)).astype(int)
    unclear, needed = verdict == "unclear", np.full(len(summary), np.nan)
    needed[unclear] = rounds_needed(speedup[unclear], spread[unclear], fewest[unclear], paired[unclear])
    return {
        "speedup": speedup,
        "speedup_unit": np.where(np.isnan(speedup), "", units),
        "speedup_low": low,
        "speedup_high": high,
        "verdict": verdict,
        "compared_by": np.where(verdict == "", "", np.where(paired, PAIRED, WELCH)),
        "rounds_needed": needed,
    }
