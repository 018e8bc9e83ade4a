"""Each word, name and kind of error that decides a status, and what is close to one but is none."""

import errno
import sys

import pytest
import torch

from diffbench.libraries import failure
from diffbench.libraries.failure import chain, classify, fault_of, forget_failures, is_out_of_memory, refusing
from diffbench.mechanisms.refusal import refusals, refusing_mechanism
from diffbench.vocabulary.errors import DiffbenchError, Invalid, SetupError, Unsupported
from failures import BITSANDBYTES, HANDLE, INTERNAL, TORCHAO, device_with, raise_in


def is_full_disk(error):
    return (fault_of(error) or "").startswith("a disk is full")


def raised(module, error, function="refuse"):
    """The error after code of this module raised it in a function of this name."""
    namespace = {"__name__": module, "error": error}
    exec(f"def {function}():\n    raise error", namespace)
    try:
        namespace[function]()
    except type(error) as caught:
        return caught


def made_by(module):
    """An error whose class a module defines."""
    return type("Refusal", (Exception,), {"__module__": module})("no")


def caused(error, cause):
    error.__cause__ = cause
    return error


class OutOfMemoryError(Exception):
    """As torch's, which is not in every release."""


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        OutOfMemoryError("30 GiB"),
        RuntimeError("failed to allocate memory for the stream"),
        RuntimeError("can't allocate memory"),
        RuntimeError("not enough memory: you tried to allocate 8 bytes"),
        RuntimeError("OutOfMemory"),
        RuntimeError("OUT_OF_MEMORY"),
    ],
)
def test_memory_that_ran_out_is_oom_with_its_type(error):
    status, detail = classify(error, False)
    assert status == "oom" and detail.startswith(f"{type(error).__name__}:")


def test_memory_behind_an_error_is_oom_and_named():
    error = caused(ValueError("the block failed"), caused(KeyError("x"), RuntimeError("CUDA out of memory")))
    assert [type(one) for one in chain(error)] == [ValueError, KeyError, RuntimeError]
    assert classify(error, True) == ("oom", "RuntimeError: CUDA out of memory")


@pytest.mark.parametrize(("error", "status"), [(Unsupported("not here"), "unsupported"), (Invalid("no"), "invalid")])
def test_what_is_decided_stays_whatever_is_behind_it(error, status):
    assert classify(caused(error, MemoryError()), True) == (status, str(error))


@pytest.mark.parametrize(
    ("error", "detail"),
    [
        (NotImplementedError("no kernel"), "NotImplementedError: no kernel"),
        (
            RuntimeError("\"addmm_impl_cpu_\" not implemented for 'Half'"),
            "RuntimeError: \"addmm_impl_cpu_\" not implemented for 'Half'",
        ),
        (
            raised("diffusers.hooks.first_block_cache", KeyError("x")),
            "the cache does not work on this model: KeyError: 'x'",
        ),
    ],
)
def test_what_a_device_or_a_model_cannot_do_is_unsupported(error, detail):
    assert classify(error, False) == ("unsupported", detail)


def test_a_model_that_breaks_below_a_hook_of_a_cache_has_crashed():
    namespace = {"__name__": "diffusers.hooks.hooks", "raise_in": raise_in, "error": KeyError("x")}
    exec("def hook():\n    raise_in('diffusers.models.unets', error)", namespace)
    with pytest.raises(KeyError) as caught:
        namespace["hook"]()
    assert classify(caught.value, False)[0] == "crashed"


COMPILER_MODULES = ["torch._dynamo.exc", "torch._inductor.exc", "torch._functorch.aot_autograd", "triton.compiler"]


@pytest.mark.parametrize("module", COMPILER_MODULES)
@pytest.mark.parametrize("function", ["_compile", "call_user_compiler", "compile_fx", "compile_fx_inner"])
def test_what_is_raised_within_a_compilation_is_a_compile_error(module, function):
    error = raised(module, KeyError("x"), function)
    assert classify(error, True) == ("compile-error", "KeyError: 'x'")
    assert classify(error, False)[0] == "crashed", "the variant compiles nothing"
    assert classify(raised(module, KeyError("x"), "run"), True)[0] == "crashed", "compiled code that runs"
    assert classify(raised("mine", KeyError("x"), function), True)[0] == "crashed", "another's function of that name"


