"""Memory runs out inside what turns exceptions into "unsupported": it is still out of memory."""

from types import SimpleNamespace

import pytest
import torch

from applied_variants import variant_of
from diffbench.libraries.failure import classify
from diffbench.measurement import load
from diffbench.mechanisms import cuda_graph
from diffbench.mechanisms.attention import set_attention
from diffbench.mechanisms.attention_backend import set_attention_backend
from diffbench.mechanisms.caching import enable_caching
from diffbench.mechanisms.offload import offload
from diffbench.mechanisms.regional import compile_by_accelerate, compile_by_diffusers
from diffbench.vocabulary.errors import Unsupported
from failures import HANDLE, NO_ENGINE

STARVED = [RuntimeError("CUDA driver error: out of memory"), RuntimeError(HANDLE), ValueError("CUDA out of memory")]


def starve(error):
    def fail(*arguments, **keys):
        raise error

    return fail


class Starving(torch.nn.Module):
    """A model that has no memory for anything that changes it."""

    _repeated_blocks = ["Linear"]

    def __init__(self, error):
        super().__init__()
        self.layer = torch.nn.Linear(2, 2)
        for name in ("compile_repeated_blocks", "set_attention_backend", "fuse_qkv_projections", "enable_cache"):
            setattr(self, name, starve(error))


MECHANISMS = {
    "regional": lambda variant: compile_by_diffusers(variant, "unet", variant.denoiser(), {}),
    "attention": lambda variant: set_attention(variant, "fused"),
    "attention_backend": lambda variant: set_attention_backend(variant, "flash"),
    "caching": lambda variant: enable_caching(variant, {"config": "FirstBlockCacheConfig"}),
    "offload": lambda variant: offload(variant, "model"),
}


@pytest.mark.parametrize("error", STARVED, ids=str)
@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_memory_that_runs_out_in_a_mechanism_is_oom(mechanism, error):
    with pytest.raises(type(error)) as caught:
        MECHANISMS[mechanism](variant_of(Starving(error), "meta"))
    assert classify(caught.value, False)[0] == "oom"


@pytest.mark.parametrize("error", STARVED, ids=str)
def test_memory_that_runs_out_in_compile_regions_is_oom_and_another_error_unsupported(monkeypatch, error):
    utils = pytest.importorskip("accelerate.utils")
    if not hasattr(utils, "compile_regions"):
        pytest.skip("this release of accelerate has no compile_regions")
    variant = variant_of(torch.nn.Linear(2, 2))
    monkeypatch.setattr(utils, "compile_regions", starve(error))
    with pytest.raises(type(error)) as caught:
        compile_by_accelerate(variant, "unet", variant.denoiser(), {})
    assert classify(caught.value, True)[0] == "oom"
    monkeypatch.setattr(utils, "compile_regions", starve(KeyError("blocks")))
    with pytest.raises(Unsupported, match="compile_regions fails on Linear: KeyError: 'blocks'"):
        compile_by_accelerate(variant, "unet", variant.denoiser(), {})


@pytest.mark.parametrize("kind", [OSError, ValueError])
def test_memory_that_runs_out_while_weights_are_mapped_is_oom_and_no_setup_error(monkeypatch, kind):
    error = kind("unable to mmap 5135149760 bytes: Cannot allocate memory (12)")
    source = {"hub_id": "someone/model", "revision": "0" * 40}
    monkeypatch.setattr(load, "find_class", lambda path: SimpleNamespace(from_pretrained=starve(error)))
    with pytest.raises(kind) as caught:
        load.from_pretrained("UNet2DConditionModel", source, torch.float16)
    assert classify(caught.value, False)[0] == "oom"


def test_memory_that_runs_out_in_a_quantization_is_oom(monkeypatch):
    from diffbench.mechanisms import quantization

    monkeypatch.setattr(quantization.importlib, "import_module", lambda name: None)
    torchao = quantization.LIBRARIES["torchao"]._replace(quantize=starve(RuntimeError(NO_ENGINE)))
    monkeypatch.setitem(quantization.LIBRARIES, "torchao", torchao)
    with pytest.raises(RuntimeError) as caught:
        quantization.quantize(
            variant_of(torch.nn.Linear(2, 2)), {"library": "torchao", "config": "Int8WeightOnlyConfig"}
        )
    assert classify(caught.value, False)[0] == "oom"


@pytest.mark.parametrize(
    ("first", "last", "status"),
    [
        ("CUDA out of memory", "CUDA error: operation failed due to a previous error during capture", "oom"),
        (None, "CUDA out of memory. 2.00 GiB is allocated in private pools: captured graphs", "oom"),
        (None, "CUDA error: operation not permitted when stream is capturing", "unsupported"),
        (None, "CUDA error: an illegal memory access was encountered", "crashed"),
    ],
)
def test_memory_that_runs_out_while_a_graph_is_captured_is_oom(monkeypatch, first, last, status):
    def graph(*arguments):
        try:
            if first:
                raise RuntimeError(first)
        finally:
            raise RuntimeError(last)  # as torch.cuda.graph does when it ends the capture

    monkeypatch.setattr(cuda_graph, "Graph", graph)
    with pytest.raises((RuntimeError, Unsupported)) as caught:
        cuda_graph.record(None, [], None, None)
    assert classify(caught.value, False)[0] == status
