"""The libraries that mechanisms use besides torch, Diffusers and transformers, and their installed versions."""

import importlib.util
import re
from contextlib import suppress
from importlib import metadata
from pathlib import Path

STATED = ("torch", "diffusers", "transformers", "accelerate")  # what the measuring process states as imported
STATEMENT = re.compile(r"^__version__ *= *['\"]([^'\"]+)", re.MULTILINE)
LIBRARIES = ("bitsandbytes", "flash-attn", "flash-attn-3", "kernels", "peft", "sageattention", "torchao", "xformers")
BACKENDS = (  # what the name of an attention backend of Diffusers has in it, and the library behind it; the first that fits
    ("_hub", "kernels"),
    ("_flash_3", "flash-attn-3"),
    ("_flash_varlen_3", "flash-attn-3"),
    ("native", None),
    ("flash", "flash-attn"),
    ("sage", "sageattention"),
    ("xformers", "xformers"),
)


def source_version(name):
    """The version that a module's source states, found without importing it; None where it states none."""
    with suppress(ValueError, OSError):  # UnicodeDecodeError is a ValueError
        found = importlib.util.find_spec(name)
        folder = Path(found.origin).parent if found and found.origin else None
        for file in [folder / "version.py", folder / "__init__.py"] if folder else []:
            stated = STATEMENT.search(file.read_text(encoding="utf-8")) if file.is_file() else None
            if stated:
                return stated.group(1)
    return None


def package_version(name):
    """The version of a package, or None. Of STATED it is the version of the source that would be imported: in a folder of
    PYTHONPATH, or one that pip has installed as editable, it may be another than the one that pip has noted."""
    stated = source_version(name) if name in STATED else None
    if stated:
        return stated
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def installed_libraries():
    """`peft 0.17.1, torchao 0.18.0`: what is installed of LIBRARIES; `none` if nothing is."""
    found = {name: package_version(name) for name in LIBRARIES}
    return ", ".join(f"{name} {version}" for name, version in found.items() if version) or "none"


def libraries_of(recipe):
    """The names of the libraries that a variant's recipe uses, sorted; `accelerate` is one where it does the mechanism's work."""
    used = {recipe.get("quantization", {}).get("library")}
    if recipe.get("attention") == "xformers":
        used.add("xformers")
    backend = recipe.get("attention_backend")
    if backend:
        used.add(next((library for part, library in BACKENDS if part in backend), None))
    if "offload" in recipe or recipe.get("regional", {}).get("by") == "accelerate":
        used.add("accelerate")
    return sorted(used - {None})
