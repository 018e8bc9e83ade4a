"""The baselines that the page offers, and the speed-ups over each of them."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import pandas as pd

from diffbench.catalogue.labels import Labels
from diffbench.data.rows import is_number, records
from diffbench.data.types import Baseline
from diffbench.statistics.conditions import differences_from
from diffbench.statistics.ratios import unit_of
from diffbench.statistics.speedup import compare
from diffbench.tables.cells import Cells, name_baseline
from diffbench.vocabulary.units import IMAGES, ITERATIONS

from .json_values import number

MOST_SPEEDUPS = 60_000  # rows x baselines: a limit that keeps the page of a large matrix small
SPEEDUP_UNITS = (ITERATIONS, IMAGES)
OF_SPEEDUP = ["speedup", "speedup_low", "speedup_high", "verdict", "speedup_unit"]


class PageBaseline(NamedTuple):
    """A baseline that the page offers: its `key` in links, its printed `label`, and its names by axis."""

    key: str
    label: str
    names: Baseline


def baselines_of(summary: pd.DataFrame, labels: Labels, baseline: Baseline) -> tuple[list[PageBaseline], int]:
    """The baselines that a reader can choose, the dataset's own first, and how many of the last ones are left out because the
    page would have more than MOST_SPEEDUPS.

    They are each variant, torch build, pair of both, and GPU, with everything else the same.
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
        named.append(PageBaseline(key, ", ".join(names), values))
    return named, len(ordered) - len(named)


def speedups_of(
    summary: pd.DataFrame, baselines: Sequence[PageBaseline], rates: pd.DataFrame
) -> tuple[list[dict[str, list[Any]]], list[str]]:
    """For every row of the summary {baseline key: [speed-up, low, high, verdict, unit, differences]}, if both have a
    number; the last two as indices of SPEEDUP_UNITS and of the second value returned, the list of texts.

    `rates`: from speedup.round_rates. Speed-ups over the first baseline, the dataset's own, are the summary's.
    """
    found: list[dict[str, list[Any]]] = [{} for _ in range(len(summary))]
    texts = {"": 0}
    for place, baseline in enumerate(baselines):
        columns = pd.DataFrame(compare(summary, baseline.names, rates)) if place else summary
        differences = differences_from(summary, baseline.names) if place else summary["differences"]
        for entry, row, text in zip(found, records(columns[OF_SPEEDUP]), differences):
            if is_number(row["speedup"]):
                values = [number(row[name]) for name in OF_SPEEDUP[:3]]
                unit = SPEEDUP_UNITS.index(unit_of(row))
                entry[baseline.key] = [*values, str(row["verdict"]), unit, texts.setdefault(text, len(texts))]
    return found, list(texts)
