"""The conditions under which two cells were measured: host, driver, CUDA, threads, device, libraries, environment, weights.

A difference in any of them is printed where the two are compared. An unknown value is no difference: old rows and published
pages lack most of them.
"""

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

import pandas as pd

from diffbench.data.rows import tuples
from diffbench.data.types import Baseline, Row
from diffbench.vocabulary.columns import KEY

NAMES = {  # column of a summary: what it is called
    "device_name": "device",
    "host_cpu": "host CPU",
    "host_cores": "host cores",
    "driver_version": "driver",
    "cuda_version": "CUDA",
    "compiler_version": "C++ compiler",
    "threads": "CPU threads",
    "weights_digest": "weights (digest)",
}
LISTS = {  # column of a summary that lists names with values: (separator of entries, separator of name and value)
    "libraries": (", ", " "),
    "environment_variables": ("; ", "="),
}
COLUMNS = [*NAMES, *LISTS]
OF_BUILD = ("cuda_version", "libraries")  # they come with the torch build; build_differences.py reports CUDA
OF_GPU = ("device_name",)
JOINT = "; "  # between the values of rounds that differ (groups.join_different)


def parts_of(value: object, joint: str = JOINT) -> list[str]:
    """The distinct values in a joined text; none if it is unknown."""
    return list(dict.fromkeys(part for part in str(value or "").replace(joint, JOINT).split(JOINT) if part))


def describe(name: str, own: Iterable[str], base: Iterable[str]) -> str:
    """`driver 535.1 and 550.2`: the cell's value first."""
    return f"{name} {' or '.join(own) or 'none'} and {' or '.join(base) or 'none'}"


def by_name(parts: Iterable[str], separator: str) -> dict[str, list[str]]:
    """{name: [its values]} of `peft 0.17.1` or `OMP_NUM_THREADS=2`."""
    found: dict[str, list[str]] = {}
    for part in parts:
        name, _, value = part.partition(separator)
        found.setdefault(name, []).append(value)
    return found


def list_differences(own: Sequence[str], base: Sequence[str], separator: str) -> list[str]:
    """A text for each name that has different values in two lists; none if either list is unknown. A list may be `none`."""
    if not own or not base:
        return []
    values, base_values = (by_name([part for part in parts if part != "none"], separator) for parts in (own, base))
    pairs = {name: (values.get(name, []), base_values.get(name, [])) for name in {**values, **base_values}}
    return [describe(name, *pair) for name, pair in pairs.items() if set(pair[0]) != set(pair[1])]


def differences_between(row: Row, base: Row) -> str:
    """The differences between a row of a summary and the row it is compared with: `driver 535.1 and 550.2; CPU threads 2 and 4`.

    The row's value comes first. Empty if nothing is known to differ. Conditions that come with a torch build or a GPU are left
    out if the two rows have different ones.
    """
    left_out = OF_BUILD * (row["torch"] != base["torch"]) + OF_GPU * (row["gpu"] != base["gpu"])
    found = {}
    for column, name in NAMES.items():
        own, other = parts_of(row[column]), parts_of(base[column])
        if column not in left_out and own and other and set(own) != set(other):
            found[column] = describe(name, own, other)
    if row["device_name"] == row["host_cpu"] and "device_name" in found:
        found.pop("host_cpu", None)  # on a CPU the host is the device
    texts = list(found.values())
    for column, (joint, separator) in LISTS.items():
        if column not in left_out:
            texts += list_differences(parts_of(row[column], joint), parts_of(base[column], joint), separator)
    if "threads" in found:  # the variables that set them would repeat it
        texts = [text for text in texts if "_NUM_THREADS " not in text]
    return JOINT.join(texts)


def differences_from(summary: pd.DataFrame, baseline: Baseline) -> list[str]:
    """For each row of a summary, its differences from its baseline's row (differences_between); empty without one.

    `baseline` maps axes to names, as in speedup.compare.
    """
    names, keys = ["gpu", "torch", *COLUMNS], tuples(summary[KEY])
    conditions = tuples(summary[names])

    @cache  # many cells are measured under the same conditions
    def differences(own: tuple[Any, ...], base: tuple[Any, ...]) -> str:
        return differences_between(dict(zip(names, own)), dict(zip(names, base)))

    of_key = dict(zip(keys, conditions))
    bases = [of_key.get(tuple({**dict(zip(KEY, key)), **baseline}.values())) for key in keys]
    return ["" if base is None else differences(own, base) for own, base in zip(conditions, bases)]
