"""How near to the limit: the work of a denoising step against what the device was measured to do at most."""

import numpy as np
import pandas as pd

from diffbench.data.ceilings import DEVICE, LIMITS, read_ceilings


def ceiling_columns(summary: pd.DataFrame, ceilings: pd.DataFrame | None) -> dict[str, np.ndarray]:
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
