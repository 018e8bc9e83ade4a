"""Applying a variant to a stage's modules. Each mechanism takes the pipeline, the module's name and its setting."""

import torch

from .errors import SetupError

MEMORY_FORMATS = {"channels_last": torch.channels_last, "contiguous": torch.contiguous_format}


def set_memory_format(pipeline, name, setting):
    """Lay out the module's weights as the setting says."""
    if setting not in MEMORY_FORMATS:
        raise SetupError(f"memory_format {setting!r} is unknown; expected one of {', '.join(MEMORY_FORMATS)}")
    getattr(pipeline, name).to(memory_format=MEMORY_FORMATS[setting])


def compile_module(pipeline, name, setting):
    """Replace the module by its compiled form, as the published code does."""
    setattr(pipeline, name, torch.compile(getattr(pipeline, name), **setting))


MECHANISMS = {"memory_format": set_memory_format, "compile": compile_module}  # in the order in which they are applied


def apply_variant(pipeline, modules, recipe):
    """Apply every mechanism of the recipe to every module, the compilation last."""
    unknown = sorted(set(recipe) - set(MECHANISMS))
    if unknown:
        raise SetupError(f"config/variants.yaml: unknown mechanism {unknown[0]!r}; expected {', '.join(MECHANISMS)}")
    for mechanism, act in MECHANISMS.items():
        if mechanism in recipe:
            for name in modules:
                act(pipeline, name, recipe[mechanism])
