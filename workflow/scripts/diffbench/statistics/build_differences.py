"""Differences between the torch builds of a table other than torch. The effects of a release and of its CUDA, Python or
Diffusers cannot be separated."""

from collections.abc import Iterable, Iterator, Mapping

import pandas as pd

from diffbench.catalogue.labels import torch_label

from .conditions import NAMES as CONDITIONS

SENTENCES = {
    ("cuda_version",): "CUDA differs with torch: {}.",
    ("python_version",): "Python differs with torch: {}.",
    ("diffusers_version", "transformers_version", "accelerate_version"): (
        "More than torch differs between these columns: {}. Compare columns of one Diffusers release."
    ),
}
NAMES = {"cuda_version": "CUDA", "python_version": "Python", "diffusers_version": "Diffusers"}
OF_MACHINE = (
    "host_cpu",
    "host_cores",
    "driver_version",
    "threads",
)  # they depend on the machine that measured the build


def different(values: Iterable[object]) -> list[str]:
    """The distinct values that are not empty, in their order; a joined text of several rounds is split."""
    return list(dict.fromkeys(part for value in values for part in str(value).split("; ") if part))


def differences_of(measured: pd.DataFrame) -> Iterator[str]:
    """A sentence for each difference between the torch builds of `measured` (rows of a summary), with each build's value."""
    if measured["torch"].nunique() < 2:
        return
    columns = [
        "gpu",
        "torch",
        "torch_version",
        "differences",
        *OF_MACHINE,
        *(name for names in SENTENCES for name in names),
    ]
    measured = measured[columns]
    builds = {str(torch): rows for torch, rows in measured.groupby("torch", sort=False) if rows["torch_version"].any()}
    for versions, sentence in SENTENCES.items():
        found = {torch: describe_versions(rows, versions) for torch, rows in builds.items()}
        if len(set(found.values())) > 1:
            texts = [f"{text} with torch {torch_label(measured, torch)}" for torch, text in found.items()]
            yield sentence.format("; ".join(texts))
    if measured["gpu"].nunique() == 1:
        yield from machine_differences_of(measured, builds)


def machine_differences_of(measured: pd.DataFrame, builds: Mapping[str, pd.DataFrame]) -> Iterator[str]:
    """A sentence for each difference between the machines on which torch builds were measured: `builds` maps each to its rows.

    Differences that the rows' own `differences` already name are left out.
    """
    for column in OF_MACHINE:
        name, values = CONDITIONS[column], {torch: different(rows[column]) for torch, rows in builds.items()}
        known = {torch: " and ".join(found) for torch, found in values.items() if found}
        if len(set(known.values())) > 1 and not measured["differences"].str.contains(f"{name} ", regex=False).any():
            texts = [f"{text} with torch {torch_label(measured, torch)}" for torch, text in known.items()]
            yield f"{name[0].upper()}{name[1:]} differ{'s' * (not name.endswith('s'))} with torch: {'; '.join(texts)}."


def describe_versions(rows: pd.DataFrame, columns: Iterable[str]) -> str:
    """`Diffusers 0.31.0, transformers 4.46.3`: the versions of the rows; a torch build for the CPU has no CUDA."""
    texts = []
    for column in columns:
        name = NAMES.get(column, column[: -len("_version")])
        versions = " and ".join(different(rows[column]))
        texts.append(f"{name} {versions}" if versions else f"no {name}")
    return ", ".join(texts)


def releases_of(measured: pd.DataFrame) -> str:
    """`torch 2.1.2+cu121 (CUDA 12.1); 2.13.0+cpu`: the torch builds of the rows and the CUDA that they are built for."""
    builds = measured[["torch_version", "cuda_version"]].drop_duplicates().itertuples(index=False)
    return "torch " + "; ".join(
        dict.fromkeys(f"{torch} (CUDA {cuda})" if cuda else torch for torch, cuda in builds if torch)
    )
