"""How close a cell is to the limit: the work of a denoising step compared with the ceilings measured on the device."""

import numpy as np
import pandas as pd

from diffbench.data.ceilings import DEVICE, LIMITS, read_ceilings


def ceiling_columns(summary: pd.DataFrame, ceilings: pd.DataFrame | None) -> dict[str, np.ndarray]:
    """The columns `achieved_tflops`, LIMITS, `ceiling_percent` and `bound`, each in the order of `summary`.

    The minimum time of a denoising step is the time for its operations at the rate of the matrix product or the time for its
    bytes at the rate of the copy, whichever is longer; `bound` says which (`compute`, `memory`, or "" if unknown).
    `ceiling_percent` is the minimum time divided by the measured time (the roofline model; Williams, Waterman and Patterson
    2009). Unknown values are NaN. A ceiling counts only for its own dtype and device name; `ceilings` may be None.
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
