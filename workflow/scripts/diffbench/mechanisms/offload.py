"""Keeping weights in the host's memory while they are not used."""

from diffbench.libraries.failure import refusing
from diffbench.vocabulary.errors import Invalid, Unsupported

from .mechanism import Mechanism, one_of
from .python_lines import literal
from .torch_modules import name_of

METHODS = {"model": "enable_model_cpu_offload", "sequential": "enable_sequential_cpu_offload"}


def offload(variant, setting):
    """Keep the weights in the host's memory while they are not used, by whole models or layer by layer."""
    if variant.device.type == "cpu":
        raise Unsupported("the weights are in the host's memory: there is nothing to offload")
    with refusing(f"{name_of(variant.pipeline)} cannot be offloaded", ImportError, ValueError, NotImplementedError):
        getattr(variant.pipeline, METHODS[setting])(device=variant.device)

    def places():
        return sorted({weight.device.type for weight in variant.denoiser().parameters()})

    def look_at_weights(call):
        if variant.device.type in places():
            call()  # a check before this one may have ended a call at the denoiser, before the weights went back
        if variant.device.type in places():
            raise Invalid(f"offload {setting} had no effect: weights of the denoiser stay on the device")
        return f"offload {setting}: weights of the denoiser on {', '.join(places())} between calls"

    variant.check("offload", look_at_weights)


def write_lines(code, setting):
    code.add(f"pipe.{METHODS[setting]}(device={literal(code.device)})")


OFFLOAD = Mechanism(
    name="offload",
    schema=one_of(*METHODS),
    apply=offload,
    write_lines=write_lines,
    meaning=(
        "Weights in the host's memory while they are not used: by whole `model`, or `sequential`, layer by layer."
    ),
    evidence=(
        "After the measured calls: where the denoiser's weights are between calls. If they are on the device, the "
        "row is `invalid`."
    ),
    library=lambda setting: "accelerate",
    libraries=("accelerate",),
)
