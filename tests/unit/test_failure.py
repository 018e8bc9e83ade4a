"""From an exception to a status: memory in whatever words, what a library refuses, what breaks."""

from types import SimpleNamespace

import pytest
import torch

from measurement import cudagraph, load
from measurement.attention import sdpa_context, set_attention, set_attention_backend, within
from measurement.caching import enable_caching
from measurement.compilation import compile_by_accelerate, compile_by_diffusers
from measurement.errors import Invalid, Unsupported
from measurement.failure import classify
from measurement.options import offload
from measurement.refusal import refusals
from stages import run_stages

NO_ENGINE = "GET was unable to find an engine to execute this computation"
HANDLE = "CUDA error: CUBLAS_STATUS_NOT_INITIALIZED when calling `cublasCreate(handle)`"
INTERNAL = "cuDNN error: CUDNN_STATUS_INTERNAL_ERROR"
CERTAIN = [
    "CUDA out of memory. Tried to allocate 20.00 MiB. GPU 0 has a total capacity of 14.56 GiB",
    "CUDA error: out of memory",
    "CUDA driver error: out of memory",
    "Triton Error [CUDA]: out of memory",
    "CUDA_ERROR_OUT_OF_MEMORY: out of memory",
    "hipErrorOutOfMemory",
    "cudaErrorMemoryAllocation",
    "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
    "cuDNN error: CUDNN_STATUS_ALLOC_FAILED",
    "cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED",
    "cusolver error: CUSOLVER_STATUS_ALLOC_FAILED",
    "[enforce fail at alloc_cpu.cpp:117] err == 0. DefaultCPUAllocator: can't allocate memory: you tried",
    "std::bad_alloc",
    "[Errno 12] Cannot allocate memory",
    "C++ compile error: g++: fatal error: Killed signal terminated program cc1plus",
]


@pytest.mark.parametrize("text", CERTAIN)
@pytest.mark.parametrize("compiled", [False, True])
def test_memory_that_ran_out_is_oom_in_every_librarys_words(text, compiled):
    assert classify(RuntimeError(text), compiled) == ("oom", f"RuntimeError: {text}")


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("libgomp.so.1: cannot allocate memory in static TLS block", "crashed"),
        ("out of resource: shared memory, Required: 163840, Hardware limit: 101376", "crashed"),
        ("CUDA error: an illegal memory access was encountered", "crashed"),
        (INTERNAL, "crashed"),
    ],
)
def test_other_failures_are_not_taken_for_memory(text, status):
    assert classify(RuntimeError(text), False)[0] == status


def device_with(monkeypatch, free_mib, failures=0):
    """Stand in for a GPU with so much free memory, whose allocator has failed so often."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.cuda, "memory_stats", lambda: {"num_ooms": failures})
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (free_mib * 2**20, 80 * 2**30))


@pytest.mark.parametrize(
    ("text", "unknown", "full", "roomy"),
    [
        (NO_ENGINE, "oom", "oom", "unsupported"),
        ("FIND was unable to find an engine to execute this computation", "oom", "oom", "unsupported"),
        ("Unable to find a valid cuDNN algorithm to run convolution", "oom", "oom", "unsupported"),
        (HANDLE, "oom", "oom", "crashed"),
        ("cuDNN error: CUDNN_STATUS_NOT_INITIALIZED", "oom", "oom", "crashed"),
        (INTERNAL, "crashed", "oom", "crashed"),
        ("CUDA error: CUBLAS_STATUS_EXECUTION_FAILED when calling `cublasGemmEx`", "crashed", "oom", "crashed"),
    ],
)
def test_what_may_be_memory_is_decided_by_the_device(monkeypatch, text, unknown, full, roomy):
    assert classify(RuntimeError(text), False)[0] == unknown
    device_with(monkeypatch, free_mib=100)
    assert classify(RuntimeError(text), False)[0] == full
    device_with(monkeypatch, free_mib=40_000, failures=2)  # torch gave back what did not suffice
    assert classify(RuntimeError(text), False)[0] == full
    device_with(monkeypatch, free_mib=40_000)
    assert classify(RuntimeError(text), False)[0] == roomy


# Memory runs out inside what turns exceptions into "unsupported"

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


def variant_of(module, device="cpu", **recipe):
    pipeline = SimpleNamespace(unet=module, enable_model_cpu_offload=getattr(module, "enable_cache", None))
    description = {"steps": 9}
    return SimpleNamespace(
        pipeline=pipeline,
        description=description,
        recipe=recipe,
        device=torch.device(device),
        modules=lambda: {"unet": module},
        denoiser=lambda: module,
    )


MECHANISMS = {
    "regional": lambda variant: compile_by_diffusers(variant, "unet", variant.denoiser(), {}),
    "attention": lambda variant: set_attention(variant, "fused"),
    "attention_backend": lambda variant: set_attention_backend(variant, "flash"),
    "caching": lambda variant: enable_caching(variant, {"config": "FirstBlockCacheConfig"}),
    "offload": lambda variant: offload(variant, "model"),
}


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
    from measurement import quantization

    monkeypatch.setattr(quantization.importlib, "import_module", lambda name: None)
    monkeypatch.setitem(quantization.LIBRARIES, "torchao", starve(RuntimeError(NO_ENGINE)))
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

    monkeypatch.setattr(cudagraph, "Graph", graph)
    with pytest.raises((RuntimeError, Unsupported)) as caught:
        cudagraph.record(None, [], None, None)
    assert classify(caught.value, False)[0] == status


# What a library refuses at the first call

FLASH, SAGE, DISPATCH = "flash_attn.flash_attn_interface", "sageattention.core", "diffusers.models.attention_dispatch"
XFORMERS, TORCHAO, BITSANDBYTES = "xformers.ops.fmha.dispatch", "torchao.float8.inference", "bitsandbytes.functional"
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


def raise_in(module, error):
    """Raise the error in code of this module, which calls torch, as a library does."""
    namespace = {"__name__": module, "error": error}
    exec("def refuse():\n    raise error", namespace)
    namespace["refuse"]()


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
