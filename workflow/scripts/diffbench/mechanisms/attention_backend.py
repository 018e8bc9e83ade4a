"""The library that Diffusers dispatches attention to."""

import re

from diffbench.libraries.failure import refusing
from diffbench.vocabulary.errors import Unsupported

from .attention import ATTENTION_LIBRARIES, processors_of
from .mechanism import Mechanism, Refusal
from .python_lines import literal
from .torch_modules import name_of

BACKENDS = (  # a part of a backend's name, and the package behind it; the first one that fits
    ("_hub", "kernels"),
    ("_flash_3", "flash-attn-3"),
    ("_flash_varlen_3", "flash-attn-3"),
    ("native", None),
    ("flash", "flash-attn"),
    ("sage", "sageattention"),
    ("xformers", "xformers"),
)


def library_of(setting):
    """The package of a backend, or None."""
    return next((library for part, library in BACKENDS if part in setting), None)


def set_attention_backend(variant, setting):
    """Set the backend that Diffusers dispatches the modules' attention to. The evidence is the number of layers that use it."""
    import diffusers

    count = 0
    for module in variant.modules().values():
        kind = name_of(module)
        if not hasattr(module, "set_attention_backend"):
            raise Unsupported(f"Diffusers {diffusers.__version__} has no set_attention_backend for {kind}")
        with refusing(f"attention backend {setting}", ValueError, ImportError, RuntimeError):
            module.set_attention_backend(setting)
        changed = [
            layer
            for layer in module.modules()
            if getattr(getattr(layer, "processor", None), "_attention_backend", None) == setting
        ]
        if not changed:
            raise Unsupported(
                f"the attention processors of {kind} accept no backend: {', '.join(processors_of(module))}"
            )
        count += len(changed)
    return f"attention backend {setting} in {count} layers"


def write_lines(code, setting):
    code.add(*(f"{module}.set_attention_backend({literal(setting)})" for module in code.modules()))


ATTENTION_BACKEND = Mechanism(
    name="attention_backend",
    schema={"type": "string", "pattern": "^[a-z0-9_]+$", "expected": "the name of an attention backend of Diffusers"},
    apply=set_attention_backend,
    write_lines=write_lines,
    meaning=(
        "A backend that Diffusers dispatches attention to: `flash` (flash-attention 2), `_flash_3`, `sage` and others."
    ),
    evidence="Before the first call: how many layers took the backend.",
    library=library_of,
    libraries=tuple(sorted({library for _, library in BACKENDS if library})),
    refusal=Refusal(
        (*ATTENTION_LIBRARIES, "diffusers.models.attention_dispatch"),
        re.compile(
            r"FlashAttention .*only supports?|Unsupported (?:head.?dim|CUDA architecture)|compute capability", re.I
        ),
    ),
)
