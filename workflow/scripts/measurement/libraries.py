"""The libraries that mechanisms use besides torch, Diffusers and transformers, and their installed versions."""

from importlib import metadata

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


def package_version(name):
    """The installed version of a package, or None."""
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
