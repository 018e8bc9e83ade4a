"""The dtype that a stage is loaded in, and TF32."""

import contextlib

import torch

from diffbench.catalogue.definition import TF32, dtype_of
from diffbench.vocabulary.errors import Unsupported

NO_TF32 = "this device has no TF32: NVIDIA GPUs have it from compute capability 8.0 on"


def choose_dtype(description, recipe, device):
    """The dtype of a stage's weights: the variant's, else the one of its catalogue entry (float16 where it names none); on a CPU
    float32, unless the variant names one. Allows or forbids TF32 where the variant names float32 or TF32.

    Raises Unsupported for TF32 on a device without it.
    """
    asked = recipe.get("dtype")
    if asked == TF32 and not has_tf32(device):
        raise Unsupported(NO_TF32)
    if asked in (TF32, "float32") and device.type == "cuda":
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = asked == TF32
    name = dtype_of(description, recipe, device.type == "cpu")
    return torch.float32 if name == TF32 else getattr(torch, name)


@contextlib.contextmanager
def arithmetic(name, device):
    """The dtype that a name of the column `dtype` stands for; within the context TF32 is allowed for `tf32` alone.

    Raises Unsupported for TF32 on a device without it.
    """
    if name == TF32 and not has_tf32(device):
        raise Unsupported(NO_TF32)
    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = name == TF32
    try:
        yield torch.float32 if name == TF32 else getattr(torch, name)
    finally:
        torch.backends.cuda.matmul.allow_tf32 = before


def has_tf32(device):
    return device.type == "cuda" and not torch.version.hip and torch.cuda.get_device_capability(device) >= (8, 0)


def precision_evidence(module, recipe):
    """The dtypes of the module's weights, if the variant names one."""
    if "dtype" not in recipe:
        return None
    found = sorted({str(weight.dtype).replace("torch.", "") for weight in module.parameters()})
    allowed = next(module.parameters()).is_cuda and torch.backends.cuda.matmul.allow_tf32
    return f"dtype {', '.join(found)}" + (" with TF32" if allowed and "float32" in found else "")
