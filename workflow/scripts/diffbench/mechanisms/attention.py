"""The attention processors of the denoiser."""

import re
from typing import NamedTuple, Pattern

from diffbench.libraries.failure import refusing
from diffbench.vocabulary.errors import Invalid, Unsupported

from .denoiser_calls import run_step
from .mechanism import Mechanism, Refusal, one_of
from .torch_modules import name_of, removing


class Processor(NamedTuple):
    """Diffusers' method that sets the processors, and the names of their classes afterwards."""

    method: str
    class_name: Pattern


PROCESSORS = {  # by setting
    "default": Processor("set_default_attn_processor", re.compile(r"Attn(AddedKV)?Processor\Z")),
    "fused": Processor("fuse_qkv_projections", re.compile("Fused")),
    "xformers": Processor("enable_xformers_memory_efficient_attention", re.compile("XFormers")),
}
FUSED_LAYERS = ("to_qkv", "to_kv")
ATTENTION_LIBRARIES = ("flash_attn", "flash_attn_interface", "sageattention", "xformers", "aiter", "kernels")


def processors_of(module):
    """The names of the classes of the module's attention processors."""
    return sorted({name_of(processor) for processor in getattr(module, "attn_processors", {}).values()})


def set_attention(variant, setting):
    """Set the modules' attention processors. The evidence is their classes."""
    import diffusers

    method, expected = PROCESSORS[setting]
    names, fused = [], []
    for module in variant.modules().values():
        kind, before = name_of(module), processors_of(module)
        if not hasattr(module, method):
            raise Unsupported(f"Diffusers {diffusers.__version__} has no {method} for {kind}")
        with refusing(f"Diffusers {diffusers.__version__}, {kind}", ValueError, ImportError, RuntimeError):
            getattr(module, method)()
        found = processors_of(module)
        own = [layer for layer in module.modules() if setting == "fused" and getattr(layer, "fused_projections", False)]
        if not own and (not found or not all(map(expected.search, found))):
            listed = ", ".join(found) or "none"
            if found == before:
                raise Unsupported(f"Diffusers {diffusers.__version__} has no other processor for {kind} than {listed}")
            raise Invalid(f"attention {setting} had no effect on {kind}: its processors are {listed}")
        names += found
        fused += own
    if fused:
        variant.check("attention", lambda call: count_fused(variant, fused, call))
    return f"attention by {', '.join(sorted(set(names)))}"


def count_fused(variant, layers, call):
    """How many layers with fused projections a denoiser call uses; for a compiled denoiser, how many there are.

    Raises Invalid if none is used: a processor may not support them.
    """
    if variant.compiled:
        return f"projections fused in {len(layers)} layers"
    used = set()
    projections = [getattr(layer, name) for layer in layers for name in FUSED_LAYERS if hasattr(layer, name)]
    handles = [layer.register_forward_hook(lambda module, *_: used.add(id(module))) for layer in projections]
    with removing(handles):
        run_step(variant.denoiser(), call)
    if not used:
        raise Invalid("fused projections had no effect: the denoiser projects query, key and value one by one")
    return f"projections fused in {len(used)} layers"


def write_lines(code, setting):
    code.add(*(f"{module}.{PROCESSORS[setting].method}()" for module in code.modules()))


ATTENTION = Mechanism(
    name="attention",
    schema=one_of(*PROCESSORS),
    apply=set_attention,
    write_lines=write_lines,
    meaning=(
        "The attention processors: `default` (without SDPA), `fused` (the projections to query, key and value in "
        "one layer) or `xformers`."
    ),
    evidence=(
        "Before the first call: the classes of the processors. For `fused` also after the measured calls, in one "
        "more call of the pipeline: how many layers use fused projections in its first denoiser call. If "
        "none does, the row is `invalid`. In a compiled denoiser such layers are only counted."
    ),
    library=lambda setting: "xformers" if setting == "xformers" else None,
    libraries=("xformers",),
    refusal=Refusal(
        ATTENTION_LIBRARIES,
        re.compile(r"No operator found for `memory_efficient_attention|FlashAttention .*only supports?", re.I),
    ),
)
