"""The definition of a run: a cell resolved from the catalogues into one plain dictionary, and the hash of it.

The workflow must know the definition before a run starts, so this imports neither torch nor diffusers.
"""

from __future__ import annotations

import copy
import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from diffbench.mechanisms.registry import compiles, conflicts_of
from diffbench.system.compiler_caches import SHARED
from diffbench.vocabulary.errors import DiffbenchError, list_known
from diffbench.vocabulary.sizes import NATIVE

from .call_arguments import check_call
from .sources import ROOT, folder_of
from .yaml_file import read_yaml, shared_yaml

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


SCALES = ("tiny", "full")
WEIGHTS = ("random", "pretrained")
RANDOM_WEIGHTS = 2  # version of the random numbers: raise it if random_weights.py draws other numbers
PRINTED = ("label", "note", "group")  # keys of a variant that are not part of its definition
PRETRAINED_KEYS = ("hub_id", "revision", "fp16_variant", "components", "drop")  # not used by a run of an architecture
STOPPING = (  # keys of a config's `measurement`: when warm-up and calls end (stopping.py), part of what is measured
    "warmup_calls",
    "max_warmup_calls",
    "calls",
    "max_calls",
    "max_seconds",
    "target_percent",
)


def catalogue(kind: str, root: str | Path = ROOT) -> dict[str, Any]:
    """The catalogue config/<kind>.yaml: `pipelines`, `variants` or `gpus`."""
    return read_yaml(catalogue_path(kind, root))


def catalogue_path(kind: str, root: str | Path = ROOT) -> Path:
    """The path of a catalogue."""
    return Path(root) / "config" / f"{kind}.yaml"


def entry(kind: str, name: str, root: str | Path = ROOT) -> dict[str, Any]:
    """One entry of a catalogue. Raises DiffbenchError that lists the known names."""
    entries = shared_yaml(catalogue_path(kind, root))
    if name not in entries:
        raise DiffbenchError(f"unknown {kind[:-1]} {name!r}; config/{kind}.yaml has: {list_known(entries, name)}")
    return copy.deepcopy(entries[name])


def architecture(name: str, scale: str, root: str | Path = ROOT) -> dict[str, Any]:
    """An architecture's description merged over its `base`: its components replace those of the base one by one."""
    own = read_yaml(Path(root) / "resources" / "architectures" / scale / f"{name}.yaml")
    base = own.pop("base", None)
    if base is None:
        return own
    merged = architecture(base, scale, root)
    for key, value in own.items():
        if isinstance(value, dict) and key != "parameters":
            merged[key] = {**merged.get(key, {}), **value}
        else:
            merged[key] = value
    return merged


def recipe_of(variant: str, root: str | Path = ROOT) -> dict[str, Any]:
    """The mechanisms of a variant with their settings: its entry merged over its `base`, without keys that it sets to null
    and keys that are only printed. Raises DiffbenchError for an unknown base, or one that leads back to the variant."""
    merged: dict[str, Any] = {}
    seen: list[str] = []
    current: str | None = variant
    while current is not None:
        if current in seen:
            raise DiffbenchError(
                f"config/variants.yaml: {variant}: its bases lead back to {current}; end them in one without base"
            )
        seen.append(current)
        own = entry("variants", current, root)
        merged = {**own, **merged, "base": own.get("base")}
        current = own.get("base")
    recipe = {key: value for key, value in merged.items() if key not in PRINTED and key != "base" and value is not None}
    for one, other in conflicts_of(recipe):
        raise DiffbenchError(f"config/variants.yaml: {seen[0]}: {one} and {other} do not go together; name one of them")
    return recipe


def default_stopping() -> dict[str, Any]:
    """{key of STOPPING: value} of the default config, for settings that are not on the command line. Raises DiffbenchError."""
    path = ROOT / "config" / "config.yaml"
    measurement = read_yaml(path).get("measurement") or {}
    missing = [key for key in STOPPING if key not in measurement]
    if missing:
        raise DiffbenchError(f"{path}: measurement: found no {missing[0]}; add it, or name it on the command line")
    return {key: measurement[key] for key in STOPPING}


def command_line_option(key: str) -> str:
    """The name of a setting on the command line."""
    return f"--{key.replace('_', '-')}"


