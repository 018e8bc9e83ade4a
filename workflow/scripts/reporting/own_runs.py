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
    for path, rows in zip(paths, spans(counts)):
        for row in rows:
            cell = tuple(columns[axis][row] for axis in CELL)
            if columns["definition"][row] != expected.get(cell):
                raise ReportError(f"{path}: is of another definition; {remedy}")


def check_counts(paths, columns, counts, calls, remedy):
    """Raises ReportError for a CSV with a row that is ok and has another number of calls than the calls.csv next to it;
    `calls`: all of them, a DataFrame."""
    found = calls.loc[calls["kind"] == "call", IDENTITY].astype(str).value_counts().to_dict()
    for path, rows in zip(paths, spans(counts)):
        for row in rows:
            number = found.get(tuple(columns[axis][row] for axis in IDENTITY), 0)
            if columns["status"][row] == "ok" and columns["calls"][row] != str(number):
                place = Path(path).with_name("calls.csv")
                stage, said = columns["stage"][row], columns["calls"][row]
                raise ReportError(
                    f"{place}: found {number} calls of stage {stage}, expected {said} as in {Path(path).name}; {remedy}"
                )
