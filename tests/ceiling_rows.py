"""Rows and files of ceilings, and summaries of cells that have one."""

import pandas as pd

from diffbench.system.files import to_csv
from diffbench.vocabulary.columns import CEILING_COLUMNS


def ceiling_row(**keys):
    row = {"gpu": "H200", "torch": "2.13", "dtype": "float16", "matmul_tflops": 500.0, "copy_gib_per_second": 2000.0}
    release = keys.get("torch", row["torch"])
    known = {"device_name": "NVIDIA H200", "torch_version": f"{release}.0+cu130", "started_at": "2026-11-20T10:00:00Z"}
    return {**dict.fromkeys(CEILING_COLUMNS, ""), **known, **row, **keys}


def write(path, rows, columns=CEILING_COLUMNS):
    path.write_text(to_csv(rows, columns), encoding="utf-8")
    return path


def summary_of(*rows):
    default = {"gpu": "H200", "torch": "2.13", "dtype": "float16", "device_name": "NVIDIA H200"}
    work = {"step_gflop": 1000.0, "step_mib": 1024.0, "denoiser_calls_per_second": 100.0}
    return pd.DataFrame([{**default, **work, **row} for row in rows])
