"""The cold and the warm start of each cell, and the number of images after which compiling has paid for itself."""

from collections.abc import Hashable, Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from diffbench.data.rows import records, tuples
from diffbench.data.types import Baseline
from diffbench.vocabulary.columns import BREAKEVEN, INTERVALS, STARTS

from .breakeven import Latencies, breakeven_images, breakeven_interval

STATES = ("cold", "warm")
BREAKEVEN_COLUMNS = [name for column in BREAKEVEN.values() for name in (column, *INTERVALS[column])]


Cell = tuple[Any, ...]  # the values of the columns that name a cell and stage


class Round(NamedTuple):
    """One round of a cell and stage; `startup_s` is NaN if it is unknown."""

    number: int
    device_id: str
    latency_s: float
    startup_s: float


def rounds_of(measurements: pd.DataFrame, state: str) -> pd.DataFrame:
    """The rounds that began with a cache in that state. A round that compiles nothing has no cache, and counts for both."""
    return measurements[measurements["cache"].isin([state, ""]) & (measurements["status"] == "ok")]


def start_columns(measurements: pd.DataFrame, key: list[str]) -> pd.DataFrame:
    """The columns of STARTS by `key`: the medians over the rounds that started cold, and over those that started warm."""
    parts = []
    for state in STATES:
        medians = rounds_of(measurements, state).groupby(key, sort=False)[list(STARTS)].median()
        parts.append(medians.rename(columns={name: by_state[state] for name, by_state in STARTS.items()}))
    return pd.concat(parts, axis=1)


def breakeven_columns(
    measurements: pd.DataFrame, summary: pd.DataFrame, key: list[str], baseline: Baseline
) -> dict[str, np.ndarray]:
    """BREAKEVEN_COLUMNS in the order of `summary`; NaN for the baseline, and for variants that compile nothing."""
    compiled = set(tuples(measurements.loc[measurements["cache"] != "", key].drop_duplicates()))
    rounds = {state: rounds_by_cell(measurements, key, state) if compiled else {} for state in STATES}
    rows = []
    for row in records(summary[key]):
        own, base = tuple(row.values()), tuple({**row, **baseline}.values())
        values = dict.fromkeys(BREAKEVEN_COLUMNS, np.nan)
        if own in compiled and own != base:
            for state in STATES:
                values.update(breakeven_of(rounds, state, own, base, row["batch_size"]))
        rows.append(values)
    frame = pd.DataFrame(rows, columns=BREAKEVEN_COLUMNS)
    return {column: frame[column].to_numpy() for column in BREAKEVEN_COLUMNS}


def rounds_by_cell(measurements: pd.DataFrame, key: list[str], state: str) -> dict[Cell, list[Round]]:
    """{cell and stage: its Rounds} of rounds_of."""
    rows = rounds_of(measurements, state)
    found: dict[Cell, list[Round]] = {}
    values = tuples(rows[["round", "device_id", "latency_s", "startup_s"]])
    for cell, of_round in zip(tuples(rows[key]), values):
        found.setdefault(cell, []).append(Round(*of_round))
    return found


def breakeven_of(
    rounds: Mapping[str, Mapping[Cell, list[Round]]], state: str, own: Cell, base: Cell, batch_size: int
) -> dict[str, float]:
    """The three columns of one cell and state; nothing if either cell has no start in that state. The latencies are those of all
    rounds, cold and warm. `rounds`: rounds_by_cell of each state."""
    startups_s, base_startups_s = (known_startups(rounds[state].get(cell, ())) for cell in (own, base))
    if not len(startups_s) or not len(base_startups_s):
        return {}
    latencies_s, base_latencies_s = paired_latencies(
        *([of_round for each in STATES for of_round in rounds[each].get(cell, ())] for cell in (own, base))
    )
    images = float(
        breakeven_images(
            np.median(startups_s),
            np.median(base_startups_s),
            median_image_s(latencies_s, batch_size),
            median_image_s(base_latencies_s, batch_size),
            batch_size,
        )
    )
    interval = breakeven_interval(startups_s, base_startups_s, latencies_s, base_latencies_s, batch_size)
    name = BREAKEVEN[state]
    ends = min(interval.low, images), max(interval.high, images)
    return dict(zip((name, *INTERVALS[name]), (images, *ends)))


def known_startups(rounds: Iterable[Round]) -> np.ndarray:
    """The start-ups in seconds of the rounds that have one."""
    return np.array([of_round.startup_s for of_round in rounds if of_round.startup_s == of_round.startup_s])


def paired_latencies(rounds: Iterable[Round], base_rounds: Iterable[Round]) -> tuple[Latencies, Latencies]:
    """{round: latency in seconds} of a cell and of its baseline. If there are at least two pairs of rounds, only those: a drift
    in a round that the other cell lacks is not a difference between the two cells."""
    own, base = ({of_round.number: of_round for of_round in part} for part in (rounds, base_rounds))
    latencies_s: dict[Hashable, float] = {number: of_round.latency_s for number, of_round in own.items()}
    base_latencies_s: dict[Hashable, float] = {}
    for number, of_round in base.items():
        device, base_device = own[number].device_id if number in own else "", of_round.device_id
        is_other_device = bool(
            device and base_device and device != base_device
        )  # not a pair, as in speedup.pair_rounds
        base_latencies_s[(number, base_device) if is_other_device else number] = of_round.latency_s
    pairs = [number for number in sorted(own) if number in base_latencies_s]
    if len(pairs) < 2:
        return latencies_s, base_latencies_s
    return {number: latencies_s[number] for number in pairs}, {number: base_latencies_s[number] for number in pairs}


def median_image_s(latencies_s: Latencies, batch_size: int) -> float:
    """Seconds per image: the reciprocal of the median of the rounds' images per second, as in the figures."""
    return float(1 / np.median([batch_size / latency_s for latency_s in latencies_s.values()]))
