"""The configuration files of a pipeline, from the hub's cache or a folder: of what the pipeline is made, without its weights."""

import importlib.util
import json
from pathlib import Path

from diffbench.catalogue.sources import folder_of
from diffbench.libraries.classes import LIBRARIES
from diffbench.vocabulary.errors import SetupError, one_line

PATTERNS = {  # small files alone: configurations and tokenizers, not the lists of weight files
    "allow_patterns": ["*.json", "*.txt", "*.model"],
    "ignore_patterns": ["*.index.json"],
}


def pinned_revision(source):
    """The commit that a source of the hub is pinned to. Raises SetupError where there is none."""
    if not source.get("revision"):
        raise SetupError(
            f"{source['hub_id']} has no pinned revision; expected a commit in config/pipelines.yaml: add 'revision'"
        )
    return source["revision"]


def download(source, **options):
    """The folder of a hub id's configuration files, fetched as far as they are not in the hub's cache."""
    from huggingface_hub import snapshot_download

    return snapshot_download(source["hub_id"], revision=pinned_revision(source), **PATTERNS, **options)


def find_folder(source):
    """The folder of a source's configuration files. Raises SetupError where they are not on this machine."""
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


def read_json(path):
    """The mapping in a JSON file. Raises SetupError where there is none."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SetupError(f"{path}: missing; expected a pipeline in the layout of Diffusers: name another") from None
    except ValueError as error:
        raise SetupError(f"{path}: not valid JSON: {one_line(error)}; fetch it anew") from None
    if not isinstance(content, dict):
        raise SetupError(f"{path}: found {type(content).__name__}, expected a mapping; fetch it anew")
    return content


def class_path(library, name, place):
    """The path of a class that model_index.json names: Diffusers, transformers, or a module of Diffusers' pipelines.

    Raises SetupError for any other library: no code comes from a repository.
    """
    if library in LIBRARIES:
        return f"{library}.{name}"
    if str(library).isidentifier() and importlib.util.find_spec(f"diffusers.pipelines.{library}"):
        return f"diffusers.pipelines.{library}.{name}"
    raise SetupError(
        f"{place}: found {name} of {library!r}, expected a class of {' or '.join(LIBRARIES)}; "
        "no other code is run: name another in 'components', or 'drop' it"
    )


def is_component(value):
    """Whether a value of model_index.json is a component, [library, class], and no setting of the pipeline."""
    return isinstance(value, list) and len(value) == 2 and all(item is None or isinstance(item, str) for item in value)


def check_unquantized(folder, place):
    """Raises SetupError where a component's weights are quantized: random ones of the run's dtype are other work."""
    path = folder / "config.json"
    if path.is_file() and read_json(path).get("quantization_config"):
        raise SetupError(
            f"{place}: found quantized weights, which are not made at random; name an unquantized 'hub_id'"
        )


def describe(stage, accepted, without):
    """A stage's pipeline as a file of resources/architectures/ describes one, each component by its class and folder.

    `accepted` are the names that the pipeline's class takes, `without` the components that are left out. Raises SetupError for
    what is missing or cannot be made safely.
    """
    folder = find_folder(stage)
    index = read_json(folder / "model_index.json")
    place = f"model_index.json of {stage['hub_id']}"
    if not isinstance(index.get("_class_name"), str):
        raise SetupError(
            f"{place}: _class_name: found {index.get('_class_name')!r}, expected a class of diffusers; "
            "a pipeline with code of its own is not run"
        )
    replaced = stage.get("components", {})
    components, settings = {}, {}
    for name, value in index.items():
        if name not in accepted or name in replaced or name in without:
            continue
        if not is_component(value):
            settings[name] = value
        elif None in value:
            components[name] = None
        else:
            path = class_path(*value, f"{place}: {name}")
            check_unquantized(folder / name, f"{stage['hub_id']}: {name}")
            components[name] = {"class": path, "folder": str(folder / name)}
    for name, part in replaced.items():
        components[name] = {"class": part["class"], "folder": str(find_folder(part))}
        check_unquantized(Path(components[name]["folder"]), part["hub_id"])
    settings["requires_safety_checker"] = False
    return {"components": {**components, **dict.fromkeys(without)}, "pipeline": settings}
