"""What the reader's page holds of every cell: its numbers, its speed-ups over each baseline, its rounds and calls."""

import math
from typing import NamedTuple

import numpy as np
import pandas as pd

from diffbench.catalogue.labels import label_of, torch_label
from diffbench.data.groups import groups_by_size, join_different, number_groups
from diffbench.data.rows import is_number, records
from diffbench.statistics.conditions import differences_from
from diffbench.statistics.intervals import rate_interval
from diffbench.statistics.peak_memory import KINDS, peak_of
from diffbench.statistics.ratios import unit_of
from diffbench.statistics.speedup import compare, round_rates
from diffbench.tables.cells import Cells, name_baseline, print_failure
from diffbench.tables.column_names import Names
from diffbench.vocabulary.columns import KEY, PROVENANCE
from diffbench.vocabulary.sizes import sized
from diffbench.vocabulary.statuses import words_of
from diffbench.vocabulary.units import IMAGES, ITERATIONS

from .headline import cell_key

MOST_SPEEDUPS = 60_000  # rows x baselines: what keeps the page of a large matrix small
TEXTS = ["status", "text", "mark", "detail", "fidelity", "bound", "flags", "unverified", "definition", "measured_on"]
TEXTS += ["device_name", "torch_version", "diffusers_version", "dtype", "scale", "weights"]
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
SPEEDUP_UNITS = (ITERATIONS, IMAGES)
OF_SPEEDUP = ["speedup", "speedup_low", "speedup_high", "verdict", "speedup_unit"]


class Details(NamedTuple):
    """What is known of cells beyond their summary, by `headline.cell_key`.

    `rounds`: lists of {column: value}; `calls`: lists of [round, kind (0 first, 1 warm-up, 2 measured), seconds];
    `rates`: those of the rounds, see speedup.round_rates; `images`: (images a second, low, high);
    `provenance`: indices of `provenances`; `commands`: lines of a shell; `strips`: {"gpu/torch/pipeline/batch": data URL}.
    """

    rounds: dict
    calls: dict
    rates: pd.DataFrame
    images: dict
    provenance: dict
    provenances: list
    commands: dict
    strips: dict


def number(value):
    """A number with five significant digits for JSON; None for one that is missing; `inf` as text."""
    if not is_number(value):
        return None
    return float(f"{value:.5g}") if math.isfinite(value) else "inf"


def compact(pairs):
    """A dictionary without what is missing or empty."""
    return {name: value for name, value in pairs if value is not None and value != ""}


def keys_of(frame):
    """`cell_key` of every row."""
    return list(map(cell_key, records(frame[KEY])))


def read_details(measurements, calls, commands, strips):
    """The Details of measured rows (read.to_frame) and calls (read.read_calls); None for both has nothing but commands."""
    if measurements is None:
        return Details({}, {}, round_rates(), {}, {}, [], commands, strips)
    measurements = sized(measurements).sort_values("round", kind="stable")
    numbers, cells = number_groups(measurements, KEY)
    keys, rounds = keys_of(cells), {}
    for number_of_cell, row in zip(numbers.tolist(), records(measurements[OF_ROUND])):
        values = ((name, value if isinstance(value, str) else number(value)) for name, value in row.items())
        rounds.setdefault(keys[number_of_cell], []).append(compact(values))
    names = [name for name in PROVENANCE if name != "started_at"]
    found = zip(*(join_different(measurements[name], numbers, len(keys)).tolist() for name in names))
    provenance, provenances = {}, {}
    for key, values in zip(keys, found):
        provenance[key] = provenances.setdefault(values, len(provenances))
    named = [compact(zip(names, values)) for values in provenances]
    images = images_of(measurements["images_per_second"], numbers, keys)
    return Details(rounds, calls_of(calls), round_rates(measurements), images, provenance, named, commands, strips)


def images_of(rates, numbers, keys):
    """{cell: [median of its rounds' images per second, low, high]}; the interval is None with one round."""
    known, found = rates.notna().to_numpy(), {}
    rates, numbers = rates[known].to_numpy(dtype=float), numbers[known]
    for places in groups_by_size(numbers):
        logs, count = np.log(rates[places]), places.shape[1]
        middle = np.median(rates[places], axis=-1)
        ends = [(None, None)] * len(places)
        if count > 1:
            low, high = rate_interval(logs.mean(axis=-1), logs.std(axis=-1, ddof=1), count)
            ends = zip(np.fmin(low, middle).tolist(), np.fmax(high, middle).tolist())
        for place, median, of_cell in zip(numbers[places[:, 0]], middle.tolist(), ends):
            found[keys[place]] = list(map(number, (median, *of_cell)))
    return found


