"""The printed names of GPUs, pipelines, variants and torch builds."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Iterable, TypedDict

from diffbench.vocabulary.sizes import NATIVE, split_name

from .yaml_file import shared_yaml

# what begins a heading, a list or a rule at the start of a line of Markdown, up to the character to escape
BLOCK = re.compile(r"(?=(#{1,6}|[-+])( |\Z))|(?=[-=][-= ]*\Z)|[0-9]{1,9}(?=[.)]( |\Z))")
NIGHTLY = re.compile(r"\.dev(\d{4})(\d{2})(\d{2})")


class Labels(TypedDict, total=False):
    """{name: label} of GPUs, pipelines and variants, the pipelines' notes, the variants' groups and the GPUs that are `untested`;
    of a dataset also its source and {mark: meaning} of the marks on its rows."""

    gpus: dict[str, str]
    pipelines: dict[str, str]
    variants: dict[str, str]
    notes: dict[str, str]
    groups: dict[str, str]
    untested: set[str]
    source: str
    marks: dict[str, str]


def read_labels(paths: Iterable[str | Path]) -> Labels:
    """The labels in the catalogues at `paths` (config/gpus.yaml, …)."""
    labels: Labels = {"notes": {}, "groups": {}, "untested": set()}
    for path in map(Path, paths):
        entries = shared_yaml(path)
        labels.update({path.stem: {name: entry["label"] for name, entry in entries.items()}})  # type: ignore[misc]
        labels["untested"] |= {name for name, entry in entries.items() if entry.get("untested")}
        if path.stem == "variants":
            labels["groups"] = {name: entry.get("group", "other") for name, entry in entries.items()}
        if path.stem == "pipelines":
            labels["notes"] = {name: entry["note"] for name, entry in entries.items() if "note" in entry}
    return labels


def escape(text: str) -> str:
    """Text that cannot end a cell, start a tag or a link, or change the font in Markdown or in HTML."""
    text = " ".join("".join(character if character.isprintable() else " " for character in text).split())
    for character in "\\`*_[]|~$":
        text = text.replace(character, "\\" + character)
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def escape_line(text: str) -> str:
    """Text at the start of a line, escaped, that begins no heading, list or rule there."""
    text = escape(text)
    begins = BLOCK.match(text)
    return f"{begins.group()}\\{text[begins.end() :]}" if begins else text


def label_of(labels: Labels, kind: str, name: str, fallback: str | None = None) -> str:
    """The catalogue's label for a name, otherwise the fallback or the name itself; not escaped. For a pipeline at another size
    than its own it ends with the size: `SD - txt2img, 480 x 832, 81 frames`."""
    name, size = split_name(name)
    names: dict[str, str] = labels.get(kind, {})  # type: ignore[assignment]
    label = names.get(name) or fallback or name
    if size == NATIVE:
        return label
    height, width, *frames = size.split("x")
    return ", ".join([label, f"{height} x {width}", *(f"{count} frames" for count in frames)])


def notes_on(labels: Labels, pipelines: Iterable[str]) -> list[str]:
    """The distinct notes of the catalogue on these pipelines, whatever their sizes."""
    names = dict.fromkeys(split_name(name)[0] for name in pipelines)
    return [labels["notes"][name] for name in names if name in labels.get("notes", {})]


def torch_label(summary: Any, torch: str) -> str:
    """`2.13.0` for the build that runs Snakemake, whose name contains no release, `nightly 2026-11-20` for a nightly build, the
    name of any other."""
    versions = [version for version in summary.loc[summary["torch"] == torch, "torch_version"].unique() if version]
    if torch == "installed":
        label = " and ".join(version.split("+")[0] for version in versions) or torch
        return f"{label} (installed)" if label in set(summary["torch"]) - {torch} else label
    dates = [f"{year}-{month}-{day}" for version in versions for year, month, day in NIGHTLY.findall(version)]
    return " ".join([torch, " and ".join(dates)]).strip()
