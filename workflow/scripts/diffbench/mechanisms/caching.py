"""Caching across denoising steps with Diffusers' enable_cache, and the share of the work that it saved."""

import contextlib
import inspect

from diffbench.libraries.classes import find_class
from diffbench.libraries.failure import refusing
from diffbench.vocabulary.errors import Invalid, Unsupported

from .mechanism import CLASS_NAME, Mechanism, options_of
from .python_lines import arguments
from .torch_modules import name_of, removing

TIMESTEP_CALLBACK = "current_timestep_callback"
NEED_TIMESTEP = ("FasterCacheConfig", "PyramidAttentionBroadcastConfig")  # the classes that take this argument


def enable_caching(variant, setting):
    """Enable the cache whose configuration class of Diffusers the setting names (`config`), with its `options`."""
    import diffusers
    import torch

    denoiser = variant.denoiser()
    if not hasattr(denoiser, "enable_cache"):
        raise Unsupported(f"Diffusers {diffusers.__version__} has no enable_cache for {name_of(denoiser)}")
    if variant.compiles and not has_stance():
        raise Unsupported(f"torch {torch.__version__} cannot show the cache hits of compiled code: that requires 2.6")
    make = find_class(setting["config"])
    options = dict(setting.get("options", {}))
    first, steps = options.get("disable_cache_before_step", 0), variant.description["steps"]
    if steps <= first + 1:
        raise Unsupported(f"{steps} steps are too few: {setting['config']} begins after {first}")
    if TIMESTEP_CALLBACK in inspect.signature(make).parameters:
        options[TIMESTEP_CALLBACK] = lambda: variant.pipeline.current_timestep
    reason = f"{setting['config']} does not work on {name_of(denoiser)}"
    with refusing(reason, ValueError, TypeError, NotImplementedError, AttributeError):
        denoiser.enable_cache(make(**options))
    variant.check("caching", lambda call: count_hits(variant, denoiser, call))
    return f"caching by {setting['config']}"


def count_hits(variant, denoiser, call):
    """The share of the calls of the denoiser's linear layers that the cache saves in a call of the pipeline, as text. Compiled
    code runs eagerly in that call. Raises Invalid if the cache saves none."""
    import torch

    counts = []

    def begin(module, arguments):
        counts.append(0)

    def count(module, arguments, output):
        if counts:
            counts[-1] += 1

    layers = [layer for layer in denoiser.modules() if isinstance(layer, torch.nn.Linear)]
    handles = [variant.denoiser().register_forward_pre_hook(begin)]
    handles += [layer.register_forward_hook(count) for layer in layers]
    with removing(handles), eagerly(bool(variant.compiled)):
        call()
    saved = 1 - sum(counts) / max(len(counts) * max(counts, default=0), 1)
    if saved <= 0:
        raise Invalid(
            f"the cache was never hit: every linear layer was computed in all of {len(counts)} denoiser calls"
        )
    return f"{saved:.0%} of the linear layers' calls saved by the cache in {len(counts)} denoiser calls"


def has_stance():
    """Whether this torch can run compiled code eagerly (from 2.6 on)."""
    import torch

    return hasattr(getattr(torch, "compiler", None), "set_stance")


def eagerly(compiled):
    """A context in which compiled code runs eagerly."""
    import torch

    return torch.compiler.set_stance("force_eager") if compiled else contextlib.nullcontext()


def write_lines(code, setting):
    timestep = [f"{TIMESTEP_CALLBACK}=lambda: pipe.current_timestep"] * (setting["config"] in NEED_TIMESTEP)
    options = ", ".join(filter(None, [arguments(**setting.get("options", {})), *timestep]))
    code.add(f"{code.modules()[0]}.enable_cache({code.use(setting['config'])}({options}))")


CACHING = Mechanism(
    name="caching",
    schema=options_of(
        {"config": CLASS_NAME, "options": {"type": "object"}},
        "a class of Diffusers and its options",
        required=["config"],
    ),
    apply=enable_caching,
    write_lines=write_lines,
    meaning=(
        "Results of some layers taken from earlier steps: `config`, a class for Diffusers' `enable_cache`, and "
        "its `options`."
    ),
    evidence=(
        "After the measured calls, in one more call of the pipeline: how many calls of the denoiser's linear "
        "layers the cache saves, relative to the denoiser call that computes most. Compiled code runs eagerly in "
        "that call (torch 2.6 or newer). If the cache saves none, the row is `invalid`."
    ),
)
