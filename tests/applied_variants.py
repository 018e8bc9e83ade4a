"""Variants as they are applied to a pipeline."""

from types import SimpleNamespace

import torch


def variant_of(module, device="cpu", **recipe):
    pipeline = SimpleNamespace(unet=module, enable_model_cpu_offload=getattr(module, "enable_cache", None))
    description = {"steps": 9}
    return SimpleNamespace(
        pipeline=pipeline,
        description=description,
        recipe=recipe,
        compiles=False,
        device=torch.device(device),
        modules=lambda: {"unet": module},
        denoiser=lambda: module,
    )
