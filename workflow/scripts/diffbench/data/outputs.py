"""The outputs of one call of a run: its final latents and its image, read from the run's folder."""

import math
import os
import tokenize
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from PIL import Image

from diffbench.vocabulary.columns import CELL
from diffbench.vocabulary.errors import one_line

from .errors import AGAIN_FOLDER, ReportError
from .measurements import read_files, to_frame
from .types import AnyPath

FOLDER = "outputs"  # next to a run.csv
HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}  # by the format's version
KINDS = "fiu"  # NumPy's kinds of numbers


class Output(NamedTuple):
    """`latents`: float32, channels x height x width; `image`: uint8, height x width x 3; None if the run kept none."""

    latents: np.ndarray | None
    image: np.ndarray | None


def read_runs(paths: Sequence[AnyPath]) -> pd.DataFrame:
    """The rows of every run.csv among `paths` as a DataFrame (see measurements.to_frame) with the column `outputs`: the folder
    of the run's latents and images. Raises ReportError as read_files does."""
    columns, counts = read_files(paths)
    folders = [str(path.parent / FOLDER) for path, count in zip(map(Path, paths), counts) for _ in range(count)]
    return to_frame(columns).assign(outputs=pd.Series(folders, dtype=str))


def current_runs(runs: pd.DataFrame, definitions: pd.DataFrame) -> pd.DataFrame:
    """The rows of `runs` whose cell has the same definition in `definitions`, a DataFrame with the columns of CELL and
    `definition`; rows measured under an older one are left out."""
    return runs.merge(definitions, on=[*CELL, "definition"])


def files_of(folder: AnyPath, stage: int) -> tuple[Path, Path]:
    """The files of a stage's latents and image, whether they exist or not."""
    return Path(folder) / f"stage-{stage}.npy", Path(folder) / f"stage-{stage}.png"


def kept_runs(runs: pd.DataFrame) -> pd.DataFrame:
    """The rows of `runs` (see read_runs) that are ok and whose run kept latents or image of the stage."""
    pairs = zip(runs["outputs"], runs["stage"])
    kept = [any(path.is_file() for path in files_of(folder, stage)) for folder, stage in pairs]
    return runs[(runs["status"] == "ok") & np.array(kept, dtype=bool)]


def read_output(folder: AnyPath, stage: int) -> Output:
    """The Output of a stage. Raises ReportError if a file is damaged."""
    latents_file, image_file = files_of(folder, stage)
    latents = read_latents(latents_file) if latents_file.is_file() else None
    image = read_image(image_file) if image_file.is_file() else pixels_of(latents)
    return Output(latents, image)


def read_latents(path: Path) -> np.ndarray:
    """The array in a file. Its header is compared with the file's size before memory is allocated for it."""
    try:
        with open(path, "rb") as file:
            read_header = HEADERS.get(np.lib.format.read_magic(file))
            if read_header is None:
                raise ReportError(f"{path}: not a NumPy array: unknown version; {AGAIN_FOLDER}")
            shape, _, dtype = read_header(file)
            size = file.tell() + math.prod(shape) * dtype.itemsize
            if dtype.kind not in KINDS or min(shape, default=0) < 0:
                raise ReportError(
                    f"{path}: not a NumPy array of numbers: found shape {shape}, type {dtype}; {AGAIN_FOLDER}"
                )
            if size != os.fstat(file.fileno()).st_size:
                raise ReportError(
                    f"{path}: found a file of {os.fstat(file.fileno()).st_size} bytes, expected {size}; {AGAIN_FOLDER}"
                )
            file.seek(0)
            latents = np.lib.format.read_array(file, allow_pickle=False).astype(np.float32)
    except (
        ValueError,
        EOFError,
        TypeError,
        SyntaxError,
        OverflowError,
        MemoryError,
        RecursionError,
        tokenize.TokenError,
    ) as error:
        raise ReportError(f"{path}: not a NumPy array: {one_line(error, 60)}; {AGAIN_FOLDER}") from None
    if not latents.size:
        raise ReportError(f"{path}: the array is empty; {AGAIN_FOLDER}")
    return latents


def read_image(path: Path) -> np.ndarray:
    try:
        with Image.open(path) as image:
            return np.asarray(image.convert("RGB"))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):  # PIL raises each of them for a bad PNG
        raise ReportError(f"{path}: not an image; {AGAIN_FOLDER}") from None


def pixels_of(latents: np.ndarray | None) -> np.ndarray | None:
    """The image of a stage that denoises pixels and returned a tensor (DeepFloyd IF's first two): its latents have three channels
    and are the pixels, from -1 to 1. Converted as Diffusers converts them to a PNG; None for any other latents."""
    if latents is None or latents.ndim != 3 or len(latents) != 3:
        return None
    return (np.clip(latents / 2 + 0.5, 0, 1) * 255).round().astype(np.uint8).transpose(1, 2, 0)