@pytest.mark.parametrize("module", COMPILER_MODULES)
def test_an_error_of_the_compilers_own_is_a_compile_error_also_behind_another(module):
    assert classify(made_by(module), True)[0] == "compile-error"
    assert classify(caused(ValueError("outer"), made_by(module)), True) == ("compile-error", "ValueError: outer")
    assert classify(made_by(module), False)[0] == "crashed"
    assert classify(made_by("torch.other"), True)[0] == "crashed"


@pytest.mark.parametrize(("free_mib", "status"), [(511, "oom"), (512, "crashed")])
def test_a_device_is_full_below_512_mib(monkeypatch, free_mib, status):
    device_with(monkeypatch, free_mib)
    assert classify(RuntimeError(HANDLE), False)[0] == status


def test_a_device_that_answers_no_more_is_not_known_to_be_roomy_nor_full(monkeypatch):
    def fail():
        raise RuntimeError("CUDA error: unspecified launch failure")

    device_with(monkeypatch, 40_000)
    monkeypatch.setattr(torch.cuda, "mem_get_info", fail)
    assert classify(RuntimeError(HANDLE), False)[0] == "oom"
    assert classify(RuntimeError(INTERNAL), False)[0] == "crashed"


@pytest.mark.parametrize("name", ["is_available", "is_initialized"])
def test_a_device_that_is_not_in_use_is_not_asked(monkeypatch, name):
    device_with(monkeypatch, 40_000, failures=1)
    monkeypatch.setattr(torch.cuda, name, lambda: False)
    assert failure.device_is_full() is None


def test_without_torch_nothing_is_known_of_a_device(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    assert failure.device_is_full() is None


@pytest.mark.parametrize(("kind", "resets"), [("cuda", 1), ("cpu", 0)])
def test_failures_of_an_earlier_stage_are_forgotten(monkeypatch, kind, resets):
    devices, device = [], torch.device(kind)
    monkeypatch.setattr(torch.cuda, "reset_accumulated_memory_stats", devices.append)
    forget_failures(device)
    assert devices == [device] * resets


@pytest.mark.parametrize(
    ("number", "full"), [(errno.ENOSPC, True), (errno.EDQUOT, True), (errno.ENOENT, False), (errno.EIO, False)]
)
def test_a_full_disk_or_a_spent_quota_is_seen_behind_another_error(number, full):
    assert is_full_disk(caused(RuntimeError("the compiler failed"), OSError(number, "x"))) is full
    assert not is_full_disk(RuntimeError(errno.ENOSPC))


@pytest.mark.parametrize(
    "text",
    [
        "g++: fatal error: /tmp/ccX.s: No space left on device",
        "worker: OSError: [Errno 28] x",
        "[Errno 122] x",
        "write: Disk quota exceeded",
    ],
)
def test_a_full_disk_in_the_words_of_a_compiler_or_a_worker_is_one(text):
    assert is_full_disk(caused(RuntimeError("the compiler failed"), RuntimeError(text)))


@pytest.mark.parametrize(
    "error",
    [
        Unsupported("decided"),
        Invalid("decided"),
        DiffbenchError("decided"),
        SetupError("decided"),
        MemoryError(),
        OSError(errno.ENOSPC, "full"),
    ],
)
def test_a_mechanism_does_not_refuse_what_is_decided_or_out_of_room(error):
    with pytest.raises(type(error)) as caught, refusing("it does not work", Exception):
        raise error
    assert caught.value is error


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ValueError("bad\nshape"), "it does not work: bad shape"),
        (ImportError("no x"), "it does not work: no x"),
        (RuntimeError("r"), "it does not work: r"),
        (AssertionError("a"), "it does not work: a"),
        (KeyError("blocks"), "it does not work: KeyError: 'blocks'"),
        (RuntimeError("x" * 500), "it does not work: " + "x" * 159 + "\u2026"),
    ],
)
def test_a_mechanism_refuses_with_a_reason_in_one_line(error, text):
    with pytest.raises(Unsupported) as caught, refusing("it does not work", Exception):
        raise error
    assert str(caught.value) == text


