"""What a library of a mechanism refuses at the first call: its shapes, dtype or device are not for it."""

import contextlib
import re

from diffbench.vocabulary.errors import Unsupported, one_line

from .failure import chain, is_from_compiler, is_out_of_memory, modules_of

ATTENTION = ("flash_attn", "flash_attn_interface", "sageattention", "xformers", "aiter", "kernels")
LIBRARIES = {  # mechanism: the packages and modules whose code refuses
    "attention": ATTENTION,
    "attention_backend": (*ATTENTION, "diffusers.models.attention_dispatch"),
    "quantization": ("torchao", "bitsandbytes"),
}
TEXTS = {  # mechanism: what is refused in compiled code, where no frame of the library is left
    "attention": re.compile(r"No operator found for `memory_efficient_attention|FlashAttention .*only supports?", re.I),
    "attention_backend": re.compile(
        r"FlashAttention .*only supports?|Unsupported (?:head.?dim|CUDA architecture)|compute capability", re.I
    ),
    "quantization": re.compile(
        r"compute capability|needs to be (?:greater than|a multiple of|divisible by)|divisible by 16"
    ),
}
KINDS = (ValueError, NotImplementedError, RuntimeError, AssertionError, ImportError)
BROKEN_DEVICE = re.compile(r"CUDA (?:driver )?error|device-side assert")
NOT_BUILT = re.compile("no kernel image|invalid device function")  # the library has no code for this GPU


def is_within(module, packages):
    """Whether a module belongs to one of the packages."""
    return any(module == package or module.startswith(package + ".") for package in packages)


def refusing_mechanism(error, recipe):
    """The mechanism of the recipe whose library raised the error; None where no library did, or where it broke rather than
    refused: memory ran out, or the device failed."""
    text = str(error)
    broken = BROKEN_DEVICE.search(text) and not NOT_BUILT.search(text)
    if not isinstance(error, KINDS) or is_out_of_memory(error) or broken:
        return None
    causes = list(chain(error))
    compiling = any(map(is_from_compiler, causes))
    for mechanism in filter(recipe.__contains__, LIBRARIES):
        if any(TEXTS[mechanism].search(str(cause)) for cause in causes):
            return mechanism
        if not compiling and any(
            is_within(name, LIBRARIES[mechanism]) for cause in causes for name in modules_of(cause)
        ):
            return mechanism
    return None


@contextlib.contextmanager
def refusals(recipe):
    """Turns what a library of the recipe's mechanisms refuses into Unsupported. For the first call: whatever it refuses, it
    refuses there."""
    try:
        yield
    except KINDS as error:
        mechanism = refusing_mechanism(error, recipe)
        if mechanism is None:
            raise
        raise Unsupported(f"{mechanism} is refused here: {type(error).__name__}: {one_line(error, 200)}") from error