def calls_of(calls):
    """{cell: [[round, kind, seconds], …]} in the order of the calls."""
    if calls is None or not len(calls):
        return {}
    calls = sized(calls)
    seconds = list(map(number, calls["latency_s"].tolist()))
    calls = calls.assign(code=calls["kind"].map(CALL_KINDS), seconds=seconds)
    numbers, cells = number_groups(calls, KEY)
    found = {key: [] for key in keys_of(cells)}
    lists = list(found.values())
    for place, values in zip(numbers.tolist(), calls[["round", "code", "seconds"]].values.tolist()):
        lists[place].append(values)
    return found


def dimensions_of(summary, labels):
    """{axis: [[name, label], …]}: what the page filters by, in the order of the summary."""
    cells = Cells(summary, labels)
    names = {
        "gpu": cells.name_gpu,
        "pipeline": lambda name: label_of(labels, "pipelines", name),
        "batch_size": str,
        "torch": lambda name: torch_label(summary, name),
        "variant": lambda name: label_of(labels, "variants", name),
        "status": words_of,
    }
    return {axis: [[str(value), name(value)] for value in summary[axis].unique()] for axis, name in names.items()}


def baselines_of(summary, labels, baseline):
    """([(key, label, {axis: value}), …], count): what speed-ups can be held against, the dataset's own baseline first, and how
    many of those that come last are left out, for the page would hold more than MOST_SPEEDUPS.

    Each variant, torch build and pair of both, and each GPU, all else the same.
    """
    variants, builds, gpus = (list(summary[axis].unique()) for axis in ("variant", "torch", "gpu"))
    found = [baseline, *({"variant": name} for name in variants)]
    if len(builds) > 1:
        found += [{"torch": name} for name in builds]
    if len(gpus) > 1:
        found += [{"gpu": name} for name in gpus]
    if len(builds) > 1 and len(variants) > 1:
        found += [{"torch": build, "variant": variant} for build in builds for variant in variants]
    ordered = [values for place, values in enumerate(found) if values not in found[:place]]
    most = max(1, MOST_SPEEDUPS // max(1, len(summary)))
    cells = Cells(summary, labels)
    named = []
    for values in ordered[:most]:
        names = [cells.name_gpu(values["gpu"])] if "gpu" in values else []
        names += [text for text in [name_baseline(values, labels)] if text]
        key = ",".join(f"{axis}:{values[axis]}" for axis in ("gpu", "torch", "variant") if axis in values)
        named.append((key, ", ".join(names), values))
    return named, len(ordered) - len(named)


def speedups_of(summary, baselines, rates):
    """For every row of the summary {baseline key: [speed-up, low, high, verdict, unit, what differs]}, where there are both
    numbers; the last two as indices of SPEEDUP_UNITS and of the second value returned, the list of texts.

    `rates` as of speedup.round_rates. Those over the first baseline, the dataset's own, are the summary's.
    """
    found, texts = [{} for _ in range(len(summary))], {"": 0}
    for place, (key, _, baseline) in enumerate(baselines):
        columns = pd.DataFrame(compare(summary, baseline, rates)) if place else summary
        differences = differences_from(summary, baseline) if place else summary["differences"]
        for entry, row, text in zip(found, records(columns[OF_SPEEDUP]), differences):
            if is_number(row["speedup"]):
                values = [number(row[name]) for name in OF_SPEEDUP[:3]]
                unit = SPEEDUP_UNITS.index(unit_of(row))
                entry[key] = [*values, str(row["verdict"]), unit, texts.setdefault(text, len(texts))]
    return found, list(texts)


def memory_of(row):
    """`memory`: the peak that the tables print, in MiB, until warm (None if unknown) and warm, and the mark of its kind."""
    peak = peak_of(row)
    return peak and [number(peak.start_mib), number(peak.warm_mib), KINDS[peak.kind].mark]


def cells_of(summary, labels, baselines, details):
    """(a dictionary for every row of the summary, the texts of what cells and baselines differ in): texts, numbers with five
    digits, what is missing left out."""
    numbers = [name for name in summary.select_dtypes("number") if name not in ("batch_size", "stage")]
    numbers = [name for name in numbers if not name.startswith("speedup") and name != "rounds"]
    cells = []
    found, differences = speedups_of(summary, baselines, details.rates)
    names = Names(summary, labels)
    for row, speedups in zip(records(summary), found):
        key = cell_key(row)
        cell = compact((name, row[name]) for name in TEXTS)
        cell |= compact((name, number(row[name])) for name in numbers)
        cell |= {axis: str(row[axis]) for axis in ("gpu", "torch", "pipeline", "batch_size", "variant")}
        cell |= {"key": key, "stage": int(row["stage"]), "name": names.stage(row), "speedups": speedups}
        cell |= compact([("memory", memory_of(row))])
        if row["status"] != "ok":
            cell["failure"] = print_failure(row)
        cell |= compact(
            (name, getattr(details, name).get(key)) for name in ("rounds", "calls", "images", "provenance", "commands")
        )
        cells.append(cell)
    return cells, differences
