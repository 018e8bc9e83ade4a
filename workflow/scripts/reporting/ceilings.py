"""How near to the limit: the work of a denoising step against what the device was measured to do at most."""

import re

import numpy as np
import pandas as pd

from columns import CEILING_COLUMNS
from consistency import PROVENANCE, check_texts

from .errors import ReportError
from .texts import check_numbers, line_of, read_table

NAME = re.compile("[A-Za-z0-9][A-Za-z0-9._-]*")
DEVICE = ["gpu", "torch", "dtype", "device_name"]
LIMITS = ["matmul_tflops", "copy_gib_per_second"]


def read_ceilings(paths, remedy="delete it and it is measured again"):
    """The ceilings of several CSVs (see ceiling.py) as one DataFrame, LIMITS as float, the rest as text.

    Of devices of one name, measured with one torch build, the larger of each ceiling stands: both could do it. Raises
    ReportError in one line that names the file where it is damaged or foreign.
    """
    frames = [
        pd.DataFrame(columns=CEILING_COLUMNS).astype(dict.fromkeys(LIMITS, float)),
        *(read_file(path, remedy) for path in paths),
    ]
    ceilings = pd.concat([frame for frame in frames if len(frame)] or frames[:1], ignore_index=True)
    first = {column: "first" for column in CEILING_COLUMNS if column not in [*DEVICE, *LIMITS]}
    largest = ceilings.groupby(DEVICE, sort=False, as_index=False).agg({**dict.fromkeys(LIMITS, "max"), **first})
    return largest[CEILING_COLUMNS]


def read_file(path, remedy):
    """The rows of one CSV of ceilings."""
    frame = read_table(path, "ceilings", CEILING_COLUMNS, remedy)
    if not len(frame):
        raise ReportError(f"{path}: a header without rows; {remedy}")
    if (frame["started_at"] == "").any():
        raise ReportError(f"{path}: cut off in its last line; {remedy}")
    for column in DEVICE[:3]:
        for value in frame[column]:
            if not NAME.fullmatch(value):
                raise ReportError(f"{path}: {column}: found {value[:60]!r}, expected a name; {remedy}")
    columns = {column: list(frame.get(column, [""] * len(frame))) for column in PROVENANCE}
    for conflict in check_texts(columns):
        raise ReportError(f"{path}:{line_of(path, conflict.row, remedy)}: {conflict}; {remedy}")
    return check_numbers(path, frame, LIMITS, remedy, "positive")


def ceiling_columns(summary, ceilings):
    """The columns `achieved_tflops`, LIMITS, `ceiling_percent` and `bound`, each in the order of `summary`.

    The least time of a denoising step is that of its operations at the rate of the matrix product or that of its bytes at
    the rate of the copy, whichever is longer: `bound` says which (`compute`, `memory`, or "" where it is unknown).
    `ceiling_percent` is the least time over the time taken (the roofline model; Williams, Waterman and Patterson 2009). What
    is unknown is NaN; a ceiling of another dtype or of a device of another name is none, and so is None for `ceilings`.
    """
    ceilings = read_ceilings([]) if ceilings is None else ceilings
    limits = summary[DEVICE].merge(ceilings[[*DEVICE, *LIMITS]], on=DEVICE, how="left")
    tflops, gib_per_second = (limits[column].to_numpy(dtype=float) for column in LIMITS)
    gflop, mib, calls_per_second = (
        summary[column].to_numpy(dtype=float, na_value=np.nan)
        for column in ("step_gflop", "step_mib", "denoiser_calls_per_second")
    )
    compute_s, memory_s = gflop / 1e3 / tflops, mib / 2**10 / gib_per_second
    known = ~np.isnan(compute_s + memory_s)
    return {
        "achieved_tflops": gflop / 1e3 * calls_per_second,
        "matmul_tflops": tflops,
        "copy_gib_per_second": gib_per_second,
        "ceiling_percent": 100 * np.maximum(compute_s, memory_s) * calls_per_second,
        "bound": np.select([known & (compute_s >= memory_s), known], ["compute", "memory"], ""),
    }
