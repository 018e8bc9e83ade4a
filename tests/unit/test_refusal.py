"""What a library refuses at the first call is unsupported, with its reason."""

import pytest
import torch

from diffbench.libraries.failure import classify
from diffbench.mechanisms.refusal import refusals
from diffbench.mechanisms.sdpa_backend import sdpa_context, within
from diffbench.vocabulary.errors import Unsupported
from failures import BITSANDBYTES, HANDLE, TORCHAO, XFORMERS, raise_in
from stages import run_stages

FLASH, SAGE, DISPATCH = "flash_attn.flash_attn_interface", "sageattention.core", "diffusers.models.attention_dispatch"
SCALED = "torch._scaled_mm is only supported on CUDA devices with compute capability >= 9.0 or 8.9, or ROCm MI300+"
TRAILING = "Expected trailing dimension of mat1 to be divisible by 16 but got mat1 shape: (2x300)."
MASK = "`attn_mask` is not supported for flash-attn 2."
NO_OPERATOR = "No operator found for `memory_efficient_attention_forward` with inputs:"
REFUSED = [
    ("attention_backend", FLASH, RuntimeError("FlashAttention only supports Ampere GPUs or newer.")),
    ("attention_backend", FLASH, RuntimeError("FlashAttention only support fp16 and bf16 data type")),
    ("attention_backend", FLASH, RuntimeError("FlashAttention forward only supports head dimension at most 256")),
    ("attention_backend", FLASH, RuntimeError("CUDA error: no kernel image is available for execution on the device")),
    ("attention_backend", SAGE, ValueError("Unsupported head_dim: 160")),
    ("attention_backend", SAGE, ValueError("Unsupported CUDA architecture: sm70")),
    ("attention_backend", SAGE, AssertionError("Input tensors must be in dtype of torch.float16 or torch.bfloat16")),
    ("attention_backend", DISPATCH, ValueError(MASK)),
    ("attention_backend", DISPATCH, RuntimeError("No available kernel. Aborting execution.")),
    ("attention", XFORMERS, NotImplementedError(NO_OPERATOR)),
    ("quantization", TORCHAO, RuntimeError(SCALED)),
    ("quantization", TORCHAO, RuntimeError(TRAILING)),
    ("quantization", "torchao.kernel.intmm", RuntimeError("self.size(0) needs to be greater than 16, but got 2")),
    ("quantization", BITSANDBYTES, ValueError("Blockwise 4bit quantization only supports 16/32-bit floats")),
]


def status_at_first_call(recipe, module, error, compiled=False):
    try:
        with refusals(recipe):
            raise_in(module, error)
    except Exception as caught:
        return classify(caught, compiled)
    raise AssertionError("nothing was raised")


@pytest.mark.parametrize(("mechanism", "module", "error"), REFUSED, ids=lambda value: str(value)[:40])
def test_what_a_library_refuses_at_the_first_call_is_unsupported_with_its_reason(mechanism, module, error):
    status, detail = status_at_first_call({mechanism: "x", "memory_format": "channels_last"}, module, error)
    assert (status, str(error)[:60] in detail) == ("unsupported", True), detail
    assert detail.startswith(mechanism)


IN_COMPILED_CODE = ("FlashAttention only", "Unsupported", "torch._scaled_mm", "self.size", "Expected trailing")
COMPILED = [entry for entry in REFUSED if str(entry[2]).startswith(IN_COMPILED_CODE)]


@pytest.mark.parametrize(("mechanism", "module", "error"), COMPILED, ids=lambda value: str(value)[:40])
def test_compiled_code_has_no_frame_of_the_library_left(mechanism, module, error):
    status, _ = status_at_first_call({mechanism: "x", "compile": {}}, "torch._inductor.output_code", error, True)
    assert status == "unsupported"


@pytest.mark.parametrize(
    ("recipe", "module", "error", "status"),
    [
        ({}, SAGE, ValueError("Unsupported head_dim: 160"), "crashed"),
        ({"quantization": {}}, SAGE, ValueError("bad"), "crashed"),
        ({"attention_backend": "sage"}, "diffusers.models.unets", ValueError("bad shape"), "crashed"),
        ({"attention_backend": "sage"}, SAGE, ZeroDivisionError("division by zero"), "crashed"),
        ({"attention_backend": "sage"}, SAGE, RuntimeError("CUDA error: an illegal memory access"), "crashed"),
        ({"attention_backend": "sage"}, SAGE, RuntimeError("CUDA out of memory"), "oom"),
        ({"quantization": {}}, TORCHAO, RuntimeError(HANDLE), "oom"),
    ],
)
def test_what_is_no_refusal_keeps_its_status(recipe, module, error, status):
    assert status_at_first_call(recipe, module, error)[0] == status


def test_a_refusal_is_seen_in_a_real_cell(tmp_path, monkeypatch, project):
    """A library that the attention of the real denoiser calls."""
    pytest.importorskip("diffusers.models.attention_dispatch")
    project.edit("config/variants.yaml", lambda variants: variants.update(native={"attention_backend": "native"}))
    namespace = {"__name__": FLASH, "error": RuntimeError("FlashAttention only supports Ampere GPUs or newer.")}
    exec("def refuse(*arguments, **keys):\n    raise error", namespace)
    monkeypatch.setattr(torch.nn.functional, "scaled_dot_product_attention", namespace["refuse"])
    outcomes = [run_stages(tmp_path, "flux.1-schnell", name, root=project.folder)[0] for name in ("eager", "native")]
    assert [outcome.status for outcome in outcomes] == ["crashed", "unsupported"], "eager attends by no library"
    assert outcomes[1].columns["phase"] == "first-call"
    assert "only supports Ampere" in outcomes[1].detail


@pytest.mark.parametrize(
    "text",
    [
        "No available kernel. Aborting execution.",
        "No viable backend for scaled_dot_product_attention was found.",
        "cuDNN Frontend error: [cudnn_frontend] Error: No execution plans support the graph.",
        "[cudnn_frontend] Error: No valid execution plans built.",
    ],
)
def test_a_forced_kernel_that_cannot_do_the_shapes_is_unsupported(text):
    def forward():
        raise RuntimeError(text)

    with pytest.raises(Unsupported, match="math attention cannot do these shapes"):
        within(sdpa_context("math"), forward, "math")()


def test_a_forced_kernel_without_memory_is_out_of_memory():
    def forward():
        raise RuntimeError("[cudnn_frontend] Error: CUDNN_STATUS_ALLOC_FAILED")

    with pytest.raises(RuntimeError, match="ALLOC_FAILED"):
        within(sdpa_context("math"), forward, "math")()