def check_limits(settings: Mapping[str, Any], place: str = "", spell: Callable[[str], str] = str) -> None:
    """Raises DiffbenchError if a maximum is below its minimum. `place` is where the user has set them; `spell(key)` is how
    the user writes a key."""
    for key in ("warmup_calls", "calls"):
        minimum, maximum = settings[key], settings[f"max_{key}"]
        if maximum < minimum:
            raise DiffbenchError(
                f"{place}{spell(f'max_{key}')}: found {maximum}, fewer than the {minimum} of {spell(key)}; raise it"
            )


def measured_stages(pipeline: str, batch_size: int, root: str | Path = ROOT) -> dict[int, dict[str, Any]]:
    """{number: entry} of the stages that are measured at a batch size: above 1, those with `batched: false` are left out."""
    stages = enumerate(entry("pipelines", pipeline, root)["stages"], start=1)
    return {number: stage for number, stage in stages if batch_size == 1 or stage.get("batched", True)}


def resolve(
    pipeline: str,
    batch_size: int,
    variant: str,
    weights: str,
    scale: str,
    settings: Mapping[str, Any] | None = None,
    root: str | Path = ROOT,
    size: str = NATIVE,
    cache: str = SHARED,
) -> dict[str, Any]:
    """Everything that determines what a run measures, as plain data.

    Returns a dictionary with `stages` (each with its `steps` and `call`, and its `architecture` or its hub id), `variant`
    and the settings. Labels are not part of it. A `size` (sizes.py) is part of it, with the stages' `fixed_size`, unless it
    is the pipelines' own; so is a `cache` that is not the default, if the variant compiles. `settings` has the keys of
    STOPPING; other keys are ignored; None: default_stopping.
    """
    settings = settings or default_stopping()
    stages, target = [], settings["target_percent"]
    recipe = recipe_of(variant, root)
    for number, stage in measured_stages(pipeline, batch_size, root).items():
        stage = copy.deepcopy(stage)
        for source in [stage, *stage.get("components", {}).values()]:
            source.pop("gated", None)  # who may fetch it is not part of the definition
            if weights == "random":
                source.pop("fp16_variant", None)
        if "regional" not in recipe:
            stage.pop("blocks", None)
        if size == NATIVE:
            stage.pop("fixed_size", None)
        stage["number"] = number
        name = stage.pop("architecture", None)
        if weights == "random" and name is not None:
            stage = {key: value for key, value in stage.items() if key not in PRETRAINED_KEYS}
            stage["architecture"] = architecture(name, scale, root)
            stage["architecture"].pop("parameters", None)
            stage["steps"] = stage["architecture"].pop("steps", stage["steps"])
            stage["call"].update(stage["architecture"].pop("call", {}))
        elif scale == "tiny" and not folder_of(stage, root):
            what = "pretrained weights" if weights == "pretrained" else f"{pipeline} has no architecture, and the files"
            raise DiffbenchError(f"weights: {what} of {stage['hub_id']} are not miniature: set 'scale: full'")
        check_call(stage["call"], stage.get("batch_argument"), f"config/pipelines.yaml: {pipeline}")
        stage["steps"] = min(stage["steps"], recipe.get("scheduler", {}).get("steps", stage["steps"]))
        stages.append(stage)
    return {
        "batch_size": batch_size,
        "scale": scale,
        "weights": weights,
        **({"random_weights": RANDOM_WEIGHTS} if weights == "random" else {}),
        **({} if size == NATIVE else {"size": size}),
        **({"cache": cache} if cache != SHARED and compiles(recipe) else {}),
        "stages": stages,
        "variant": recipe,
        "measurement": {
            **{key: settings[key] for key in STOPPING},
            "target_percent": None if target is None else float(target),
        },
    }


def needs_files(stage: Mapping[str, Any], weights: str) -> bool:
    """Whether a stage of the catalogue needs files of its hub id: its weights, or its configuration."""
    return weights == "pretrained" or "architecture" not in stage


def planned_digest(
    config: Mapping[str, Any], pipeline: str, batch_size: int, size: str, variant: str, root: str | Path = ROOT
) -> str:
    """The definition hash of a cell's pipeline, batch size, size and variant under a config. Raises DiffbenchError."""
    settings = config["weights"], config["scale"], config["measurement"]
    return digest(resolve(pipeline, batch_size, variant, *settings, root, size, config.get("cache", SHARED)))


def digest(definition: object) -> str:
    """The first 12 hexadecimal digits of the SHA-256 of the definition."""
    canonical = json.dumps(definition, sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(canonical.encode()).hexdigest()[:12]
