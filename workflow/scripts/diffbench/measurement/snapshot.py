"""The configuration files of a pipeline, from the hub's cache or a folder: the description of its components, without
weights."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from diffbench.catalogue.sources import folder_of
from diffbench.libraries.classes import MODEL_LIBRARIES
from diffbench.vocabulary.errors import SetupError, one_line

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Mapping

PATTERNS: dict[str, Any] = {  # small files alone: configurations and tokenizers, not the lists of weight files
    "allow_patterns": ["*.json", "*.txt", "*.model"],
    "ignore_patterns": ["*.index.json"],
}


def pinned_revision(source: Mapping[str, Any]) -> str:
    """The commit that a source of the hub is pinned to. Raises SetupError if there is none."""
    if not source.get("revision"):
        raise SetupError(
            f"{source['hub_id']} has no pinned revision; expected a commit in config/pipelines.yaml: add 'revision'"
        )
    return source["revision"]


def download(source: Mapping[str, Any], **options: Any) -> str:
    """The folder of a hub id's configuration files; files that are not in the hub's cache are fetched."""
    from huggingface_hub import snapshot_download

    return snapshot_download(source["hub_id"], revision=pinned_revision(source), **PATTERNS, **options)


def find_folder(source: Mapping[str, Any]) -> Path:
    """The folder of a source's configuration files. Raises SetupError if they are not on this machine."""
    folder = folder_of(source)
    if folder:
        return folder
    try:
        return Path(download(source, local_files_only=True))
    except (OSError, ValueError):
        raise SetupError(
            f"configuration files of {source['hub_id']} at revision {source['revision']} are not on this machine; "
            "`snakemake --cores 1 weights` fetches them, on a machine with network"
        ) from None


def read_json(path: Path) -> dict[str, Any]:
    """The mapping in a JSON file. Raises SetupError if there is none."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SetupError(f"{path}: missing; expected a pipeline in the layout of Diffusers: name another") from None
    except ValueError as error:
        raise SetupError(f"{path}: not valid JSON: {one_line(error)}; fetch it again") from None
    if not isinstance(content, dict):
        raise SetupError(f"{path}: found {type(content).__name__}, expected a mapping; fetch it again")
    return content


def class_path(library: str | None, name: str, place: str) -> str:
    """The path of a class in model_index.json: of Diffusers, transformers, or a module of Diffusers' pipelines.

    Raises SetupError for any other library: no code from a repository is run.
    """
    if library in MODEL_LIBRARIES:
        return f"{library}.{name}"
    if str(library).isidentifier() and importlib.util.find_spec(f"diffusers.pipelines.{library}"):
        return f"diffusers.pipelines.{library}.{name}"
    raise SetupError(
        f"{place}: found {name} of {library!r}, expected a class of {' or '.join(MODEL_LIBRARIES)}; "
        "no other code is run: name another in 'components', or 'drop' it"
    )


def is_component(value: Any) -> bool:
    """Whether a value of model_index.json is a component, [library, class], and not a setting of the pipeline."""
    return isinstance(value, list) and len(value) == 2 and all(item is None or isinstance(item, str) for item in value)


def check_unquantized(folder: Path, place: str) -> None:
    """Raises SetupError if a component's weights are quantized: random weights in the run's dtype would be other work."""
    path = folder / "config.json"
    if path.is_file() and read_json(path).get("quantization_config"):
        raise SetupError(
            f"{place}: found quantized weights, which are not made at random; name an unquantized 'hub_id'"
        )


def describe(stage: Mapping[str, Any], accepted: Container[str], without: Iterable[str]) -> dict[str, Any]:
    """A stage's pipeline in the form of a file of resources/architectures/, each component by its class and folder.

    `accepted` are the names that the pipeline's class takes, `without` the components that are left out. Raises SetupError
    for parts that are missing or cannot be made safely.
    """
    folder = find_folder(stage)
    index = read_json(folder / "model_index.json")
    place = f"model_index.json of {stage['hub_id']}"
    if not isinstance(index.get("_class_name"), str):
        raise SetupError(
            f"{place}: _class_name: found {index.get('_class_name')!r}, expected a class of diffusers; "
            "a pipeline with its own code is not run"
        )
    replaced = stage.get("components", {})
    components: dict[str, Any] = {}
    settings: dict[str, Any] = {}
    for name, value in index.items():
        if name not in accepted or name in replaced or name in without:
            continue
        if not is_component(value):
            settings[name] = value
        elif None in value:
            components[name] = None
        else:
            library, class_name = value
            path = class_path(library, class_name, f"{place}: {name}")
            check_unquantized(folder / name, f"{stage['hub_id']}: {name}")
            components[name] = {"class": path, "folder": str(folder / name)}
    for name, part in replaced.items():
        components[name] = {"class": part["class"], "folder": str(find_folder(part))}
        check_unquantized(Path(components[name]["folder"]), part["hub_id"])
    settings["requires_safety_checker"] = False
    return {"components": {**components, **dict.fromkeys(without)}, "pipeline": settings}
