"""Saving the VAE's memory: decoding image by image or tile by tile, and the check that it does."""

import contextlib
import functools

from diffbench.vocabulary.errors import Invalid, Unsupported

from .mechanism import Mechanism, one_of
from .torch_modules import name_of, removing


def save_vae_memory(variant, setting):
    """Make the VAE decode image by image (`slicing`) or tile by tile (`tiling`)."""
    import diffusers

    vae = getattr(variant.pipeline, "vae", None)
    if getattr(vae, "decoder", None) is None:
        raise Unsupported(f"{name_of(variant.pipeline)} has no VAE with a decoder")
    if setting == "slicing" and variant.batch_size == 1:
        raise Unsupported("a batch of 1 image has nothing to slice")
    enable = getattr(vae, f"enable_{setting}", None)
    if enable is None:
        raise Unsupported(f"Diffusers {diffusers.__version__} has no enable_{setting} for {name_of(vae)}")
    enable()
    variant.check("vae", lambda call: compare_shapes(setting, *decoded_shapes(vae, call)))


def first_shape(arguments, keys):
    """The shape of the first tensor among a call's arguments."""
    import torch

    return next(tuple(value.shape) for value in [*arguments, *keys.values()] if torch.is_tensor(value))


@contextlib.contextmanager
def noting_arguments(module, name, note):
    """Within this context, each call of the module's method of this name also calls `note` with its arguments."""
    plain, own = getattr(module, name), vars(module).get(name)

    @functools.wraps(plain)
    def noted(*arguments, **keys):
        note(arguments, keys)
        return plain(*arguments, **keys)

    vars(module)[name] = noted
    try:
        yield
    finally:
        del vars(module)[name]
        if own is not None:
            vars(module)[name] = own


def decoded_shapes(vae, call):
    """The shapes of the latents that the VAE gets in a call of the pipeline, and of those that it passes to its decoder."""
    whole, parts = [], []

    def note_part(module, arguments, keys):
        parts.append(first_shape(arguments, keys))

    handle = vae.decoder.register_forward_pre_hook(note_part, with_kwargs=True)
    with removing([handle]), noting_arguments(vae, "decode", lambda *given: whole.append(first_shape(*given))):
        call()
    return whole, parts


# of batch x channels (x frames) x height x width. Many VAEs decode frames in chunks with any setting
DIMENSIONS = {"slicing": slice(0, 1), "tiling": slice(-2, None)}


def compare_shapes(setting, whole, parts):
    """The evidence of slices or tiles: the decoder gets fewer images, or smaller ones, than the VAE. No call without slices or
    tiles is needed.

    Raises Invalid if the decoder gets everything at once.
    """
    if not whole or not parts:
        raise Invalid(f"VAE {setting} had no effect: the VAE decoded nothing")
    wide, narrow = (
        tuple(map(max, zip(*(shape[DIMENSIONS[setting]] for shape in shapes)))) for shapes in (whole, parts)
    )
    most, of_all = ("x".join(map(str, size)) for size in (narrow, wide))
    shown = f"{most} of {of_all} images at once" if setting == "slicing" else f"tiles of {most} of {of_all} latents"
    if not any(part < all_of_it for part, all_of_it in zip(narrow, wide)):
        raise Invalid(f"VAE {setting} had no effect: its decoder is given {shown}")
    return f"VAE {setting}: its decoder called {len(parts)} times, {shown}"


def write_lines(code, setting):
    code.add(f"pipe.vae.enable_{setting}()")


VAE = Mechanism(
    name="vae",
    schema=one_of("slicing", "tiling"),
    apply=save_vae_memory,
    write_lines=write_lines,
    meaning="How the VAE decodes: image by image (`slicing`) or tile by tile (`tiling`).",
    evidence=(
        "After the measured calls, in one more call of the pipeline: the shapes that the VAE passes to its "
        "decoder, compared with those that it gets. If there are neither fewer images (slices) nor a smaller height "
        "or width (tiles), the row is `invalid`. No call without slices or tiles is needed."
    ),
)
