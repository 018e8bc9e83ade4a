"""The small mechanisms: scheduler, memory format, offloading, inference mode."""

import contextlib
import inspect

import torch

from diffbench.libraries.classes import find_class
from diffbench.libraries.failure import refusing
from diffbench.vocabulary.errors import Invalid, SetupError, Unsupported

MEMORY_FORMATS = {  # of weights with 4 and with 5 dimensions
    "channels_last": {4: torch.channels_last, 5: torch.channels_last_3d},
    "contiguous": {4: torch.contiguous_format, 5: torch.contiguous_format},
}


def name_of(module):
    return type(module).__name__


@contextlib.contextmanager
def removing(handles):
    """Remove hooks at the end, whatever happens meanwhile."""
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def replace_scheduler(variant, setting):
    """Put another scheduler of Diffusers in the place of the pipeline's, with its configuration; `config` adds to it. How many
    steps it takes is part of the definition (`steps`). Raises Unsupported where it is of another family of noise schedules."""
    pipeline = variant.pipeline
    found, scheduler = pipeline.scheduler, find_class(setting["class"])
    needed = ["beta_schedule", *(["use_flow_sigmas"] if found.config.get("use_flow_sigmas") else [])]
    accepted = inspect.signature(scheduler.__init__).parameters
    if str(found.config.get("variance_type")).startswith("learned"):
        needed.append("variance_type")
    if "beta_schedule" not in found.config or not set(needed).issubset(accepted):
        raise Unsupported(f"{name_of(pipeline)} cannot take {setting['class']} in the place of {name_of(found)}")
    unknown = sorted(set(setting.get("config", {})) - set(accepted))
    if unknown:
        raise SetupError(
            f"config/variants.yaml: scheduler.config: {setting['class']} takes no {unknown[0]!r}; mend the name"
        )
    pipeline.scheduler = scheduler.from_config(found.config, **setting.get("config", {}))
    if type(found) is scheduler and dict(found.config) == dict(pipeline.scheduler.config):
        raise Unsupported(f"{name_of(pipeline)} has {setting['class']} of itself")
    return f"scheduler {name_of(pipeline.scheduler)}, {variant.description['steps']} steps"


def set_memory_format(variant, setting):
    """Lay out the convolutions' weights as the setting says; the evidence is how many there are."""
    counted = 0
    for module in variant.modules().values():
        for weight in module.parameters():
            memory_format = MEMORY_FORMATS[setting].get(weight.dim())
            if memory_format:
                weight.data = weight.data.to(memory_format=memory_format)
                counted += weight.is_contiguous(memory_format=memory_format)
    if setting == "contiguous" and not counted:
        raise Unsupported("the model has no convolution: a memory format changes nothing")
    return f"{setting} weights of {counted} convolutions"


OFFLOADING = {"model": "enable_model_cpu_offload", "sequential": "enable_sequential_cpu_offload"}


def offload(variant, setting):
    """Keep the weights in the host's memory while they are not used, by whole models or layer by layer."""
    if variant.device.type == "cpu":
        raise Unsupported("the weights are in the host's memory: there is nothing to offload")
    with refusing(f"{name_of(variant.pipeline)} cannot be offloaded", ImportError, ValueError, NotImplementedError):
        getattr(variant.pipeline, OFFLOADING[setting])(device=variant.device)

    def places():
        return sorted({weight.device.type for weight in variant.denoiser().parameters()})

    def look_at_weights(call):
        if variant.device.type in places():
            call()  # a check before this one may have ended a call at the denoiser, before the weights went back
        if variant.device.type in places():
            raise Invalid(f"offload {setting} had no effect: weights of the denoiser stay on the device")
        return f"offload {setting}: weights of the denoiser on {', '.join(places())} between calls"

    variant.check("offload", look_at_weights)


def enable_inference_mode(variant, setting):
    """Call the pipeline in torch's inference mode; of itself it calls in no_grad."""
    if setting != "inference_mode":
        raise SetupError(f"config/variants.yaml: grad: found {setting!r}, expected inference_mode")
    variant.contexts.append(torch.inference_mode)

    def look_at_output(call):
        seen = []

        def look(module, arguments, output):
            first = output[0] if isinstance(output, (tuple, list)) else next(iter(output.values()))
            first = first[0] if isinstance(first, (tuple, list)) else first
            seen.append(torch.is_tensor(first) and first.is_inference())

        handle = variant.denoiser().register_forward_hook(look)
        with removing([handle]):
            call()
        if not all(seen) or not seen:
            raise Invalid("inference mode had no effect: the denoiser's output is no inference tensor")
        return "the denoiser's output is an inference tensor"

    variant.check("grad", look_at_output)
