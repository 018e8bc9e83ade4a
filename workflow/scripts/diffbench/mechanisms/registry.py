"""All mechanisms, in the order in which they are applied, and functions that use their declarations."""

from diffbench.libraries.versions import package_version

from .attention import ATTENTION
from .attention_backend import ATTENTION_BACKEND
from .caching import CACHING
from .compilation import COMPILE, COMPILE_TEXT_ENCODER, COMPILE_VAE
from .cuda_graph import CUDA_GRAPH
from .dtype import DTYPE
from .inference_mode import GRAD
from .memory_format import MEMORY_FORMAT
from .offload import OFFLOAD
from .quantization import QUANTIZATION
from .regional import REGIONAL
from .scheduler import SCHEDULER
from .sdpa_backend import SDPA_BACKEND
from .vae import VAE

IN_ORDER = (
    DTYPE,
    SCHEDULER,
    ATTENTION,
    ATTENTION_BACKEND,
    SDPA_BACKEND,
    MEMORY_FORMAT,
    QUANTIZATION,
    CACHING,
    VAE,
    OFFLOAD,
    REGIONAL,
    COMPILE,
    COMPILE_VAE,
    COMPILE_TEXT_ENCODER,
    CUDA_GRAPH,
    GRAD,  # the hook of its check would be compiled too
)
MECHANISMS = {mechanism.name: mechanism for mechanism in IN_ORDER}
# of a row's column `libraries`; accelerate has a column, and Diffusers uses peft by itself
LIBRARIES = tuple(
    sorted({"peft", *(library for mechanism in IN_ORDER for library in mechanism.libraries)} - {"accelerate"})
)


def compiles(recipe):
    """Whether a variant's recipe compiles anything."""
    return any(mechanism.compiles for name, mechanism in MECHANISMS.items() if name in recipe)


def conflicts_of(recipe):
    """The pairs of mechanisms of a recipe that would undo or hide each other."""
    named = [mechanism for name, mechanism in MECHANISMS.items() if name in recipe]
    return [(mechanism.name, other) for mechanism in named for other in mechanism.conflicts if other in recipe]


def libraries_of(recipe):
    """The sorted names of the packages that a variant's recipe needs in addition to torch, Diffusers and transformers."""
    used = {mechanism.library(recipe[name]) for name, mechanism in MECHANISMS.items() if name in recipe}
    return sorted(used - {None})


def installed_libraries():
    """`peft 0.17.1, torchao 0.18.0`: the installed packages of LIBRARIES; `none` if there are none."""
    found = {name: package_version(name) for name in LIBRARIES}
    return ", ".join(f"{name} {version}" for name, version in found.items() if version) or "none"


def setting_schemas():
    """{name: JSON schema} of the settings in config/variants.yaml. Null removes the setting of a base."""
    return {name: or_null(mechanism.schema) for name, mechanism in MECHANISMS.items()}


def or_null(schema):
    """The schema, extended to allow null."""
    nullable = dict(schema)
    if "enum" in schema:
        nullable["enum"] = [*schema["enum"], None]
    if "type" in schema:
        nullable["type"] = [schema["type"], "null"]
    if "oneOf" in schema:
        nullable["oneOf"] = [*schema["oneOf"], {"type": "null"}]
    return nullable
