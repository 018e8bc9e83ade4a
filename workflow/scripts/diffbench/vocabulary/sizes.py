"""The sizes that pipelines are measured at: `native`, the pipeline's own, HEIGHTxWIDTH or HEIGHTxWIDTHxFRAMES, in pixels.

A pipeline at another size than its own has a name of its own, `sd-txt2img@768x1360`: in the paths of runs, and in a summary,
where it has its own rows and groups. No name of a catalogue holds an `@`.
"""

from __future__ import annotations

import re
from typing import Any

Frame = Any  # a pandas DataFrame, which measuring does without

NATIVE = "native"
DIMENSIONS = r"[1-9][0-9]*x[1-9][0-9]*(?:x[1-9][0-9]*)?"
SIZE = re.compile(rf"(?:{NATIVE}|{DIMENSIONS})\Z")


def dimensions(size: str) -> dict[str, int]:
    """{height, width} in pixels, and num_frames where the size names them; nothing for the pipeline's own."""
    return {} if size == NATIVE else dict(zip(("height", "width", "num_frames"), map(int, size.split("x"))))


def name_at(pipeline: str, size: str) -> str:
    """The name of a pipeline at a size: its own name at its own size."""
    return pipeline if size == NATIVE else f"{pipeline}@{size}"


def split_name(name: str) -> tuple[str, str]:
    """(pipeline, size) of such a name."""
    pipeline, _, size = name.partition("@")
    return pipeline, size or NATIVE


def with_size(frame: Frame) -> Frame:
    """The DataFrame with the column `size`, which a CSV from before there were sizes lacks: all is native."""
    if "size" in frame or "batch_size" not in frame:
        return frame
    frame = frame.copy()
    frame.insert(list(frame).index("batch_size") + 1, "size", NATIVE)
    return frame


def sized(frame: Frame) -> Frame:
    """The DataFrame with each `pipeline` named at its `size`, once however often it is called."""
    if (frame["size"] == NATIVE).all():
        return frame
    return frame.assign(
        pipeline=[name_at(split_name(name)[0], size) for name, size in zip(frame["pipeline"], frame["size"])]
    )


def unsized(frame: Frame) -> Frame:
    """The DataFrame with each `pipeline` by its own name."""
    return frame.assign(pipeline=[split_name(name)[0] for name in frame["pipeline"]])
