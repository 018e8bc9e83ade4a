"""Creating a stage's pipeline: with random weights from its architecture or its configuration files, or with pretrained
weights."""

from __future__ import annotations

import importlib
import inspect
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError

from diffbench.catalogue.call_arguments import check_config, check_settings
from diffbench.catalogue.sources import folder_of
from diffbench.libraries.classes import find_class
from diffbench.libraries.failure import is_out_of_memory
from diffbench.libraries.releases import dtype_argument
from diffbench.vocabulary.errors import SetupError, one_line

from .inputs import make_clip_tokenizer
from .random_weights import RandomWeights
from .snapshot import describe, pinned_revision

if TYPE_CHECKING:
    from collections.abc import Mapping


def create_module(name: str, path: str, config: Any, device: torch.device, dtype: torch.dtype) -> torch.nn.Module:
    """One component with random weights, created on `device` in `dtype`, in evaluation mode. `config` is a mapping, or a
    configuration of transformers. The weights depend only on the component's name (random_weights.py), not on device, dtype
    or other components; `weights_digest` is a hash of them."""
    component = find_class(path)
    weights = RandomWeights(name)
    module = create(component, config, device, dtype, weights)
    buffers = [] if dtype == torch.float32 else fixed_tensors(module)
    if buffers:  # a class computes them in the default dtype: too coarsely for what a trained model has in its file
        exact = create(component, config, torch.device("cpu"), torch.float32, RandomWeights(name, draws=False))
        for buffer, values in zip(buffers, fixed_tensors(exact)):
            buffer.data = values.to(buffer.device)
    module = cast(module.to(device=device), dtype, weights).eval()
    setattr(module, "weights_digest", weights.digest(module))  # noqa: B010  # torch's class has no such attribute
    return module


def create(
    component: Any, config: Any, device: torch.device, dtype: torch.dtype, weights: RandomWeights
) -> torch.nn.Module:
    """A module of the class `component` on `device`, with the default dtype `dtype` and weights drawn by `weights`. Torch's
    own generators are seeded, because a class or a pipeline may draw from them."""
    torch.manual_seed(0)
    default = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with torch.device(device), weights:
            if hasattr(component, "config_class"):  # of transformers
                module = component(component.config_class(**config) if isinstance(config, dict) else config)
            else:
                module = component.from_config(config)
            fill_zeros(module)
    finally:
        torch.set_default_dtype(default)
    return module


def fixed_tensors(module: torch.nn.Module) -> list[torch.Tensor]:
    """The floating-point tensors in a file of the module's weights that are not parameters."""
    parameters = {name for name, _ in module.named_parameters()}
    state = module.state_dict(keep_vars=True)
    return [state[name] for name in state if name not in parameters and state[name].is_floating_point()]


def cast(module: torch.nn.Module, dtype: torch.dtype, weights: RandomWeights) -> torch.nn.Module:
    """The module with its weights in `dtype`, as from_pretrained leaves them: modules that a class of Diffusers keeps in
    float32 stay so, and so do buffers that are not weights."""
    kept = set(getattr(module, "_keep_in_fp32_modules", None) or ()) if hasattr(module, "from_config") else set()
    for name, weight in module.state_dict(keep_vars=True).items():
        if weight.is_floating_point():
            is_kept = kept.intersection(name.split("."))
            weight.data = weights.in_float32(weight.data) if is_kept else weight.data.to(dtype)
    return module


def fill_zeros(module: torch.nn.Module) -> None:
    """Give random weights to layers whose class initializes them with zeros (ControlNet's zero convolutions), so that they
    contribute to the result as trained ones do."""
    for layer in module.modules():
        if (
            isinstance(layer, (torch.nn.Linear, torch.nn.Conv2d))
            and not layer.weight.is_meta
            and not layer.weight.any()
        ):
            layer.reset_parameters()


def create_component(
    name: str,
    description: Mapping[str, Any] | None,
    components: Mapping[str, Any],
    device: torch.device,
    dtype: torch.dtype,
) -> Any:
    """One component of an architecture: a module, a scheduler, a tokenizer, an image processor or None."""
    if description is None:
        return None
    path, config = description["class"], description.get("config", {})
    if "folder" in description:
        return create_from_folder(name, path, description["folder"], device, dtype)
    if name.startswith("tokenizer"):
        if not path.endswith("CLIPTokenizer"):
            raise SetupError(f"{name}: found class {path}, expected CLIPTokenizer: no other is made; give embeddings")
        encoder = components.get(name.replace("tokenizer", "text_encoder")) or {}
        vocabulary_size = encoder.get("config", {}).get("vocab_size", 49408)
        return make_clip_tokenizer(find_class(path), vocabulary_size)
    if name == "feature_extractor" or name.endswith("_processor"):
        return find_class(path)(**config)
    check_config(find_class(path), config, name)
    if "scheduler" in name:
        return find_class(path).from_config(config)
    return create_module(name, path, config, device, dtype)


