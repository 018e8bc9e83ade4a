"""TF32 is allowed for the variant that asks for it, and for no other: matrix products and convolutions alike."""

import pytest
import torch

from measurement import precision
from measurement.precision import choose_dtype

CUDA = torch.device("cuda")


@pytest.fixture
def switches(monkeypatch):
    """Both switches of TF32 as a function that sets and one that reads them; the device is one that has TF32."""
    monkeypatch.setattr(precision, "has_tf32", lambda device: True)
    backends = torch.backends.cuda.matmul, torch.backends.cudnn
    before = [backend.allow_tf32 for backend in backends]

    def put(matmul, convolution):
        backends[0].allow_tf32, backends[1].allow_tf32 = matmul, convolution

    yield put, lambda: (backends[0].allow_tf32, backends[1].allow_tf32)
    put(*before)


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
