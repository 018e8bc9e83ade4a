"""Where a source of a pipeline is: in a folder, or in a repository of the hub. The folder that one works in decides nothing."""

import copy
from pathlib import Path

ROOT = Path(__file__).resolve().parents[4]


def folder_of(source, root=ROOT):
    """The folder that the source's `hub_id` names, as an absolute path; None if it names a repository of the hub.

    A relative path is one from `root`, the folder that holds config/. A name with a pinned revision is the hub's, even where a
    folder of that name is there.
    """
    path = Path(source["hub_id"]).expanduser()
    if not path.is_absolute() and source.get("revision"):
        return None
    path = Path(root).resolve() / path
    return path if path.is_dir() else None


def located(definition, root=ROOT):
    """The definition with absolute paths, for a process that works in another folder."""
    definition = copy.deepcopy(definition)
    for stage in definition["stages"]:
        for source in [stage, *stage.get("components", {}).values()]:
            folder = folder_of(source, root) if "hub_id" in source else None
            source.update({"hub_id": str(folder)} if folder else {})
    return definition