def create_from_folder(name: str, path: str, folder: str, device: torch.device, dtype: torch.dtype) -> Any:
    """One component from its configuration files: a module with random weights, a scheduler, a tokenizer or a processor.

    Raises SetupError if a file is missing or the class is none of these.
    """
    from transformers.utils import PushToHubMixin

    component = find_class(path)
    try:
        if hasattr(component, "load_config"):  # of Diffusers
            config = component.load_config(folder, local_files_only=True)
            if not issubclass(component, torch.nn.Module):
                return component.from_config(config)
        elif hasattr(component, "config_class"):  # a module of transformers
            config = component.config_class.from_pretrained(folder, local_files_only=True)
        elif issubclass(component, PushToHubMixin):
            return component.from_pretrained(folder, local_files_only=True)
        else:
            raise SetupError(f"{name}: found class {path}, expected a model, scheduler, tokenizer or processor")
    except (OSError, ValueError, KeyError, TypeError, ImportError) as error:
        if is_out_of_memory(error):
            raise
        raise SetupError(
            f"{name}: {path} cannot be made from the files of {folder}: {one_line(error, 100)}; "
            "name another in 'components', or 'drop' it"
        ) from None
    return create_module(name, path, config, device, dtype)


def create_pipeline(stage: Mapping[str, Any], device: torch.device, dtype: torch.dtype) -> Any:
    """A stage's pipeline with random weights, every component made from its configuration."""
    pipeline_class = find_class(stage["class"])
    accepted = inspect.signature(pipeline_class.__init__).parameters
    described = stage.get("architecture") or describe(stage, accepted, dropped_components(stage))
    components = described["components"]
    unknown = [name for name in components if name not in accepted and components[name] is not None]
    if unknown:
        raise SetupError(f"{stage['class']} takes no component {', '.join(unknown)}: correct the stage's description")
    needed = [name for name, parameter in accepted.items() if parameter.default is parameter.empty and name != "self"]
    absent = [name for name in needed if name not in {*components, *pipeline_class._optional_components}]
    if absent:
        raise SetupError(f"{stage['class']} needs a component {absent[0]!r}, found none: add it to 'components'")
    parts = dict.fromkeys(needed)
    for name, description in components.items():
        if name in accepted:
            parts[name] = create_component(name, description, components, device, dtype)
    if "architecture" in stage:
        check_settings(described.get("pipeline", {}), [*accepted], "pipeline", stage["class"])
    optional = {name: value for name, value in described.get("pipeline", {}).items() if name in accepted}
    return pipeline_class(**parts, **optional)


def download_options(
    class_path: str, source: Mapping[str, Any], dtype: torch.dtype, fetch: bool = False
) -> dict[str, Any]:
    """Arguments of a class's `from_pretrained` for a hub id or a folder: safetensors only, a pinned revision, and no
    download without `fetch`."""
    library = class_path.partition(".")[0] if "." in class_path else "diffusers"
    name = dtype_argument(library, importlib.import_module(library).__version__)
    options = {name: dtype, "use_safetensors": True, "local_files_only": not fetch}
    if folder_of(source):
        return options
    options["revision"] = pinned_revision(source)
    if dtype == torch.float16:
        options["variant"] = source.get("fp16_variant", "fp16")
    return options


def from_pretrained(class_path: str, source: Mapping[str, Any], dtype: torch.dtype, **components: Any) -> Any:
    """`from_pretrained` of a pipeline or a component. Raises SetupError if the weights are not on this machine."""
    try:
        options = download_options(class_path, source, dtype)
        return find_class(class_path).from_pretrained(source["hub_id"], **options, **components)
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        if is_out_of_memory(error):
            raise
        where = f"{source['hub_id']} at revision {source.get('revision') or '(a folder)'}"
        raise SetupError(
            f"weights of {where} cannot be loaded as safetensors from this machine: {one_line(error)}; "
            "`snakemake --cores 1 weights` fetches them, on a machine with network"
        ) from None


def dropped_components(stage: Mapping[str, Any]) -> list[str]:
    """The components of a stage's pipeline that are neither fetched nor loaded."""
    accepted = inspect.signature(find_class(stage["class"]).__init__).parameters
    return [name for name in ["safety_checker", "watermarker", *stage.get("drop", [])] if name in accepted]


def load_pretrained(stage: Mapping[str, Any], device: torch.device, dtype: torch.dtype) -> Any:
    """A stage's pipeline with pretrained weights that are already on this machine, without the safety checker."""
    accepted = inspect.signature(find_class(stage["class"]).__init__).parameters
    parts = {name: from_pretrained(part["class"], part, dtype) for name, part in stage.get("components", {}).items()}
    parts.update(dict.fromkeys(dropped_components(stage)))
    if "requires_safety_checker" in accepted:
        parts["requires_safety_checker"] = False
    return from_pretrained(stage["class"], stage, dtype, **parts).to(device)


def load_pipeline(stage: Mapping[str, Any], weights: str, device: torch.device, dtype: torch.dtype) -> Any:
    """The stage's pipeline on `device`, with random or pretrained weights and silent progress bars."""
    load = create_pipeline if weights == "random" else load_pretrained
    pipeline = load(stage, device, dtype)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def native_image_size(pipeline: Any) -> int | None:
    """The pipeline's own image size in pixels: the denoiser's sample size times the VAE's scale factor; None if unknown."""
    denoiser = getattr(pipeline, "unet", None) or getattr(pipeline, "transformer", None)
    size = getattr(getattr(denoiser, "config", None), "sample_size", None)
    if size is None:
        return None
    scale = getattr(pipeline, "vae_scale_factor", 1)
    return (size if isinstance(size, int) else size[0]) * scale
