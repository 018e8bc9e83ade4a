"""The sizes of pipelines in DataFrames: a column of a CSV, but part of the pipeline's name in a summary (vocabulary/sizes.py)."""

import pandas as pd

from diffbench.vocabulary.sizes import NATIVE, name_at, split_name


def with_size(frame: pd.DataFrame) -> pd.DataFrame:
    """The DataFrame with the column `size`. Older CSVs lack it: their rows have the native size."""
    if "size" in frame or "batch_size" not in frame:
        return frame
    frame = frame.copy()
    frame.insert(list(frame).index("batch_size") + 1, "size", NATIVE)
    return frame


def sized(frame: pd.DataFrame) -> pd.DataFrame:
    """The DataFrame with each `pipeline` named at its `size`; calling it again changes nothing."""
    if (frame["size"] == NATIVE).all():
        return frame
    return frame.assign(
        pipeline=[name_at(split_name(name)[0], size) for name, size in zip(frame["pipeline"], frame["size"])]
    )


def unsized(frame: pd.DataFrame) -> pd.DataFrame:
    """The DataFrame with each `pipeline` named without its size."""
    return frame.assign(pipeline=[split_name(name)[0] for name in frame["pipeline"]])
