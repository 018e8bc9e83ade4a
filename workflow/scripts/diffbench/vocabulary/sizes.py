"""The sizes that pipelines are measured at: `native`, which is the pipeline's own, or HEIGHTxWIDTH(xFRAMES) in pixels.

A pipeline at another size than its own has a separate name, `sd-txt2img@768x1360`, in the paths of runs and in a summary,
where it has its own rows and groups. No name of a catalogue contains an `@`.
"""

from __future__ import annotations

import re

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