def test_errors_of_other_kinds_pass():
    with pytest.raises(KeyError), refusing("it does not work", ValueError):
        raise KeyError("x")


# What a library refuses

ATTENTION = ("flash_attn", "flash_attn_interface", "sageattention", "xformers", "aiter", "kernels")
LIBRARIES = [
    *(("attention", f"{name}.ops") for name in ATTENTION),
    *(("attention_backend", f"{name}.ops") for name in ATTENTION),
    ("attention_backend", "diffusers.models.attention_dispatch"),
    ("quantization", TORCHAO),
    ("quantization", BITSANDBYTES),
]


@pytest.mark.parametrize(("mechanism", "module"), LIBRARIES)
def test_the_libraries_of_a_mechanism_refuse_it_and_no_other(mechanism, module):
    error = raised(module, ValueError("bad shape"))
    assert refusing_mechanism(error, {"vae": [], mechanism: "x"}) == mechanism
    assert refusing_mechanism(caused(RuntimeError("outer"), error), {mechanism: "x"}) == mechanism
    other = "attention" if mechanism == "quantization" else "quantization"
    assert refusing_mechanism(error, {other: "x"}) is None


def test_a_module_whose_name_begins_alike_is_another_library():
    assert refusing_mechanism(raised("kernels_of_mine", ValueError("bad")), {"attention": "x"}) is None
    assert refusing_mechanism(raised("kernels", ValueError("bad")), {"attention": "x"}) == "attention"


@pytest.mark.parametrize("kind", [ValueError, NotImplementedError, RuntimeError, AssertionError, ImportError])
def test_kinds_of_errors_by_which_a_library_refuses(kind):
    expected = f"attention is refused here: {kind.__name__}: bad"
    with pytest.raises(Unsupported, match=expected) as caught, refusals({"attention": "x"}):
        raise_in("xformers.ops", kind("bad"))
    assert isinstance(caught.value.__cause__, kind)


@pytest.mark.parametrize(
    ("text", "mechanism"),
    [
        ("CUDA error: an illegal memory access was encountered", None),
        ("CUDA driver error: unknown", None),
        ("device-side assert triggered", None),
        ("CUDA error: no kernel image is available", "attention"),
        ("CUDA error: invalid device function", "attention"),
        ("CUDA out of memory", None),
    ],
)
def test_a_broken_device_is_no_refusal_but_a_missing_kernel_is(text, mechanism):
    assert refusing_mechanism(raised("xformers.ops", RuntimeError(text)), {"attention": "x"}) == mechanism


@pytest.mark.parametrize(
    ("text", "mechanisms"),
    [
        ("No operator found for `memory_efficient_attention_forward`", ["attention"]),
        ("FlashAttention forward only supports head dimension 256", ["attention", "attention_backend"]),
        ("Unsupported head_dim: 160", ["attention_backend"]),
        ("unsupported headdim 8", ["attention_backend"]),
        ("Unsupported CUDA architecture: sm70", ["attention_backend"]),
        ("only for compute capability 9.0", ["attention_backend", "quantization"]),
        ("needs to be greater than 16", ["quantization"]),
        ("needs to be a multiple of 8", ["quantization"]),
        ("size needs to be divisible by 4", ["quantization"]),
        ("to be divisible by 16 but", ["quantization"]),
        ("bad shape", []),
    ],
)
def test_what_is_refused_in_compiled_code_is_known_by_its_words(text, mechanisms):
    error = raised("torch._inductor.output_code", RuntimeError(text))
    for mechanism in ("attention", "attention_backend", "quantization"):
        assert (refusing_mechanism(error, {mechanism: "x"}) == mechanism) == (mechanism in mechanisms)


def test_a_library_that_fails_while_it_is_compiled_is_not_refused():
    inner = raised("torchao.float8", ValueError("bad"))
    error = caused(raised("torch._dynamo.convert_frame", RuntimeError("failed"), "_compile"), inner)
    assert refusing_mechanism(error, {"quantization": {}}) is None
    assert is_out_of_memory(error) is False
