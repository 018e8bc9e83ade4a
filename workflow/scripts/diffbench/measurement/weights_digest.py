"""The column `weights_digest`: which weights a stage was measured with, independent of the dtype that they were rounded to."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import torch

from diffbench.catalogue.sources import folder_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from typing import Any


def weights_digest(stage: Mapping[str, Any], weights: str, pipeline: Any) -> str | None:
    """12 hexadecimal digits that agree if two loaded pipelines of a stage have the same weights up to their rounding to a
    dtype.

    For random weights a hash of the numbers drawn (before rounding), names and shapes (random_weights.py); for pretrained
    weights a hash of the hub ids and pinned commits, or of the weight files of a local folder. Of a commit, float16 files
    (its `variant`) count as the rounded float32 files: the publisher says so, and this is not checked. None if a class drew
    weights in another way.
    """
    parts = random_parts(pipeline) if weights == "random" else pretrained_parts(stage)
    if None in parts.values():
        return None
    return hashlib.sha256(repr(sorted(parts.items())).encode()).hexdigest()[:12]


def random_parts(pipeline: Any) -> dict[str, str | None]:
    """{name: digest} of the pipeline's modules, made by load.create_module."""
    modules = {name: module for name, module in pipeline.components.items() if isinstance(module, torch.nn.Module)}
    return {name: getattr(module, "weights_digest", None) for name, module in modules.items()}


def pretrained_parts(stage: Mapping[str, Any]) -> dict[str, str]:
    """{name: identity} of the sources of the stage's weights."""
    sources = {"": stage, **stage.get("components", {})}
    return {name: identity_of(source["hub_id"], source.get("revision")) for name, source in sources.items()}


def identity_of(hub_id: str, revision: str | None) -> str:
    """The commit of a hub id, or the content of a folder's weight files."""
    folder = folder_of({"hub_id": hub_id, "revision": revision})
    if folder is None:
        return f"{hub_id}@{revision}"
    return repr([(str(file.relative_to(folder)), file_digest(file)) for file in sorted(folder.rglob("*.safetensors"))])


def file_digest(path: Path) -> str:
    """The SHA-256 of a file's content."""
    content = hashlib.sha256()
    with open(path, "rb") as file:
        for block in iter(lambda: file.read(2**22), b""):
            content.update(block)
    return content.hexdigest()
