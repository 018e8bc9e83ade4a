"""The datasets that come with the project: published ones in resources/published, committed ones in resources/measured."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from diffbench.vocabulary.errors import DiffbenchError, one_line
from diffbench.vocabulary.names import NAME

from .definition import ROOT


class Datasets(NamedTuple):
    """The sorted names of the published and of the committed datasets."""

    published: list[str]
    measured: list[str]


def find_datasets(root: str | Path = ROOT) -> Datasets:
    """The names of the datasets in the folder `root`.

    Raises DiffbenchError for a file whose name cannot be that of a dataset, and for a name that two datasets share.
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
    return Datasets(list(published), list(measured))
