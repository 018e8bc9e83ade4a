"""How near to the limit: the work of a denoising step against what the device was measured to do at most."""

import re

import numpy as np
import pandas as pd

from columns import CEILING_COLUMNS

from .errors import ReportError

NAME = re.compile("[A-Za-z0-9][A-Za-z0-9._-]*")
DEVICE = ["gpu", "torch", "dtype", "device_name"]
LIMITS = ["matmul_tflops", "copy_gib_per_second"]


def read_ceilings(paths):
    """The ceilings of several CSVs (see ceiling.py) as one DataFrame, LIMITS as float, the rest as text.

    Of devices of one name, measured with one torch build, the larger of each ceiling stands: both could do it. Raises
    ReportError in one line that names the file where it is damaged or foreign.
    """
    frames = [pd.DataFrame(columns=CEILING_COLUMNS).astype(dict.fromkeys(LIMITS, float)), *map(read_file, paths)]
    ceilings = pd.concat([frame for frame in frames if len(frame)] or frames[:1], ignore_index=True)
    first = {column: "first" for column in CEILING_COLUMNS if column not in [*DEVICE, *LIMITS]}
    largest = ceilings.groupby(DEVICE, sort=False, as_index=False).agg({**dict.fromkeys(LIMITS, "max"), **first})
    return largest[CEILING_COLUMNS]


def read_file(path):
    """The rows of one CSV of ceilings."""
    again = "delete it and it is measured again"
    try:
        frame = pd.read_csv(path, dtype=str, keep_default_na=False)
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError):
        raise ReportError(f"{path}: not a CSV of ceilings; {again}") from None
    if list(frame.columns) != CEILING_COLUMNS:
        raise ReportError(f"{path}: not a CSV of ceilings: expected the columns {', '.join(CEILING_COLUMNS[:4])}, …")
    if not len(frame):
        raise ReportError(f"{path}: a header without rows; {again}")
    if (frame["started_at"] == "").any():
        raise ReportError(f"{path}: cut off in its last line; {again}")
    for column in DEVICE[:3]:
        for value in frame[column]:
            if not NAME.fullmatch(value):
                raise ReportError(f"{path}: {column}: found {value[:60]!r}, expected a name; {again}")
    for column in LIMITS:
        numbers = pd.to_numeric(frame[column], errors="coerce")
        wrong = ~(np.isfinite(numbers) & (numbers > 0)) & (frame[column] != "")
        for text in frame.loc[wrong, column]:
            raise ReportError(f"{path}: {column}: found {text[:60]!r}, expected a number above 0, or none; {again}")
        frame[column] = numbers
    return frame


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
