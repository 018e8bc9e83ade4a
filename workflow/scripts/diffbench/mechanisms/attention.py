"""How the denoiser attends: its processors, the backend of scaled dot-product attention, the kernels that were really used."""

import contextlib
import re
from collections import Counter

import diffusers
import torch

from diffbench.libraries.failure import is_out_of_memory, refusing
from diffbench.vocabulary.errors import Invalid, Unsupported, one_line

from .options import name_of, removing

PROCESSORS = {  # setting: (Diffusers' own method, what the class of every processor is then called)
    "default": ("set_default_attn_processor", re.compile(r"Attn(AddedKV)?Processor\Z")),
    "fused": ("fuse_qkv_projections", re.compile("Fused")),
    "xformers": ("enable_xformers_memory_efficient_attention", re.compile("XFormers")),
}
SDPA_KERNELS = {  # setting: (name in torch.nn.attention.SDPBackend, argument of torch 2.0's sdp_kernel, kernels of a profile)
    "flash": ("FLASH_ATTENTION", "enable_flash", ("flash", "flash_for_cpu")),
    "efficient": ("EFFICIENT_ATTENTION", "enable_mem_efficient", ("efficient",)),
    "cudnn": ("CUDNN_ATTENTION", None, ("cudnn",)),
    "math": ("MATH", "enable_math", ("math",)),
}
ON_GPU = ("efficient", "cudnn")
FUSED_KERNEL = re.compile(
    r"aten::_scaled_dot_product_(?:fused_)?(\w+?)_attention(_for_cpu|_math|_overrideable)?\Z|aten::_scaled_dot_product_attention_(math)\Z"
)
OTHER_KERNEL = re.compile(r"(flash_attn|xformers|sageattn|sage_attention|_qattn|aiter)", re.I)
# what a GPU runs for SDPA, where a replayed graph has no other names; other libraries' kernels keep theirs
DEVICE_KERNELS = {
    "cudnn": re.compile("cudnn.*(sdpa|fmha|flash)"),
    "flash": re.compile("pytorch_flash::flash_fwd"),
    "efficient": re.compile("fmha_cutlass.*PyTorchMemEff"),
}
DEVICE_KERNEL = re.compile("flash_fwd|fmha|sdpa")
SECOND_KERNEL = re.compile("combine")  # of an attention that has been counted
NO_KERNEL = re.compile(r"No (available kernel|viable backend|(valid )?execution plans)|cudnn_frontend", re.I)


def processors_of(module):
    return sorted({name_of(processor) for processor in getattr(module, "attn_processors", {}).values()})


def set_attention(variant, setting):
    """Have the modules attend as the setting says: `default`, without scaled dot-product attention; `fused`, with the projections
    to query, key and value in one; `xformers`, by that library's kernels. The evidence is the class of the processors."""
    method, expected = PROCESSORS[setting]
    told, fused = [], []
    for module in variant.modules().values():
        kind, before = name_of(module), processors_of(module)
        if not hasattr(module, method):
            raise Unsupported(f"Diffusers {diffusers.__version__} has no {method} for {kind}")
        with refusing(f"Diffusers {diffusers.__version__}, {kind}", ValueError, ImportError, RuntimeError):
            getattr(module, method)()
        found = processors_of(module)
        own = [layer for layer in module.modules() if setting == "fused" and getattr(layer, "fused_projections", False)]
        if not own and (not found or not all(map(expected.search, found))):
            names = ", ".join(found) or "none"
            if found == before:
                raise Unsupported(f"Diffusers {diffusers.__version__} has for {kind} no other processor than {names}")
            raise Invalid(f"attention {setting} had no effect on {kind}: it attends by {names}")
        told += found
        fused += own
    if fused:
        variant.check("attention", lambda call: count_fused(variant, fused, call))
    return f"attention by {', '.join(sorted(set(told)))}"


FUSED_LAYERS = ("to_qkv", "to_kv")


