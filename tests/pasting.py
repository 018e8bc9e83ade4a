"""Pasting the lines of a recipe into a program, with the miniature that was measured in the place of what the hub has."""

import re
import warnings
from typing import NamedTuple

import diffusers
import numpy as np
import pytest
import torch

from conftest import ROOT
from diffbench.catalogue.definition import resolve
from diffbench.measurement.load import load_pipeline
from diffbench.measurement.stage import Stage
from diffbench.mechanisms.dtype import choose_dtype
from diffbench.tables.recipe import PROMPT, write_recipe
from diffbench.vocabulary.errors import Unsupported

CPU = torch.device("cpu")


def measured(pipeline, variant, root, batch_size=1):
    """The Stage of a miniature after a call, its images and the dtype."""
    definition = resolve(pipeline, batch_size, variant, "random", "tiny", root=root)
    (description,) = definition["stages"]
    try:
        dtype = choose_dtype(description, definition["variant"], CPU)
        stage = Stage(description, definition, CPU, dtype)
        stage.call(record=True)
    except Unsupported as error:
        pytest.skip(str(error))
    return stage, np.asarray(stage.outputs.images[0]), dtype


def paste(monkeypatch, code, description, **names):
    """Run the lines as they are, but for the steps; what would come from the hub is the miniature. Returns the
    names that they leave."""

    def from_pretrained(name, dtype, **parts):
        assert name == description["hub_id"]
        return load_pipeline(description, "random", CPU, dtype)

    monkeypatch.setattr(getattr(diffusers, description["class"]), "from_pretrained", from_pretrained)
    monkeypatch.setattr(diffusers.ControlNetModel, "from_pretrained", lambda name, dtype: None)
    code = re.sub(r"num_inference_steps=\d+", f"num_inference_steps={description['steps']}", code)
    run_code(code, names)
    return names


def run_code(code, names):
    """Run the lines; a name that is deprecated is an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", FutureWarning)
        exec(compile(code, "pasted", "exec"), names)


class Pasted(NamedTuple):
    """A Stage that was measured, and the names that the pasted lines for the same variant leave."""

    stage: Stage
    names: dict


def paste_same(monkeypatch, pipeline, variant, root=ROOT, edit=lambda code: code, batch_size=1, is_compiled=False):
    """Assert that the lines make the images that the variant makes when it is measured, and, unless it is compiled, that the
    attention of both runs in the same contexts. Returns both."""
    contexts = [] if is_compiled else attention_contexts(monkeypatch)
    stage, image, dtype = measured(pipeline, variant, root, batch_size)
    number = len(contexts)
    full = resolve(pipeline, batch_size, variant, "pretrained", "full", root=root)["stages"][0]
    code = edit(write_recipe(pipeline, batch_size, variant, str(dtype).replace("torch.", ""), "cpu", root))
    embeddings = {name: value for name, value in stage.arguments.items() if "embeds" in name}
    description = {**stage.variant.description, "hub_id": full["hub_id"]}
    names = paste(monkeypatch, code, description, embeddings=embeddings)
    assert image.std() > 0
    assert np.array_equal(names["images"][0], image)
    assert contexts[:number] == contexts[number:]
    return Pasted(stage, names)


def attention_contexts(monkeypatch):
    """A list that grows by one with each scaled dot-product attention: the kernels that it may use, and torch's modes."""
    contexts, plain = [], torch.nn.functional.scaled_dot_product_attention
    switches = ("flash_sdp_enabled", "mem_efficient_sdp_enabled", "math_sdp_enabled", "cudnn_sdp_enabled")

    def attend(query, *arguments, **keys):
        kernels = [name for name in switches if getattr(torch.backends.cuda, name, bool)()]
        contexts.append((tuple(query.shape), kernels, torch.is_inference_mode_enabled(), torch.is_grad_enabled()))
        return plain(query, *arguments, **keys)

    monkeypatch.setattr(torch.nn.functional, "scaled_dot_product_attention", attend)
    return contexts


def state_of(pipeline):
    """Everything that a mechanism may change in a pipeline."""
    parts = {name: part for name, part in pipeline.components.items() if isinstance(part, torch.nn.Module)}
    return {
        "scheduler": (type(pipeline.scheduler), dict(pipeline.scheduler.config)),
        "modules": {
            f"{part}.{name}": module_state(module)
            for part, whole in parts.items()
            for name, module in whole.named_modules()
        },
        "weights": {
            f"{part}.{name}": (
                type(weight),
                weight.dtype,
                weight.shape,
                strides(weight),
                weight.requires_grad,
                weight.device,
            )
            for part, whole in parts.items()
            for name, weight in [*whole.named_parameters(), *whole.named_buffers()]
        },
    }


def strides(weight):
    """The strides of a plain tensor of several dimensions."""
    return weight.stride() if type(weight) is torch.nn.Parameter and weight.dim() > 1 else None


def module_state(module):
    """What is special to a module: class, mode, attention processor, switches, and the hooks of a cache with its settings."""
    processor = getattr(module, "processor", None)
    registry = getattr(module, "_diffusers_hook", None)
    hooks = registry.hooks if registry else {}
    return {
        "class": type(module),
        "training": module.training,
        "processor": (type(processor), getattr(processor, "_attention_backend", None)),
        "switches": {name: getattr(module, name, None) for name in SWITCHES},
        "cache": settings_of(getattr(module, "_cache_config", None)),
        "hooks": {name: type(hook) for name, hook in hooks.items()},
    }


SWITCHES = ("use_slicing", "use_tiling", "fused_projections", "_repeated_blocks")


def settings_of(config):
    """The fields of a cache's configuration, without functions, which differ."""
    fields = vars(config) if config else {}
    return type(config), {name: value for name, value in fields.items() if not callable(value)}


def embedded(code):
    """The lines with the embeddings that were measured in the place of the prompt."""
    assert f'prompt="{PROMPT}",' in code
    return code.replace(f'prompt="{PROMPT}",', "**embeddings,")
