"""Compiling the denoiser, its repeated blocks, the VAE's decoder and the text encoders."""

import diffusers
import torch

from diffbench.libraries.failure import refusing
from diffbench.vocabulary.errors import SetupError, Unsupported

from .graph_replays import promises_graphs
from .options import name_of
from .regions import REGION, check_blocks


def note_compiled(variant, name, module, setting):
    """Remember what a mechanism has compiled: the module that is called, and whether it promises CUDA graphs."""
    variant.compiled[name] = module
    if variant.device.type == "cuda" and promises_graphs(setting):
        variant.graphed.append(name)


def compile_denoiser(variant, setting):
    """Replace the stage's modules by their compiled forms, as the published code does; `setting` is torch.compile's."""
    check_backend(setting, variant.device)
    for name, module in variant.modules().items():
        setattr(variant.pipeline, name, torch.compile(module, **setting))
        note_compiled(variant, name, getattr(variant.pipeline, name), setting)


def check_backend(setting, device):
    """Raises Unsupported for what torch compiles on NVIDIA GPUs alone."""
    if setting.get("backend") == "cudagraphs" and device.type != "cuda":
        raise Unsupported("torch's backend cudagraphs captures CUDA graphs: this device has none")


def compile_vae(variant, setting):
    """Compile the VAE's decoder."""
    decoder = getattr(getattr(variant.pipeline, "vae", None), "decoder", None)
    if decoder is None:
        raise Unsupported(f"{name_of(variant.pipeline)} has no VAE with a decoder")
    variant.pipeline.vae.decoder = torch.compile(decoder, **setting)
    note_compiled(variant, "vae.decoder", variant.pipeline.vae.decoder, setting)


def compile_text_encoders(variant, setting):
    """Compile every text encoder that the pipeline has."""
    names = [name for name in ("text_encoder", "text_encoder_2", "text_encoder_3") if hasattr(variant.pipeline, name)]
    encoders = {name: getattr(variant.pipeline, name) for name in names if getattr(variant.pipeline, name) is not None}
    if not encoders:
        raise Unsupported(f"{name_of(variant.pipeline)} is given embeddings here: there is no text encoder to compile")
    for name, encoder in encoders.items():
        setattr(variant.pipeline, name, torch.compile(encoder, **setting))
        note_compiled(variant, name, getattr(variant.pipeline, name), setting)


def compile_blocks(variant, setting):
    """Compile the modules' repeated blocks, each kind once, and leave the rest as it is (regional compilation): by Diffusers' own
    method, or, with `by: accelerate`, by accelerate's.

    Raises Unsupported where this release cannot, or finds no block in a module that it knows to repeat.
    """
    options = {key: value for key, value in setting.items() if key != "by"}
    by = setting.get("by", "diffusers")
    if by not in BLOCKS:
        raise SetupError(f"config/variants.yaml: regional.by: found {by!r}, expected one of {', '.join(BLOCKS)}")
    for name, module in variant.modules().items():
        kinds = BLOCKS[by](variant, name, module, options)
        note_compiled(variant, name, getattr(variant.pipeline, name), options)
        check_blocks(variant, name, kinds)
    return f"regional by {by}"


def compile_by_diffusers(variant, name, module, options):
    """Diffusers' compile_repeated_blocks; the catalogue's `blocks` stand in where the class names none that the model has.

    Returns the classes of the blocks that repeat in the model, by either.
    """
    compile_repeated_blocks = getattr(module, "compile_repeated_blocks", None)
    if compile_repeated_blocks is None:
        raise Unsupported(f"Diffusers {diffusers.__version__} has no compile_repeated_blocks for {name_of(module)}")
    present = {name_of(layer) for layer in module.modules()}
    if not present.intersection(getattr(module, "_repeated_blocks", None) or ()):
        module._repeated_blocks = [kind for kind in variant.description.get("blocks", []) if kind in present]
    with refusing(
        f"Diffusers {diffusers.__version__} finds no blocks to compile in this {name_of(module)}", ValueError
    ):
        compile_repeated_blocks(**options)
    return present.intersection([*module._repeated_blocks, *variant.description.get("blocks", [])])


def compile_by_accelerate(variant, name, module, options):
    """accelerate's compile_regions: blocks that stand in lists, and every layer outside of them. Returns the class of both."""
    try:
        from accelerate.utils import compile_regions
    except ImportError:
        raise Unsupported("this release of accelerate has no compile_regions") from None
    # whatever it raises for a model that it was not made for
    with refusing(f"accelerate's compile_regions fails on {name_of(module)}", Exception):
        setattr(variant.pipeline, name, compile_regions(module, **options))
    return {REGION}


BLOCKS = {"diffusers": compile_by_diffusers, "accelerate": compile_by_accelerate}
