"""Calls in torch's inference mode."""

from diffbench.vocabulary.errors import Invalid, SetupError

from .mechanism import Mechanism, one_of
from .torch_modules import removing

INFERENCE_MODE = "inference_mode"


def enable_inference_mode(variant, setting):
    """Call the pipeline in torch's inference mode; Diffusers itself uses no_grad."""
    import torch

    if setting != INFERENCE_MODE:
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
            raise Invalid("inference mode had no effect: the denoiser's output is not an inference tensor")
        return "the denoiser's output is an inference tensor"

    variant.check("grad", look_at_output)


def write_lines(code, setting):
    code.contexts.append(f"torch.{setting}()")


GRAD = Mechanism(
    name="grad",
    schema=one_of(INFERENCE_MODE),
    apply=enable_inference_mode,
    write_lines=write_lines,
    meaning="`inference_mode`: calls in torch's inference mode. Diffusers itself calls in `no_grad`.",
    evidence=(
        "After the measured calls: whether the denoiser's outputs in one more call of the pipeline are inference "
        "tensors."
    ),
)
