"""Where a source of a pipeline is: in a folder, or in a repository of the hub. The folder that one works in decides nothing."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[4]


def folder_of(source: Mapping[str, Any], root: str | Path = ROOT) -> Path | None:
    """The folder that the source's `hub_id` names, as an absolute path; None if it names a repository of the hub.

    A relative path is one from `root`, the folder that holds config/. A name with a pinned revision is the hub's, even where a
    folder of that name is there.
    """
    path = Path(source["hub_id"]).expanduser()
    if not path.is_absolute() and source.get("revision"):
        return None
    path = Path(root).resolve() / path
    return path if path.is_dir() else None


def located(definition: Mapping[str, Any], root: str | Path = ROOT) -> dict[str, Any]:
    """The definition with absolute paths, for a process that works in another folder."""
    moved: dict[str, Any] = copy.deepcopy(dict(definition))
    for stage in moved["stages"]:
        for source in [stage, *stage.get("components", {}).values()]:
            folder = folder_of(source, root) if "hub_id" in source else None
            source.update({"hub_id": str(folder)} if folder else {})
    return moved
