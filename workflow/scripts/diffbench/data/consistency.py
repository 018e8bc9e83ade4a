"""Checks that a measurement row does not contradict itself.

A row as it was measured passes. A row that a spreadsheet has saved, that was edited, or that was measured with another catalogue
may fail; it would be printed under the wrong name.
"""

import datetime
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from diffbench.catalogue.definition import catalogue
from diffbench.catalogue.devices import has_memory
from diffbench.catalogue.environments import INSTALLED, release_conflict

from .types import Texts

PROVENANCE = [  # the columns that check_texts looks at
    "gpu",
    "torch",
    "torch_version",
    "cuda_version",
    "device_name",
    "device_memory_mib",
    "host_cpu",
    "started_at",
]
CUDA_BUILD = re.compile(r"\+cu(\d+)(\d)\Z")
DIGITS = 5e-6  # relative: rows have six significant digits (system/files.py), so each number is this far off at most
TOLERANCE = 4 * DIGITS  # of a product or ratio of up to four of them; committed rows are off by 6e-6 at most
IN_ORDER = [
    ("latency_q1_s", "latency_s"),
    ("latency_s", "latency_q3_s"),
    ("peak_allocated_mib", "peak_reserved_mib"),
    ("start_peak_allocated_mib", "start_peak_reserved_mib"),
]
# A fixed seed makes every call count the same iterations and denoiser calls, so the medians have the ratio of the counts; the
# denoising loop is part of the call, so its iterations take no longer than the call.
RULES = [  # (column, which rows are wrong, what contradicts it)
    (
        "images_per_second",
        lambda n: differ(n["images_per_second"] * n["latency_s"], n["batch_size"]),
        "batch_size is {batch_size} and latency_s {latency_s}: it must be batch_size / latency_s",
    ),
    (
        "iterations_per_second",
        lambda n: n["iterations_per_second"] * n["latency_s"] < n["iterations"] * (1 - TOLERANCE),
        "iterations is {iterations} and latency_s {latency_s}: the iterations cannot take longer than the call",
    ),
    (
        "denoiser_calls_per_second",
        lambda n: differ(
            n["denoiser_calls_per_second"] * n["iterations"], n["iterations_per_second"] * n["denoiser_calls"]
        ),
        "iterations_per_second is {iterations_per_second}, with {denoiser_calls} denoiser calls in {iterations} iterations",
    ),
    (
        "compile_s",
        lambda n: (
            np.abs(n["first_call_s"] - n["latency_s"] - n["compile_s"])
            > TOLERANCE * (n["first_call_s"] + n["latency_s"])
        ),
        "first_call_s is {first_call_s} and latency_s {latency_s}: it must be first_call_s - latency_s",
    ),
    *(
        (most, lambda n, least=least, most=most: n[least] > n[most], f"{least} is {{{least}}}, which cannot be larger")
        for least, most in IN_ORDER
    ),
]
NUMBERS = [
    "batch_size",
    "iterations",
    "denoiser_calls",
    "iterations_per_second",
    "denoiser_calls_per_second",
    "images_per_second",
    "first_call_s",
    "compile_s",
    *dict.fromkeys(column for pair in IN_ORDER for column in pair),
]


def differ(values: ArrayLike, others: ArrayLike) -> np.ndarray:
    """Which values differ from the others by more than the rounding of a row's numbers."""
    values, others = np.asarray(values), np.asarray(others)
    return np.asarray(np.abs(values - others) > TOLERANCE * np.abs(others))


class Conflict(NamedTuple):
    """A row (counted from 0) with a value that another of its values contradicts; `reason` names the other value."""

    row: int
    column: str
    found: str
    reason: str

    def __str__(self) -> str:
        return f"{self.column}: found {self.found[:60]!r}, but {self.reason}"


def find_conflict(columns: Texts) -> Conflict | None:
    """The first Conflict of rows, given as {column: texts} that the schema accepts; None if there is none."""
    conflicts = [*check_texts(columns), *check_numbers(columns)]
    return min(conflicts, key=lambda conflict: conflict.row, default=None)


def check_texts(columns: Texts) -> Iterator[Conflict]:
    """Yields a Conflict for each rule about names and provenance that a row breaks. Each distinct value is checked once."""
    rules: list[tuple[Callable[..., str | None], list[str]]] = [
        (check_torch, ["torch", "torch_version"]),
        (check_cuda, ["cuda_version", "torch_version"]),
        (GpuCheck(catalogue("gpus")), ["gpu", "device_name", "device_memory_mib", "host_cpu"]),
        (check_date, ["started_at"]),
    ]
    for check, names in rules:
        texts = [columns[name] for name in names]
        for values in dict.fromkeys(zip(*texts)):
            reason = check(*values)
            if reason:
                yield Conflict(list(zip(*texts)).index(values), names[0], values[0], reason)
                break


def check_torch(name: str, version: str) -> str | None:
    """Why a torch build of this name cannot be this release; None if it can."""
    if name == INSTALLED or not version:  # the only name that does not imply a release
        return None
    reason = release_conflict(name, version)
    is_cut = reason and release_conflict(f"{name}0", version) is None
    return reason and f"torch_version is {version!r}{': a spreadsheet drops the 0 of 2.10' if is_cut else ''}"


def check_cuda(cuda: str, version: str) -> str | None:
    """Why a torch build of this version cannot have this CUDA release; None if it can."""
    build = CUDA_BUILD.search(version)
    is_other = build and cuda != ".".join(build.groups())
    return f"torch_version is {version!r}" if cuda and (is_other or version.endswith("+cpu")) else None


class GpuCheck:
    """Compares a row's `gpu` with its device, by the catalogue's `gpus`. A name that they lack is not checked: the machine that
    measured it may have had others."""

    def __init__(self, gpus: Mapping[str, Any]) -> None:
        self.gpus = gpus

    def __call__(self, gpu: str, device_name: str, memory_mib: str, host_cpu: str) -> str | None:
        entry = self.gpus.get(gpu)
        if not entry or not device_name:
            return None
        if entry.get("device") == "cpu" and (memory_mib or host_cpu not in ("", device_name)):
            return f"device_name is {device_name!r}, which is not the processor"
        if not re.search(entry.get("pattern", ""), device_name):
            return f"device_name is {device_name!r}; its pattern in config/gpus.yaml does not match (correct it if it should)"
        if not has_memory(entry, float(memory_mib) if memory_mib else None):
            said = f"config/gpus.yaml says {entry['memory_gib']:g} GB (if that is wrong, correct it)"
            return f"device_memory_mib is {memory_mib}; {said}"
        return None


def check_date(text: str) -> str | None:
    """Why a time does not exist; None if it does. The schema checks its form."""
    try:
        datetime.datetime.fromisoformat(text or "2026-01-01")
    except ValueError:
        return "this time does not exist"
    return None


def to_numbers(texts: Sequence[str]) -> np.ndarray:
    """Texts of numbers as an array; an empty one is NaN."""
    return np.fromiter((float(text) if text else np.nan for text in texts), float, len(texts))


def check_numbers(columns: Texts) -> Iterator[Conflict]:
    """Yields a Conflict for each rule about numbers that a row breaks; a rule does not apply if one of its numbers is missing."""
    numbers = {name: to_numbers(columns[name]) for name in NUMBERS}
    for column, find_wrong, reason in RULES:
        wrong = find_wrong(numbers)
        if wrong.any():
            row = int(wrong.argmax())
            values = {name: columns[name][row] for name in NUMBERS}
            yield Conflict(row, column, values[column], reason.format(**values))
