"""A stage has the dtype that it names; TF32 is allowed for the variant that asks for it, and for no other."""

from types import SimpleNamespace

import pytest
import torch

from diffbench.mechanisms import dtype
from diffbench.mechanisms.dtype import arithmetic, choose_dtype, precision_evidence
from diffbench.vocabulary.errors import Unsupported

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


@pytest.fixture
def with_tf32(monkeypatch):
    """The device is one that has TF32."""
    monkeypatch.setattr(dtype, "has_tf32", lambda device: True)


@pytest.fixture
def switches():
    """Both switches of TF32 as a function that sets and one that reads them."""
    backends = torch.backends.cuda.matmul, torch.backends.cudnn
    before = [backend.allow_tf32 for backend in backends]

    def put(matmul, convolution):
        backends[0].allow_tf32, backends[1].allow_tf32 = matmul, convolution

    yield put, lambda: (backends[0].allow_tf32, backends[1].allow_tf32)
    put(*before)


@pytest.mark.usefixtures("with_tf32")
@pytest.mark.parametrize(("dtype", "allowed"), [("float32", False), ("tf32", True)])
@pytest.mark.parametrize("before", [(False, False), (True, True), (False, True)])
def test_float32_forbids_tf32_everywhere_and_tf32_allows_it_everywhere(switches, dtype, allowed, before):
    put, read = switches
    put(*before)
    assert choose_dtype({}, {"dtype": dtype}, CUDA) is torch.float32
    assert read() == (allowed, allowed)


@pytest.mark.parametrize("recipe", [{}, {"dtype": "half"}, {"dtype": "bfloat16"}])
@pytest.mark.parametrize("before", [(False, False), (False, True)])
def test_other_dtypes_leave_the_switches_as_torch_has_them(switches, recipe, before):
    put, read = switches
    put(*before)
    choose_dtype({}, recipe, CUDA)
    assert read() == before


@pytest.mark.parametrize(
    ("description", "recipe", "cpu", "gpu"),
    [
        ({}, {}, torch.float32, torch.float16),
        ({"dtype": "bfloat16"}, {}, torch.float32, torch.bfloat16),
        ({"dtype": "bfloat16"}, {"dtype": "float16"}, torch.float16, torch.float16),
    ],
)
def test_a_cpu_has_float32_unless_the_variant_names_another(description, recipe, cpu, gpu):
    assert choose_dtype(description, recipe, CPU) is cpu
    assert choose_dtype(description, recipe, CUDA) is gpu


@pytest.mark.parametrize(
    ("device", "hip", "capability", "has"),
    [
        (CUDA, None, (8, 0), True),
        (CUDA, None, (9, 0), True),
        (CUDA, None, (7, 5), False),
        (CUDA, "6.2", (9, 4), False),
        (CPU, None, (9, 0), False),
    ],
)
@pytest.mark.usefixtures("switches")
def test_a_device_without_tf32_refuses_it(monkeypatch, device, hip, capability, has):
    monkeypatch.setattr(torch.version, "hip", hip)
    monkeypatch.setattr(torch.cuda, "get_device_capability", {device: capability}.get)
    if has:
        assert choose_dtype({}, {"dtype": "tf32"}, device) is torch.float32
        with arithmetic("tf32", device) as dtype:
            assert dtype is torch.float32
    else:
        for use in (lambda: choose_dtype({}, {"dtype": "tf32"}, device), arithmetic("tf32", device).__enter__):
            with pytest.raises(Unsupported, match="no TF32"):
                use()


@pytest.mark.usefixtures("with_tf32")
@pytest.mark.parametrize(("name", "dtype", "allowed"), [("tf32", "float32", True), ("bfloat16", "bfloat16", False)])
@pytest.mark.parametrize("before", [True, False])
def test_a_ceiling_allows_tf32_only_while_it_is_measured(switches, name, dtype, allowed, before):
    put, read = switches
    put(before, before)
    with arithmetic(name, CUDA) as found:
        assert found is getattr(torch, dtype)
        assert read()[0] is allowed
    assert read() == (before, before)


def module_of(*dtypes, is_cuda=True):
    """A fake module on a GPU, with weights of these dtypes."""
    weights = [SimpleNamespace(dtype=getattr(torch, dtype), is_cuda=is_cuda) for dtype in dtypes]
    return SimpleNamespace(parameters=lambda: iter(weights))


@pytest.mark.parametrize(
    ("module", "tf32", "seen"),
    [
        (module_of("float32"), True, "dtype float32 with TF32"),
        (module_of("float32"), False, "dtype float32"),
        (module_of("float32", is_cuda=False), True, "dtype float32"),
        (module_of("float16", "float16"), True, "dtype float16"),
        (module_of("float32", "bfloat16"), False, "dtype bfloat16, float32"),
    ],
)
def test_evidence_names_the_dtypes_of_the_weights_and_tf32(switches, module, tf32, seen):
    put, _ = switches
    put(tf32, tf32)
    assert precision_evidence(module, {"dtype": "float32"}) == seen
    assert precision_evidence(module, {}) is None, "the variant names none"
