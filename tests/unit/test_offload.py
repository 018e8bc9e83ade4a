"""An offloaded denoiser has its weights on the host between calls."""

import pytest
import torch

from applied_variants import variant_of
from diffbench.mechanisms.offload import offload
from diffbench.vocabulary.errors import Invalid


class Offloaded(torch.nn.Module):
    """A denoiser whose weight is on the host (`cpu`) or on the device (`meta`)."""

    def __init__(self, place):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(1, device=place))


@pytest.mark.parametrize(
    ("at_first", "after_call", "seen"),
    [
        ("cpu", None, "offload model: weights of the denoiser on cpu between calls"),
        (
            "meta",
            "cpu",
            "offload model: weights of the denoiser on cpu between calls",
        ),  # another check ended a call early
        ("meta", "meta", "had no effect"),
    ],
)
def test_weights_are_looked_for_on_the_host_after_a_whole_call(at_first, after_call, seen):
    module, checks = Offloaded(at_first), []
    variant = variant_of(module, "meta")
    variant.pipeline.enable_model_cpu_offload = lambda device: None
    variant.check = lambda mechanism, run: checks.append(run)
    offload(variant, "model")

    def call():
        module.weight = torch.nn.Parameter(torch.ones(1, device=after_call))

    if after_call == "meta":
        with pytest.raises(Invalid, match=seen):
            checks[0](call)
    else:
        assert checks[0](call) == seen
