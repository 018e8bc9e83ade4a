"""The attention kernels that a denoiser call used: evidence for every variant."""

import re
from collections import Counter

from diffbench.vocabulary.errors import Invalid

from .denoiser_calls import profile_step
from .sdpa_backend import SDPA_KERNELS

FUSED_KERNEL = re.compile(
    r"aten::_scaled_dot_product_(?:fused_)?(\w+?)_attention(_for_cpu|_math|_overrideable)?\Z|aten::_scaled_dot_product_attention_(math)\Z"
)
OTHER_KERNEL = re.compile(r"(flash_attn|xformers|sageattn|sage_attention|_qattn|aiter)", re.I)
# the kernels of SDPA on a GPU: a profile of a replayed graph has no other names; other libraries' kernels keep theirs
DEVICE_KERNELS = {
    "cudnn": re.compile("cudnn.*(sdpa|fmha|flash)"),
    "flash": re.compile("pytorch_flash::flash_fwd"),
    "efficient": re.compile("fmha_cutlass.*PyTorchMemEff"),
}
DEVICE_KERNEL = re.compile("flash_fwd|fmha|sdpa")
SECOND_KERNEL = re.compile("combine")  # of an attention that has been counted


def device_kernel(name):
    """The attention that a GPU ran, by a name in a profile: a key of DEVICE_KERNELS, or the name itself; None for others."""
    if not DEVICE_KERNEL.search(name) or SECOND_KERNEL.search(name):
        return None
    return next((kind for kind, pattern in DEVICE_KERNELS.items() if pattern.search(name)), name[:60])


def kernels_of(names):
    """{kernel: count} of the attention kernels among the names of a profile; the device's kernels if it has no others."""
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

    Raises Invalid if the variant forces a kernel and another was used. None if no kernel is seen, but a compiler may have
    replaced attention by its own kernels, or the profile may not show the inside of a CUDA graph.
    """
    names = {event.key: event.count for event in profile_step(variant.denoiser(), call).key_averages()}
    kernels = kernels_of(names)
    if not kernels and (variant.compiled or "cuda_graph" in variant.recipe):
        return None
    listed = ", ".join(f"{count} x {name}" for name, count in sorted(kernels.items()))
    variant.columns["attention_kernels"] = listed or "none that is fused"
    forced = variant.recipe.get("sdpa_backend")
    if forced and not (kernels and set(kernels) <= set(SDPA_KERNELS[forced].in_profile)):
        raise Invalid(f"{forced} attention had no effect: attention kernels of one denoiser call: {listed or 'none'}")
    return f"attention kernels of one denoiser call: {variant.columns['attention_kernels']}"
