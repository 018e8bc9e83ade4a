"""Compiling the denoiser, the VAE's decoder and the text encoders with torch.compile."""

from diffbench.vocabulary.errors import Unsupported

from .graph_replays import promises_graphs
from .mechanism import Mechanism, options_of
from .python_lines import arguments, literal
from .torch_modules import name_of

TEXT_ENCODERS = ("text_encoder", "text_encoder_2", "text_encoder_3")
FLAG = {"type": "boolean", "expected": "true or false"}
COMPILE_OPTIONS = {  # arguments of torch.compile
    "mode": {
        "enum": ["default", "reduce-overhead", "max-autotune", "max-autotune-no-cudagraphs"],
        "expected": "a mode of torch.compile",
    },
    "fullgraph": FLAG,
    "dynamic": FLAG,
    "backend": {"type": "string", "minLength": 1, "expected": "the name of a backend"},
    "options": {"type": "object"},
}
COMPILE_SCHEMA = options_of({**COMPILE_OPTIONS, "disable": FLAG}, "arguments of torch.compile")


def note_compiled(variant, name, module, setting):
    """Record a module that a mechanism has compiled, and whether its setting promises CUDA graphs."""
    variant.compiled[name] = module
    if variant.device.type == "cuda" and promises_graphs(setting):
        variant.graphed.append(name)


def compile_denoiser(variant, setting):
    """Replace the stage's modules by their compiled forms, as the published code does; `setting` is torch.compile's."""
    import torch

    check_backend(setting, variant.device)
    for name, module in variant.modules().items():
        setattr(variant.pipeline, name, torch.compile(module, **setting))
        note_compiled(variant, name, getattr(variant.pipeline, name), setting)


def check_backend(setting, device):
    """Raises Unsupported for a backend that torch has only on NVIDIA GPUs."""
    if setting.get("backend") == "cudagraphs" and device.type != "cuda":
        raise Unsupported("torch's backend cudagraphs captures CUDA graphs: this device has none")


def compile_vae(variant, setting):
    """Compile the VAE's decoder."""
    import torch

    decoder = getattr(getattr(variant.pipeline, "vae", None), "decoder", None)
    if decoder is None:
        raise Unsupported(f"{name_of(variant.pipeline)} has no VAE with a decoder")
    variant.pipeline.vae.decoder = torch.compile(decoder, **setting)
    note_compiled(variant, "vae.decoder", variant.pipeline.vae.decoder, setting)


def compile_text_encoders(variant, setting):
    """Compile every text encoder that the pipeline has."""
    import torch

    names = [name for name in TEXT_ENCODERS if hasattr(variant.pipeline, name)]
    encoders = {name: getattr(variant.pipeline, name) for name in names if getattr(variant.pipeline, name) is not None}
    if not encoders:
        raise Unsupported(f"{name_of(variant.pipeline)} gets embeddings here: it has no text encoder to compile")
    for name, encoder in encoders.items():
        setattr(variant.pipeline, name, torch.compile(encoder, **setting))
        note_compiled(variant, name, getattr(variant.pipeline, name), setting)


def write_denoiser(code, setting):
    code.add(*(f"{module} = torch.compile({arguments(module, **setting)})" for module in code.modules()))


def write_vae(code, setting):
    code.add(f"pipe.vae.decoder = torch.compile({arguments('pipe.vae.decoder', **setting)})")


def write_text_encoders(code, setting):
    code.add(
        f"for name in ({', '.join(map(literal, TEXT_ENCODERS))}):",
        "    if getattr(pipe, name, None) is not None:",
        f"        setattr(pipe, name, torch.compile({arguments('getattr(pipe, name)', **setting)}))",
    )


GRAPHS = (
    "During the first call: dynamo's count of the graphs that it compiles for each module. A module that compiled"
    " none or was never called is `invalid` before anything is measured. After the measured calls: a graph that "
    "was compiled after the warm-up is `invalid`."
)
CUDA_GRAPHS = (
    "If the mode promises CUDA graphs on a GPU (`reduce-overhead`, `max-autotune`, `triton.cudagraphs`, "
    "backend `cudagraphs`), also after the measured calls: how many CUDA graphs one call of the compiled module "
    "replays, and how many of the compiled graphs Inductor left without one, by its own counter and log: `CUDA "
    "graphs: 3 of 5 graphs (3 replayed in a call of unet), skipped: …`. If none is replayed, the row is `invalid`, "
    "with torch's reason: the variant would be `compile-default` under another name. Torch 2.2 and older do not count the "
    "graphs that they leave out."
)
COMPILE = Mechanism(
    name="compile",
    schema=COMPILE_SCHEMA,
    apply=compile_denoiser,
    write_lines=write_denoiser,
    meaning=(
        "Arguments of `torch.compile` for each module: `mode`, `fullgraph`, `dynamic`, `backend`, `options`, `disable`."
    ),
    evidence=f"{GRAPHS} {CUDA_GRAPHS}",
    conflicts=("regional", "sdpa_backend"),
    compiles=True,
)
COMPILE_VAE = Mechanism(
    name="compile_vae",
    schema=COMPILE_SCHEMA,
    apply=compile_vae,
    write_lines=write_vae,
    meaning="Arguments of `torch.compile` for the VAE's decoder.",
    evidence="As `compile`.",
    compiles=True,
)
COMPILE_TEXT_ENCODER = Mechanism(
    name="compile_text_encoder",
    schema=COMPILE_SCHEMA,
    apply=compile_text_encoders,
    write_lines=write_text_encoders,
    meaning="Arguments of `torch.compile` for every text encoder.",
    evidence="As `compile`.",
    compiles=True,
)
