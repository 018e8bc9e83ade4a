"""The dtype that a stage is loaded in, and TF32."""

import contextlib

from diffbench.vocabulary.errors import Unsupported

from .mechanism import Mechanism, one_of

FLOAT32 = "float32"
TF32 = "tf32"  # float32 weights that are multiplied in TF32
HALF = "half"  # each pipeline's own dtype, also on a CPU

NO_TF32 = "this device has no TF32: NVIDIA GPUs have it from compute capability 8.0 on"


def own_dtype(stage):
    """The dtype that a stage is measured in on a GPU, by its name."""
    return stage.get("dtype", "float16")


def dtype_of(stage, recipe, is_cpu):
    """The name of the dtype that a stage is measured in under a variant's recipe, which may be `tf32`: the variant's, otherwise
    the stage's own on a GPU and float32 on a CPU."""
    own, setting = own_dtype(stage), recipe.get("dtype")
    return {None: FLOAT32 if is_cpu else own, HALF: own}.get(setting, setting)


def choose_dtype(description, recipe, device):
    """The dtype of a stage's weights: the variant's if it names one; otherwise that of the catalogue entry (float16 by default),
    or float32 on a CPU. Allows or forbids TF32 if the variant names float32 or TF32.

    Raises Unsupported for TF32 on a device without it.
    """
    import torch

    setting = recipe.get("dtype")
    if setting == TF32 and not has_tf32(device):
        raise Unsupported(NO_TF32)
    if setting in (TF32, FLOAT32) and device.type == "cuda":
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = setting == TF32
    name = dtype_of(description, recipe, device.type == "cpu")
    return torch.float32 if name == TF32 else getattr(torch, name)


@contextlib.contextmanager
def arithmetic(name, device):
    """The dtype for a name of the column `dtype`; within the context TF32 is allowed only for `tf32`.

    Raises Unsupported for TF32 on a device without it.
    """
    import torch

    if name == TF32 and not has_tf32(device):
        raise Unsupported(NO_TF32)
    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = name == TF32
    try:
        yield torch.float32 if name == TF32 else getattr(torch, name)
    finally:
        torch.backends.cuda.matmul.allow_tf32 = before


def has_tf32(device):
    """Whether the device multiplies float32 in TF32."""
    import torch

    return device.type == "cuda" and not torch.version.hip and torch.cuda.get_device_capability(device) >= (8, 0)


def precision_evidence(module, recipe):
    """The dtypes of the module's weights, if the variant names one."""
    import torch

    if "dtype" not in recipe:
        return None
    found = sorted({str(weight.dtype).replace("torch.", "") for weight in module.parameters()})
    allowed = next(module.parameters()).is_cuda and torch.backends.cuda.matmul.allow_tf32
    return f"dtype {', '.join(found)}" + (" with TF32" if allowed and "float32" in found else "")


def look_at_weights(variant, setting):
    """The evidence of the dtype: the stage has been loaded in it."""
    return precision_evidence(variant.denoiser(), variant.recipe)


def write_lines(code, setting):
    if code.device == "cuda" and setting in (TF32, FLOAT32):
        code.add(f"torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = {setting == TF32}")


DTYPE = Mechanism(
    name="dtype",
    schema=one_of(FLOAT32, TF32, "float16", "bfloat16", HALF),
    apply=look_at_weights,
    write_lines=write_lines,
    meaning=(
        "`float32`, `tf32` (float32 with TF32 in matrix products and convolutions), `float16`, `bfloat16`, or "
        "`half`: the pipeline's own, also on a CPU."
    ),
    evidence="Before the first call: the dtypes of the denoiser's weights, `with TF32` if it is allowed.",
    before_loading=True,
)
