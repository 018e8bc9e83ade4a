"""Applying a variant to a stage's modules. Each mechanism takes the pipeline, the module's name and its setting."""

import re

import diffusers
import torch

from .errors import Invalid, SetupError, Unsupported, one_line

MEMORY_FORMATS = {  # of weights with 4 dimensions and of those with 5, the layers of videos
    "channels_last": {4: torch.channels_last, 5: torch.channels_last_3d},
    "contiguous": {4: torch.contiguous_format, 5: torch.contiguous_format},
}


def set_memory_format(pipeline, name, setting):
    """Lay out the module's weights as the setting says."""
    if setting not in MEMORY_FORMATS:
        raise SetupError(f"memory_format {setting!r} is unknown; expected one of {', '.join(MEMORY_FORMATS)}")
    module = getattr(pipeline, name)
    for weight in [*module.parameters(), *module.buffers()]:
        if weight.dim() in MEMORY_FORMATS[setting]:
            weight.data = weight.data.to(memory_format=MEMORY_FORMATS[setting][weight.dim()])


ATTENTION = {  # setting: (Diffusers' own method, what the class of every processor is then called)
    "default": ("set_default_attn_processor", re.compile(r"Attn(AddedKV)?Processor\Z")),
    "fused": ("fuse_qkv_projections", re.compile("Fused")),
}


def set_attention(pipeline, name, setting):
    """Have the module attend as the setting says: `default`, without scaled dot-product attention, or `fused`, with the
    projections to query, key and value in one.

    Raises Unsupported where this release of Diffusers or the module cannot, Invalid where it had no effect.
    """
    if setting not in ATTENTION:
        raise SetupError(f"attention {setting!r} is unknown; expected one of {', '.join(ATTENTION)}")
    method, expected = ATTENTION[setting]
    module = getattr(pipeline, name)
    kind = type(module).__name__
    if not hasattr(module, method):
        raise Unsupported(f"Diffusers {diffusers.__version__} has no {method} for {kind}")
    try:
        getattr(module, method)()
    except ValueError as error:
        raise Unsupported(f"Diffusers {diffusers.__version__}, {kind}: {one_line(error, 120)}") from None
    found = sorted({type(processor).__name__ for processor in module.attn_processors.values()})
    if not found or not all(map(expected.match, found)):
        raise Invalid(f"attention {setting} had no effect on {kind}: it attends by {', '.join(found) or 'nothing'}")


def compile_module(pipeline, name, setting):
    """Replace the module by its compiled form, as the published code does."""
    setattr(pipeline, name, torch.compile(getattr(pipeline, name), **setting))


def compile_blocks(pipeline, name, setting):
    """Compile the module's repeated blocks, each kind once, and leave the rest as it is (regional compilation).

    Raises Unsupported where this release of Diffusers cannot, or finds no block in the module that it knows to repeat.
    """
    module = getattr(pipeline, name)
    kind = type(module).__name__
    compile_repeated_blocks = getattr(module, "compile_repeated_blocks", None)
    if compile_repeated_blocks is None:
        raise Unsupported(f"Diffusers {diffusers.__version__} has no compile_repeated_blocks for {kind}")
    try:
        compile_repeated_blocks(**setting)
    except ValueError as error:
        reason = f"Diffusers {diffusers.__version__} finds no blocks to compile in this {kind}"
        raise Unsupported(f"{reason}: {one_line(error, 120)}") from None


MECHANISMS = {  # in the order in which they are applied
    "attention": set_attention,
    "memory_format": set_memory_format,
    "regional": compile_blocks,
    "compile": compile_module,
}


def apply_variant(pipeline, modules, recipe):
    """Apply every mechanism of the recipe to every module, the compilation last."""
    unknown = sorted(set(recipe) - set(MECHANISMS))
    if unknown:
        raise SetupError(f"config/variants.yaml: unknown mechanism {unknown[0]!r}; expected {', '.join(MECHANISMS)}")
    for mechanism, act in MECHANISMS.items():
        if mechanism in recipe:
            for name in modules:
                act(pipeline, name, recipe[mechanism])
