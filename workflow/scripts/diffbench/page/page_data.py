"""What the reader's page contains for every cell: its numbers, its speed-ups over each baseline, its rounds and calls."""

from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd

from diffbench.catalogue.labels import Labels, label_of, torch_label
from diffbench.data.rows import records
from diffbench.data.types import Row
from diffbench.statistics.peak_memory import KINDS, peak_of
from diffbench.tables.cells import Cells, print_failure
from diffbench.tables.column_names import Names
from diffbench.vocabulary.statuses import words_of

from .baselines import PageBaseline, speedups_of
from .details import Details
from .headline import cell_key
from .json_values import compact, number

TEXTS = ["status", "text", "mark", "detail", "fidelity", "bound", "flags", "unverified", "definition", "measured_on"]
TEXTS += ["device_name", "torch_version", "diffusers_version", "dtype", "scale", "weights"]


def dimensions_of(summary: pd.DataFrame, labels: Labels) -> dict[str, list[list[str]]]:
    """{axis: [[name, label], …]}: the page's filters, in the order of the summary."""
    cells = Cells(summary, labels)
    names: dict[str, Callable[[Any], str]] = {
        "gpu": cells.name_gpu,
        "pipeline": lambda name: label_of(labels, "pipelines", name),
        "batch_size": str,
        "torch": lambda name: torch_label(summary, name),
        "variant": lambda name: label_of(labels, "variants", name),
        "status": words_of,
    }
    return {axis: [[str(value), name(value)] for value in summary[axis].unique()] for axis, name in names.items()}


def memory_of(row: Row) -> list[Any] | None:
    """`memory`: the peak that the tables print, in MiB, until warm (None if unknown) and warm, and the mark of its kind."""
    peak = peak_of(row)
    return peak and [number(peak.start_mib), number(peak.warm_mib), KINDS[peak.kind].mark]


def cells_of(
    summary: pd.DataFrame, labels: Labels, baselines: Sequence[PageBaseline], details: Details
) -> tuple[list[Row], list[str]]:
    """(a dictionary for every row of the summary, the texts of the differences between cells and baselines). Numbers have
    five digits; missing values are left out."""
    numbers = [str(name) for name in summary.select_dtypes("number") if name not in ("batch_size", "stage")]
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
