"""Checks of rows against the folder of their run.csv, the plan, and the calls next to them."""

from collections.abc import Collection, Iterable, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from diffbench.catalogue.definition import measured_stages
from diffbench.catalogue.sources import ROOT
from diffbench.vocabulary.columns import CELL, IDENTITY
from diffbench.vocabulary.sizes import name_at

from .consistency import differ
from .errors import ReportError
from .types import AnyPath, Texts

KEY_OF_CALLS = [*IDENTITY, "definition"]
AXES = ("gpu", "torch", "pipeline", "batch_size", "variant", "round")  # of a run's folder, in this order


def spans(counts: Sequence[int]) -> list[range]:
    """The numbers of the rows of each file, as a range; `counts`: how many rows each has."""
    return [range(end - count, end) for count, end in zip(counts, accumulate(counts))]


def place_of(path: AnyPath) -> dict[str, str]:
    """{axis: value} from the folder of a run.csv, `…/gpu~A100/torch~2.0/…/round~1/run.csv`; empty for other folders."""
    pairs = [part.split("~", 1) for part in Path(path).parent.parts[-len(AXES) :]]
    return dict(pairs) if [pair[0] for pair in pairs] == list(AXES) and all(map(len, pairs)) else {}


def check_folder(path: AnyPath, columns: Texts, rows: Iterable[int], remedy: str) -> None:
    """Raises ReportError if one of the `rows` (their numbers) of a run.csv belongs to another run than its folder; `columns`:
    {column: texts}."""
    said = place_of(path)
    for row in rows if said else ():
        found = {axis: columns[axis][row] for axis in AXES}
        found["pipeline"] = name_at(found["pipeline"], columns["size"][row])
        for axis in AXES:
            if found[axis] != said[axis]:
                raise ReportError(f"{path}: has {axis} {found[axis]!r}, unlike its folder; {remedy}")


def check_definitions(
    paths: Sequence[AnyPath], columns: Texts, counts: Sequence[int], cells: Iterable[Sequence[Any]], remedy: str
) -> None:
    """Raises ReportError for a run.csv with a row that was measured under another definition than that of its cell in `cells`:
    lists of the values of CELL and the definition. `counts`: how many rows each file has."""
    expected = {tuple(map(str, cell)): definition for *cell, definition in cells}
    keys = list(zip(*(columns[axis] for axis in CELL)))
    other = [
        path
        for path, rows in zip(paths, spans(counts))
        if any(columns["definition"][row] != expected.get(keys[row]) for row in rows)
    ]
    if other:
        more = f", and {len(other) - 1} more file(s) too" if len(other) > 1 else ""
        raise ReportError(f"{other[0]}: has another definition{more}; {remedy}")


def check_stages(rows: Iterable[tuple[AnyPath, Sequence[str]]], remedy: str, root: AnyPath = ROOT) -> None:
    """Raises ReportError if rows lack a stage that their run measures, or have one that it does not. `rows`: each row's place (a
    file, or a file with its line) and its IDENTITY as text; `root`: the folder that contains config/."""
    runs: dict[tuple[str, ...], tuple[AnyPath, Sequence[str], set[int]]] = {}
    for place, key in rows:
        stage = int(key[IDENTITY.index("stage")])
        runs.setdefault(without_stage(key), (place, key, set()))[2].add(stage)
    for place, key, found in runs.values():
        row = dict(zip(IDENTITY, key))
        expected = measured_stages(row["pipeline"], int(row["batch_size"]), root)
        if found != expected.keys():
            run = describe(without_stage(key))
            said = f"found rows of {name_stages(sorted(found))} of {run}, expected {name_stages(expected)}"
            raise ReportError(f"{place}: {said}; {remedy}")


def name_stages(stages: Collection[int]) -> str:
    """`stage 1`, `stages 1, 2, 3`."""
    return f"stage{'s' * (len(stages) > 1)} {', '.join(map(str, stages))}"


def check_calls(
    paths: Sequence[AnyPath],
    columns: Texts,
    counts: Sequence[int],
    calls: pd.DataFrame,
    remedy: str,
    complete: bool = True,
) -> None:
    """Raises ReportError for a CSV whose rows do not match the calls in the calls.csv next to it: the calls of an ok row differ
    from it in number or in the median of their latencies, or calls have no row. `calls`: all of them, a DataFrame; `complete`:
    each ok row must have calls."""
    calls = calls.astype(dict.fromkeys(KEY_OF_CALLS, str))
    groups = calls[calls["kind"] == "call"].groupby(KEY_OF_CALLS)["latency_s"].agg(["size", "median"])
    found = dict(zip(groups.index, groups.itertuples(index=False, name=None)))
    keys = list(zip(*(columns[axis] for axis in KEY_OF_CALLS)))
    known, runs = set(), {}  # {a row without its stage: the file that it is in}
    for path, rows in zip(paths, spans(counts)):
        beside = Path(path).with_name("calls.csv")
        for row in rows:
            key = keys[row]
            known.add(key)
            runs[without_stage(key)] = path
            is_counted = columns["status"][row] == "ok" and columns["calls"][row]  # older rows lack the number
            if not is_counted or not (complete or key in found):
                continue
            number, median_s = found.get(key, (0, np.nan))
            for what, value, expected, is_other in (
                ("calls", number, columns["calls"][row], columns["calls"][row] != str(number)),
                ("s", median_s, columns["latency_s"][row], differ(median_s, float(columns["latency_s"][row]))),
            ):
                if is_other:
                    said = f"found {value:g} {what} for {describe(key)}, expected {expected} as in {Path(path).name}"
                    raise ReportError(f"{beside}: {said}; {remedy}")
    for key in calls[KEY_OF_CALLS].drop_duplicates().itertuples(index=False, name=None):
        if key not in known:
            path = Path(runs.get(without_stage(key), paths[0]))
            said = f"has calls of {describe(key)}, which has no row in {path.name}"
            raise ReportError(f"{path.with_name('calls.csv')}: {said}; {remedy}")


def without_stage(key: Sequence[str]) -> tuple[str, ...]:
    """A row's IDENTITY, perhaps with its definition, with 0 for its stage."""
    return tuple("0" if axis == "stage" else value for axis, value in zip(KEY_OF_CALLS, key))


def describe(key: Sequence[str]) -> str:
    """`sd-txt2img, batch size 4, eager, stage 1, round 2`, from a row's IDENTITY; without a stage if it is 0."""
    row = dict(zip(KEY_OF_CALLS, key))
    stage = "" if row["stage"] == "0" else f"stage {row['stage']}, "
    name = name_at(row["pipeline"], row["size"])
    return f"{name}, batch size {row['batch_size']}, {row['variant']}, {stage}round {row['round']}"
