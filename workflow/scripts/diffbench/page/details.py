"""What the page shows for a cell besides its summary: rounds, calls, provenance."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from diffbench.data.groups import groups_by_size, join_different, number_groups
from diffbench.data.rows import records
from diffbench.data.sizes import sized
from diffbench.data.types import Row
from diffbench.statistics.intervals import rate_interval
from diffbench.statistics.speedup import round_rates
from diffbench.vocabulary.columns import KEY, PROVENANCE

from .headline import cell_key
from .json_values import compact, number

OF_ROUND = ["round", "status", "detail", "iterations_per_second", "latency_s", "load_s", "first_call_s", "startup_s"]
OF_ROUND += [
    "cache",
    "warmup_calls",
    "calls",
    "stopped_by",
    "peak_process_mib",
    "peak_reserved_mib",
    "peak_allocated_mib",
]
OF_ROUND += ["peak_rss_mib", "evidence", "unverified", "device_id", "started_at"]
CALL_KINDS = {"first": 0, "warmup": 1, "call": 2}


class Details(NamedTuple):
    """What is known about cells besides their summary, by `headline.cell_key`.

    `rounds`: lists of {column: value}; `calls`: lists of [round, kind (0 first, 1 warm-up, 2 measured), seconds];
    `rates`: those of the rounds, see speedup.round_rates; `images`: (images per second, low, high);
    `provenance`: indices of `provenances`; `commands`: lines of a shell; `strips`: {"gpu/torch/pipeline/batch": data URL}.
    """

    rounds: dict[str, list[Row]]
    calls: dict[str, list[list[Any]]]
    rates: pd.DataFrame
    images: dict[str, list[Any]]
    provenance: dict[str, int]
    provenances: list[Row]
    commands: dict[str, str]
    strips: dict[str, str]


def keys_of(frame: pd.DataFrame) -> list[str]:
    """`cell_key` of every row."""
    return list(map(cell_key, records(frame[KEY])))


def read_details(
    measurements: pd.DataFrame | None, calls: pd.DataFrame | None, commands: dict[str, str], strips: dict[str, str]
) -> Details:
    """The Details of measured rows (read.to_frame) and calls (read.read_calls); with None for both, they have only commands."""
    if measurements is None:
        return Details({}, {}, round_rates(), {}, {}, [], commands, strips)
    measurements = sized(measurements).sort_values("round", kind="stable")
    numbers, cells = number_groups(measurements, KEY)
    keys = keys_of(cells)
    rounds: dict[str, list[Row]] = {}
    for number_of_cell, row in zip(numbers.tolist(), records(measurements[OF_ROUND])):
        values = ((name, value if isinstance(value, str) else number(value)) for name, value in row.items())
        rounds.setdefault(keys[number_of_cell], []).append(compact(values))
    names = [name for name in PROVENANCE if name != "started_at"]
    texts = zip(*(join_different(measurements[name], numbers, len(keys)).tolist() for name in names))
    provenance: dict[str, int] = {}
    provenances: dict[tuple[str, ...], int] = {}
    for key, of_cell in zip(keys, texts):
        provenance[key] = provenances.setdefault(of_cell, len(provenances))
    named = [compact(zip(names, of_cell)) for of_cell in provenances]
    images = images_of(measurements["images_per_second"], numbers, keys)
    return Details(rounds, calls_of(calls), round_rates(measurements), images, provenance, named, commands, strips)


def images_of(rates: pd.Series, numbers: np.ndarray, keys: Sequence[str]) -> dict[str, list[Any]]:
    """{cell: [median of its rounds' images per second, low, high]}; the interval is None with one round."""
    known = rates.notna().to_numpy()
    values, numbers = rates[known].to_numpy(dtype=float), numbers[known]
    found = {}
    for places in groups_by_size(numbers):
        logs, count = np.log(values[places]), places.shape[1]
        middle = np.median(values[places], axis=-1)
        ends: list[tuple[float | None, float | None]] = [(None, None)] * len(places)
        if count > 1:
            low, high = rate_interval(logs.mean(axis=-1), logs.std(axis=-1, ddof=1), count)
            ends = list(zip(np.fmin(low, middle).tolist(), np.fmax(high, middle).tolist()))
        for place, median, of_cell in zip(numbers[places[:, 0]], middle.tolist(), ends):
            found[keys[place]] = list(map(number, (median, *of_cell)))
    return found


def calls_of(calls: pd.DataFrame | None) -> dict[str, list[list[Any]]]:
    """{cell: [[round, kind, seconds], …]} in the order of the calls."""
    if calls is None or not len(calls):
        return {}
    calls = sized(calls)
    seconds = pd.Series(list(map(number, calls["latency_s"].tolist())), index=calls.index)
    calls = calls.assign(code=calls["kind"].map(CALL_KINDS), seconds=seconds)
    numbers, cells = number_groups(calls, KEY)
    found: dict[str, list[list[Any]]] = {key: [] for key in keys_of(cells)}
    lists = list(found.values())
    for place, values in zip(numbers.tolist(), calls[["round", "code", "seconds"]].values.tolist()):
        lists[place].append(values)
    return found
