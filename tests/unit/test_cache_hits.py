"""How much a cache saved, counted in the linear layers of a denoiser that uses some of them now and then."""

from types import SimpleNamespace

import pytest
import torch

from diffbench.mechanisms.caching import count_hits
from diffbench.vocabulary.errors import Invalid


class Denoiser(torch.nn.Module):
    """Uses two of its three layers; every other call leaves out one of them where it `skips`."""

    def __init__(self, skips):
        super().__init__()
        self.used, self.often, self.never = (torch.nn.Linear(2, 2) for _ in range(3))
        self.skips, self.calls = skips, 0

    def forward(self, hidden):
        self.calls += 1
        hidden = self.used(hidden)
        return hidden if self.skips and self.calls % 2 == 0 else self.often(hidden)


def hits_of(denoiser):
    variant = SimpleNamespace(compiled={}, denoiser=lambda: denoiser)
    return count_hits(variant, denoiser, lambda: [denoiser(torch.zeros(1, 2)) for _ in range(4)])


def test_the_share_is_of_the_calls_that_a_whole_step_makes():
    """Two layers in a whole step, four steps, two calls left out: 2 of 8; the layer that nothing uses does not count."""
    assert hits_of(Denoiser(skips=True)) == "25% of the linear layers' calls saved by the cache in 4 denoiser calls"


def test_a_cache_that_is_never_hit_is_invalid_although_one_layer_is_never_used():
    with pytest.raises(Invalid, match="the cache was never hit"):
        hits_of(Denoiser(skips=False))
