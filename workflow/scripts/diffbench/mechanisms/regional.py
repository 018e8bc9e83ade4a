"""Compiling the repeated blocks of a model, each kind once (regional compilation)."""

from diffbench.libraries.failure import refusing
from diffbench.vocabulary.errors import SetupError, Unsupported

from .compilation import COMPILE_OPTIONS, note_compiled
from .compiled_blocks import REGION, check_blocks
from .mechanism import Mechanism, one_of, options_of
from .python_lines import arguments, literal
from .torch_modules import name_of


def compile_blocks(variant, setting):
    """Compile the modules' repeated blocks, each kind once, and leave the rest unchanged: with Diffusers' own method, or, with
    `by: accelerate`, with accelerate's.

    Raises Unsupported if this release has no such method, or does not find repeated blocks in a module.
    """
    options = {key: value for key, value in setting.items() if key != "by"}
    by = setting.get("by", "diffusers")
    if by not in BLOCKS:
        raise SetupError(f"config/variants.yaml: regional.by: found {by!r}, expected one of {', '.join(BLOCKS)}")
    for name, module in variant.modules().items():
        kinds = BLOCKS[by](variant, name, module, options)
        note_compiled(variant, name, getattr(variant.pipeline, name), options)
        check_blocks(variant, name, kinds)
    return f"regional by {by}"


def compile_by_diffusers(variant, name, module, options):
    """Diffusers' compile_repeated_blocks; the catalogue's `blocks` replace those of the class if the model has none of these.

    Returns the classes of the blocks that repeat in the model, according to either.
    """
    import diffusers

    compile_repeated_blocks = getattr(module, "compile_repeated_blocks", None)
    if compile_repeated_blocks is None:
        raise Unsupported(f"Diffusers {diffusers.__version__} has no compile_repeated_blocks for {name_of(module)}")
    present = {name_of(layer) for layer in module.modules()}
    if not present.intersection(getattr(module, "_repeated_blocks", None) or ()):
        module._repeated_blocks = [kind for kind in variant.description.get("blocks", []) if kind in present]
    with refusing(
        f"Diffusers {diffusers.__version__} finds no blocks to compile in this {name_of(module)}", ValueError
    ):
        compile_repeated_blocks(**options)
    return present.intersection([*module._repeated_blocks, *variant.description.get("blocks", [])])


def compile_by_accelerate(variant, name, module, options):
    """accelerate's compile_regions: blocks that are in lists, and every layer outside of them. Returns the class of both."""
    try:
        from accelerate.utils import compile_regions
    except ImportError:
        raise Unsupported("this release of accelerate has no compile_regions") from None
    # it may raise any error for a model that it does not support
    with refusing(f"accelerate's compile_regions fails on {name_of(module)}", Exception):
        setattr(variant.pipeline, name, compile_regions(module, **options))
    return {REGION}


BLOCKS = {"diffusers": compile_by_diffusers, "accelerate": compile_by_accelerate}


def write_lines(code, setting):
    options = {key: value for key, value in setting.items() if key != "by"}
    for module in code.modules():
        if setting.get("by") == "accelerate":
            code.add(f"{module} = {code.use('accelerate.utils.compile_regions')}({arguments(module, **options)})")
            continue
        if code.stage.get("blocks"):
            blocks = ", ".join(map(literal, code.stage["blocks"]))
            code.add(
                f"if not {{type(layer).__name__ for layer in {module}.modules()}} & set({module}._repeated_blocks or []):",
                f"    {module}._repeated_blocks = [{blocks}]",
            )
        code.add(f"{module}.compile_repeated_blocks({arguments(**options)})")


def library_of(setting):
    """accelerate, if the setting uses it."""
    return "accelerate" if setting.get("by") == "accelerate" else None


REGIONAL = Mechanism(
    name="regional",
    schema=options_of({"by": one_of(*BLOCKS), **COMPILE_OPTIONS}, "arguments of torch.compile, and by"),
    apply=compile_blocks,
    write_lines=write_lines,
    meaning=(
        "Arguments of `torch.compile` for the blocks that a module repeats, each kind compiled once; `by: "
        "diffusers` (the default, `compile_repeated_blocks`) or `by: accelerate` (`compile_regions`)."
    ),
    evidence=(
        "As `compile`. Also after the measured calls, in torch's profile of one denoiser call: `16 of 16 "
        "BasicTransformerBlock of unet compiled`. A block counts if it is called, is compiled, and compiled code "
        "runs in it: beyond dynamo's limit of recompilations a block silently runs without compiled code. If no "
        "block counts, the row is `invalid`. "
        "Before torch 2.2 a profile does not show compiled code, and a block counts if it is compiled "
        "and called."
    ),
    conflicts=("sdpa_backend",),
    library=library_of,
    libraries=("accelerate",),
    compiles=True,
)