def count_fused(variant, layers, call):
    """How many of the layers with fused projections a denoiser call projects with; where it is compiled, how many there are.

    Raises Invalid where none is used: a processor may not know them.
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


def set_attention_backend(variant, setting):
    """Have the modules attend by one of the backends that Diffusers dispatches to, such as `flash` (flash-attention 2)."""
    told = 0
    for module in variant.modules().values():
        kind = name_of(module)
        if not hasattr(module, "set_attention_backend"):
            raise Unsupported(f"Diffusers {diffusers.__version__} has no set_attention_backend for {kind}")
        with refusing(f"attention backend {setting}", ValueError, ImportError, RuntimeError):
            module.set_attention_backend(setting)
        taken = [
            layer
            for layer in module.modules()
            if getattr(getattr(layer, "processor", None), "_attention_backend", None) == setting
        ]
        if not taken:
            raise Unsupported(f"the attention processors of {kind} take no backend: {', '.join(processors_of(module))}")
        told += len(taken)
    return f"attention backend {setting} in {told} layers"


def sdpa_context(setting):
    """A maker of the context manager that leaves scaled dot-product attention this one kernel."""
    name, argument, _ = SDPA_KERNELS[setting]
    try:
        from torch.nn.attention import SDPBackend, sdpa_kernel
    except ImportError:  # before torch 2.3
        if argument is None:
            raise Unsupported(f"torch {torch.__version__} has no {setting} attention") from None
        settings = {other: other == argument for _, other, _ in SDPA_KERNELS.values() if other}
        return lambda: torch.backends.cuda.sdp_kernel(**settings)
    if not hasattr(SDPBackend, name):
        raise Unsupported(f"torch {torch.__version__} has no {setting} attention")
    return lambda: sdpa_kernel([getattr(SDPBackend, name)])


def set_sdpa_backend(variant, setting):
    """Leave scaled dot-product attention one kernel, in the stage's modules alone: the VAE's heads may be too wide for it."""
    if setting in ON_GPU and variant.device.type != "cuda":
        raise Unsupported(f"{setting} attention runs on CUDA devices alone")
    make = sdpa_context(setting)
    for module in variant.modules().values():
        module.forward = within(make, module.forward, setting)


def within(make, forward, setting):
    """`forward` in the context that `make` makes."""

    def attend(*arguments, **keys):
        try:
            with make():
                return forward(*arguments, **keys)
        except RuntimeError as error:
            if NO_KERNEL.search(str(error)) and not is_out_of_memory(error):
                raise Unsupported(f"{setting} attention cannot do these shapes: {one_line(error, 160)}") from None
            raise

    return attend


class StepDone(Exception):
    """Ends a call of the pipeline after its first denoiser call."""


def nothing():
    pass


def run_step(module, call, before=nothing):
    """Call the pipeline as far as the end of the module's first call, with `before` before that."""

    def begin(module, arguments):
        before()

    def end(module, arguments, output):
        raise StepDone

    handles = [module.register_forward_pre_hook(begin), module.register_forward_hook(end)]
    with removing(handles), contextlib.suppress(StepDone):
        call()


def profile_step(module, call):
    """Torch's profile of the module's first call in a call of the pipeline, which ends there."""
    from torch.profiler import ProfilerActivity, profile

    gpu = [ProfilerActivity.CUDA] if torch.cuda.is_available() else []
    profiler = profile(activities=[ProfilerActivity.CPU, *gpu])
    started = []

    def start():
        profiler.start()
        started.append(True)

    try:
        run_step(module, call, start)
    finally:
        if started:  # else stopping it would fail, and hide why
            profiler.stop()
    if not started:
        raise RuntimeError("the denoiser is not called")
    return profiler


def device_kernel(name):
    """Which attention a GPU ran, by a name in a profile: a key of DEVICE_KERNELS, else the name itself; None where it is none."""
    if not DEVICE_KERNEL.search(name) or SECOND_KERNEL.search(name):
        return None
    return next((kind for kind, pattern in DEVICE_KERNELS.items() if pattern.search(name)), name[:60])


def kernels_of(names):
    """{kernel: how often} of the attention kernels among the names of a profile, the device's where it has no other."""
    kernels, on_device = Counter(), Counter()
    for name, count in names.items():
        match, kind = FUSED_KERNEL.match(name), device_kernel(name)
        if match:
            kernels["".join(part for part in match.groups() if part)] += count
        elif OTHER_KERNEL.search(name):
            kernels[name[:60]] += count
        elif kind:
            on_device[kind] += count
    return kernels or on_device


def attention_evidence(variant, call):
    """The attention kernels in a profile of one denoiser call, as text, and in the column `attention_kernels`.

    Raises Invalid where the variant forces a kernel and another was used. None where none is seen and a compiler may have
    written attention out in kernels of its own, or a profile may not see into a CUDA graph.
    """
    names = {event.key: event.count for event in profile_step(variant.denoiser(), call).key_averages()}
    kernels = kernels_of(names)
    if not kernels and (variant.compiled or "cuda_graph" in variant.recipe):
        return None
    listed = ", ".join(f"{count} x {name}" for name, count in sorted(kernels.items()))
    variant.columns["attention_kernels"] = listed or "none that is fused"
    forced = variant.recipe.get("sdpa_backend")
    if forced and not (kernels and set(kernels) <= set(SDPA_KERNELS[forced][2])):
        raise Invalid(f"{forced} attention had no effect: attention kernels of one denoiser call: {listed or 'none'}")
    return f"attention kernels of one denoiser call: {variant.columns['attention_kernels']}"
