"""The place of a pipeline's files: a folder, or a repository of the hub. The working folder does not matter."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).resolve().parents[4]


def folder_of(source: Mapping[str, Any], root: str | Path = ROOT) -> Path | None:
    """The folder that the source's `hub_id` names, as an absolute path; None if it names a repository of the hub.

    A relative path starts at `root`, the folder of config/. A name with a pinned revision is a repository, even if a folder
    of that name exists.
    """
    path = Path(source["hub_id"]).expanduser()
    if not path.is_absolute() and source.get("revision"):
        return None
    path = Path(root).resolve() / path
    return path if path.is_dir() else None


def with_absolute_paths(definition: Mapping[str, Any], root: str | Path = ROOT) -> dict[str, Any]:
    """The definition with absolute paths, for a process that works in another folder."""
    result: dict[str, Any] = copy.deepcopy(dict(definition))
    for stage in result["stages"]:
        for source in [stage, *stage.get("components", {}).values()]:
            folder = folder_of(source, root) if "hub_id" in source else None
            source.update({"hub_id": str(folder)} if folder else {})
    return result
