"""The dtype that a stage is loaded in, and TF32."""

import torch

from .definition import HALF, own_dtype
from .errors import Unsupported

TF32 = "tf32"


def choose_dtype(description, recipe, device):
    """The dtype of a stage's weights: the variant's, else the one of its catalogue entry (float16 where it names none); on a CPU
    float32, unless the variant names one. Allows or forbids TF32 where the variant names float32 or TF32.

    Raises Unsupported for TF32 on a device without it.
    """
    asked = recipe.get("dtype")
    if asked == TF32 and not has_tf32(device):
        raise Unsupported("this device has no TF32: NVIDIA GPUs have it from compute capability 8.0 on")
    if asked in (TF32, "float32") and device.type == "cuda":
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = asked == TF32
    own = own_dtype(description)
    named = {None: "float32" if device.type == "cpu" else own, TF32: "float32", HALF: own}
    return getattr(torch, named.get(asked, asked))


def has_tf32(device):
    return device.type == "cuda" and not torch.version.hip and torch.cuda.get_device_capability(device) >= (8, 0)


def precision_evidence(module, recipe):
    """The dtypes of the module's weights, if the variant names one."""
    if "dtype" not in recipe:
        return None
    found = sorted({str(weight.dtype).replace("torch.", "") for weight in module.parameters()})
    allowed = next(module.parameters()).is_cuda and torch.backends.cuda.matmul.allow_tf32
    return f"dtype {', '.join(found)}" + (" with TF32" if allowed and "float32" in found else "")
