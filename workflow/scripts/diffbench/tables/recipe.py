"""The few lines of Python that a user pastes to get a variant of a pipeline, written from the catalogues."""

from collections.abc import Mapping
from typing import Any

from diffbench.catalogue.definition import resolve
from diffbench.catalogue.sources import ROOT
from diffbench.data.types import AnyPath
from diffbench.libraries.releases import dtype_argument
from diffbench.mechanisms.dtype import FLOAT32, TF32
from diffbench.mechanisms.python_lines import Code, literal
from diffbench.mechanisms.registry import MECHANISMS
from diffbench.vocabulary.sizes import dimensions, split_name

PROMPT = "a fantasy landscape with castles"  # for pipelines measured with embeddings instead of a text


def of_dtype(code: Code, source: Mapping[str, Any], dtype: str) -> str:
    """The dtype argument for loading, named as in this release of its library."""
    library = source["class"].partition(".")[0] if "." in source["class"] else "diffusers"
    return f"{dtype_argument(library, code.versions[library])}=torch.{dtype}"


def load(code: Code, dtype: str, offloaded: bool) -> None:
    """The pipeline from the hub, on the device unless it is offloaded."""
    parts = code.stage.get("components", {})
    for name, part in parts.items():
        source = f"{literal(part['hub_id'])}, {of_dtype(code, part, dtype)}"
        code.add(f"{name} = {code.use(part['class'])}.from_pretrained({source})")
    given = [literal(code.stage["hub_id"]), of_dtype(code, code.stage, dtype), *(f"{name}={name}" for name in parts)]
    code.add(f"pipe = {code.use(code.stage['class'])}.from_pretrained({', '.join(given)})")
    if not offloaded:
        code.add(f"pipe.to({literal(code.device)})")


def made(code: Code, name: str, value: Mapping[str, Any], batch_size: int, dtype: str) -> str:
    """An argument that is made from a seed, as Python: an image is a file of the user; `...` is any other input of theirs."""
    kind = value["make"]
    if kind in ("image", "mask"):
        return f"{code.use('diffusers.utils.load_image')}({literal(f'{name}.png')})"
    if kind == "normal":
        shape = [batch_size if length == "batch" else length for length in value["shape"]]
        return f"torch.randn({shape}, dtype=torch.{dtype}, device={literal(code.device)})"
    if kind == "repeat" and not isinstance(value["value"], dict):
        return literal([value["value"]] * batch_size)
    return "..."


def call(code: Code, batch_size: int, dtype: str) -> None:
    """The call with its arguments; the prompt replaces its embeddings and their masks."""
    given: dict[str, str] = {}
    batch_argument = code.stage.get("batch_argument", "num_images_per_prompt")
    for name, value in code.stage["call"].items():
        is_made = isinstance(value, dict) and "make" in value
        if is_made and "prompt" in name and value["make"] in ("normal", "ones"):
            given.setdefault("prompt", literal(PROMPT if batch_argument else [PROMPT] * batch_size))
        else:
            given[name] = made(code, name, value, batch_size, dtype) if is_made else literal(value)
    if batch_size > 1 and batch_argument:
        given[batch_argument] = literal(batch_size)
    given["num_inference_steps"] = literal(code.stage["steps"])
    given["generator"] = f"torch.Generator({literal(code.device)}).manual_seed(0)"
    lines = ["images = pipe(", *(f"    {name}={value}," for name, value in given.items()), ")[0]"]
    for context in code.contexts:
        lines = [f"with {context}:", *(f"    {line}" for line in lines)]
    code.add(*lines)


def write_mechanisms(code: Code, recipe: Mapping[str, Any], before_loading: bool) -> None:
    """The lines of the recipe's mechanisms: those before the pipeline is loaded, or all others."""
    for name, mechanism in MECHANISMS.items():
        if name in recipe and mechanism.before_loading == before_loading:
            mechanism.write_lines(code, recipe[name])


def write_recipe(
    pipeline: str,
    batch_size: int,
    variant: str,
    dtype: str = "float16",
    device: str = "cuda",
    root: AnyPath = ROOT,
    diffusers_version: str | None = None,
    transformers_version: str | None = None,
    torch_version: str | None = None,
) -> str:
    """The lines for a variant of a pipeline, named at its size (sizes.py), with the pretrained weights of the hub, for
    these releases (None: the newest). Raises DiffbenchError for anything that is not in the catalogues."""
    pipeline, size = split_name(pipeline)
    versions = {"torch": torch_version, "diffusers": diffusers_version, "transformers": transformers_version}
    definition = resolve(pipeline, batch_size, variant, "pretrained", "full", root=root, size=size)
    recipe, code = definition["variant"], Code(device, versions)
    dtype = FLOAT32 if dtype == TF32 else dtype
    for stage in definition["stages"]:
        code.stage, code.contexts = stage, []
        stage["call"].update(dimensions(size))
        code.add("", *([f"# stage {stage['number']}"] * (len(definition["stages"]) > 1)))
        write_mechanisms(code, recipe, before_loading=True)
        load(code, dtype, "offload" in recipe)
        write_mechanisms(code, recipe, before_loading=False)
        call(code, batch_size, dtype)
    return code.text()
