"""The rows of run.csv files, held against the folder that each is in, against the plan and against the calls beside them."""

from itertools import accumulate
from pathlib import Path

from columns import CELL, IDENTITY
from sizes import name_at

from .errors import ReportError

AXES = ("gpu", "torch", "pipeline", "batch_size", "variant", "round")  # of a run's folder, in this order


def spans(counts):
    """The numbers of the rows of each file, as a range; `counts`: how many rows each has."""
    return [range(end - count, end) for count, end in zip(counts, accumulate(counts))]


def place_of(path):
    """{axis: value} that the folder of a run.csv says: `…/gpu~A100/torch~2.0/…/round~1/run.csv`; nothing for other folders."""
    pairs = [part.split("~", 1) for part in Path(path).parent.parts[-len(AXES) :]]
    return dict(pairs) if [pair[0] for pair in pairs] == list(AXES) and all(map(len, pairs)) else {}


def check_folder(path, columns, rows, remedy):
    """Raises ReportError where one of the `rows` (their numbers) of a run.csv is of another run than its folder says; `columns`:
    {column: texts}."""
    said = place_of(path)
    for row in rows if said else ():
        found = {axis: columns[axis][row] for axis in AXES}
        found["pipeline"] = name_at(found["pipeline"], columns["size"][row])
        for axis in AXES:
            if found[axis] != said[axis]:
                raise ReportError(f"{path}: holds {axis} {found[axis]!r}; {remedy}")


def check_definitions(paths, columns, counts, cells, remedy):
    """Raises ReportError for a run.csv with a row that was measured under another definition than its cell has in `cells`, the
    values of CELL and the definition of each. `counts`: how many rows each file has."""
    expected = {tuple(map(str, cell)): definition for *cell, definition in cells}
    keys = list(zip(*(columns[axis] for axis in CELL)))
    other = [
        path
        for path, rows in zip(paths, spans(counts))
        if any(columns["definition"][row] != expected.get(keys[row]) for row in rows)
    ]
    if other:
        more = f", like {len(other) - 1} more" if len(other) > 1 else ""
        raise ReportError(f"{other[0]}: is of another definition{more}; {remedy}")


def check_calls(paths, columns, counts, calls, remedy):
    """Raises ReportError for a CSV whose rows and the calls in the calls.csv next to it are not of each other: a row that is ok
    with another number of calls, or calls without a row. `calls`: all of them, a DataFrame."""
    of_kind = calls["kind"] == "call"
    found = calls.loc[of_kind, IDENTITY].astype(str).value_counts().to_dict()
    known, runs = set(), {}  # {a row without its stage: the file that it is in}
    for path, rows in zip(paths, spans(counts)):
        for row in rows:
            key = tuple(columns[axis][row] for axis in IDENTITY)
            known.add(key)
            runs[without_stage(key)] = path
            number = found.get(key, 0)
            if columns["status"][row] == "ok" and columns["calls"][row] != str(number):
                said = (
                    f"found {number} calls of {describe(key)}, expected {columns['calls'][row]} as in {Path(path).name}"
                )
                raise ReportError(f"{Path(path).with_name('calls.csv')}: {said}; {remedy}")
    for key in dict.fromkeys(calls[IDENTITY].astype(str).itertuples(index=False, name=None)):
        if key not in known:
            path = Path(runs.get(without_stage(key), paths[0]))
            said = f"calls of {describe(key)}, which has no row in {path.name}"
            raise ReportError(f"{path.with_name('calls.csv')}: {said}; {remedy}")


def without_stage(key):
    """A row's IDENTITY without its stage."""
    return tuple(value for axis, value in zip(IDENTITY, key) if axis != "stage")


def describe(key):
    """`sd-txt2img, batch size 4, eager, stage 1, round 2`, of a row's IDENTITY."""
    row = dict(zip(IDENTITY, key))
    return (
        f"{name_at(row['pipeline'], row['size'])}, batch size {row['batch_size']}, {row['variant']}, stage {row['stage']}, "
        f"round {row['round']}"
    )
