"""Reading and checking the files of ceilings, the highest rates measured on devices."""

from collections.abc import Iterable

import pandas as pd

from diffbench.vocabulary.columns import CEILING_COLUMNS
from diffbench.vocabulary.columns import CEILINGS as LIMITS
from diffbench.vocabulary.names import NAME

from .consistency import PROVENANCE, check_texts
from .csv_text import check_numbers, line_of, read_table
from .errors import ReportError
from .types import AnyPath

DEVICE = ["gpu", "torch", "dtype", "device_name"]


def read_ceilings(paths: Iterable[AnyPath], remedy: str = "delete it to measure it again") -> pd.DataFrame:
    """The ceilings of several CSVs (see ceiling.py) as one DataFrame, LIMITS as float, the rest as text.

    If devices of one name were measured with one torch build, the larger value of each ceiling counts, because both can reach
    it. Raises ReportError, which names the file, if one is damaged or is not a file of ceilings.
    """
    frames = [
        pd.DataFrame(columns=CEILING_COLUMNS).astype(dict.fromkeys(LIMITS, float)),
        *(read_file(path, remedy) for path in paths),
    ]
    ceilings = pd.concat([frame for frame in frames if len(frame)] or frames[:1], ignore_index=True)
    first = {column: "first" for column in CEILING_COLUMNS if column not in [*DEVICE, *LIMITS]}
    largest = ceilings.groupby(DEVICE, sort=False, as_index=False).agg({**dict.fromkeys(LIMITS, "max"), **first})
    return largest[CEILING_COLUMNS]


def read_file(path: AnyPath, remedy: str) -> pd.DataFrame:
    """The rows of one CSV of ceilings."""
    frame = read_table(path, "ceilings", CEILING_COLUMNS, remedy)
    if not len(frame):
        raise ReportError(f"{path}: a header without rows; {remedy}")
    if (frame["started_at"] == "").any():
        raise ReportError(f"{path}: cut off in its last line; {remedy}")
    for column in DEVICE[:3]:
        for value in frame[column]:
            if not NAME.match(value):
                raise ReportError(f"{path}: {column}: found {value[:60]!r}, expected a name; {remedy}")
    columns = {column: list(frame.get(column, [""] * len(frame))) for column in PROVENANCE}
    for conflict in check_texts(columns):
        raise ReportError(f"{path}:{line_of(path, conflict.row, remedy)}: {conflict}; {remedy}")
    return check_numbers(path, frame, LIMITS, remedy, "positive")
