"""The datasets that come with the project: published ones in resources/published, committed ones in resources/measured."""

from __future__ import annotations

from pathlib import Path

from diffbench.vocabulary.errors import DiffbenchError, one_line
from diffbench.vocabulary.names import NAME

from .definition import ROOT


def find_datasets(root: str | Path = ROOT) -> tuple[list[str], list[str]]:
    """(names of the published datasets, names of the committed ones), each sorted.

    Raises DiffbenchError for a file whose name cannot be that of a dataset, and for a name that two of them have.
    """
    folder = Path(root) / "resources"
    published = {path.stem: path for path in sorted(folder.glob("published/*.csv"))}
    measured = {path.parent.name: path.parent for path in sorted(folder.glob("measured/*/measurements.csv"))}
    for name, path in [*published.items(), *measured.items()]:
        if not NAME.match(name):
            raise DiffbenchError(
                f"{one_line(path.relative_to(root))}: found the name {name!r}, expected one of letters, digits, '.', '_' and "
                "'-'; rename it"
            )
    for name in published.keys() & measured.keys():
        raise DiffbenchError(
            f"{measured[name].relative_to(root)}: found the name of {published[name].relative_to(root)}, expected another; "
            "rename one of them"
        )
    return list(published), list(measured)
