"""Writing, reading and checking fidelity.csv. Planning reads it too, where only pandas is installed."""

from typing import TextIO

import numpy as np
import pandas as pd

from diffbench.vocabulary.columns import FIDELITY_COLUMNS, FIDELITY_MEASURES, KEY

from .csv_text import POSITIVE_INTEGER, check_all, check_numbers, read_table
from .errors import REMADE
from .types import AnyPath

BOUNDS_OF = {
    "psnr_db": "not negative or inf",
    "ssim": "-1 to 1",
    "latents_difference": "not negative",
    "latents_scale": "not negative",
}
WHOLE = ["batch_size", "stage", "round", "baseline_round"]
TYPES = {**dict.fromkeys(WHOLE, int), **dict.fromkeys(FIDELITY_MEASURES, float)}
BOOLEANS = {
    "True": True,
    "TRUE": True,
    "true": True,
    "False": False,
    "FALSE": False,
    "false": False,
}  # as spreadsheets save them


def write_fidelity(fidelity: pd.DataFrame, path: AnyPath | TextIO) -> None:
    """Write the result of compare_runs as CSV, numbers with six significant digits; `inf` is the PSNR of equal images."""
    fidelity.to_csv(path, index=False, lineterminator="\n", float_format="%.6g")


def read_fidelity(path: AnyPath, remedy: str = REMADE) -> pd.DataFrame:
    """The comparisons in a fidelity.csv. Raises ReportError if it is not such a file."""
    frame = read_table(path, "comparisons of outputs", FIDELITY_COLUMNS, remedy)
    for column, bound in BOUNDS_OF.items():
        frame = check_numbers(path, frame, [column], remedy, bound)
    for column in WHOLE:
        check_all(path, frame[column], frame[column].str.fullmatch(POSITIVE_INTEGER), "an integer of 1 or more", remedy)
    check_all(path, frame["identical"], frame["identical"].isin(BOOLEANS), "True or False", remedy)
    identical = frame["identical"].map(BOOLEANS).astype(bool)
    check_all(
        path,
        frame["identical"],
        ~(identical & np.isfinite(frame["psnr_db"])),
        "False, because psnr_db is finite",
        remedy,
    )
    twice = frame.duplicated([*KEY, "round"])
    check_all(path, frame["round"], ~twice, "another round: this one appears twice", remedy)
    return frame.assign(identical=identical).astype(TYPES)
