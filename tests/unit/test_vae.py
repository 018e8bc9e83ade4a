"""Slices and tiles of the VAE, counted without decoding anything whole, on miniatures of image and video VAEs."""

from types import SimpleNamespace

import diffusers
import pytest
import torch

from diffbench.mechanisms.vae import save_vae_memory
from diffbench.vocabulary.errors import Invalid, Unsupported

IMAGE = {
    "block_out_channels": [4, 4],
    "down_block_types": ["DownEncoderBlock2D"] * 2,
    "up_block_types": ["UpDecoderBlock2D"] * 2,
    "latent_channels": 4,
    "norm_num_groups": 2,
    "sample_size": 16,
}
VIDEO = {
    "block_out_channels": [4, 4],
    "down_block_types": ["CogVideoXDownBlock3D"] * 2,
    "up_block_types": ["CogVideoXUpBlock3D"] * 2,
    "latent_channels": 4,
    "norm_num_groups": 2,
    "layers_per_block": 1,
    "temporal_compression_ratio": 2,
    "sample_height": 16,
    "sample_width": 16,
}
SHAPES = {"AutoencoderKL": (3, 4, 24, 16), "AutoencoderKLCogVideoX": (3, 4, 3, 24, 16)}


def vae_of(name):
    if not hasattr(diffusers, name):
        pytest.skip(f"this release has no {name}")
    torch.manual_seed(0)
    return getattr(diffusers, name)(**(IMAGE if name == "AutoencoderKL" else VIDEO)).eval()


def checked(vae, setting, latents, batch_size=3, decode=None):
    """The evidence for the setting on a pipeline that decodes these latents, and the shapes that its decoder was given."""
    checks, given = [], []
    variant = SimpleNamespace(
        pipeline=SimpleNamespace(vae=vae),
        batch_size=batch_size,
        check=lambda mechanism, run: checks.append((mechanism, run)),
    )
    save_vae_memory(variant, setting)
    vae.decoder.register_forward_pre_hook(lambda module, arguments: given.append(tuple(arguments[0].shape)))
    ((mechanism, run),) = checks
    assert mechanism == "vae"
    with torch.no_grad():
        return run(decode or (lambda: vae.decode(latents))), given


@pytest.mark.parametrize("name", SHAPES)
def test_slices_are_counted_and_no_batch_is_decoded_whole(name):
    evidence, given = checked(vae_of(name), "slicing", torch.randn(SHAPES[name]))
    assert evidence == f"VAE slicing: its decoder called {len(given)} times, 1 of 3 images at once"
    assert {shape[0] for shape in given} == {1}


@pytest.mark.parametrize("name", SHAPES)
def test_tiles_are_counted_and_no_image_is_decoded_whole(name):
    evidence, given = checked(vae_of(name), "tiling", torch.randn(SHAPES[name]))
    height, width = (max(shape[axis] for shape in given) for axis in (-2, -1))
    assert evidence == f"VAE tiling: its decoder called {len(given)} times, tiles of {height}x{width} of 24x16 latents"
    assert len(given) > 1 and height < 24


def test_an_image_that_is_smaller_than_a_tile_is_not_tiled():
    with pytest.raises(Invalid, match="VAE tiling had no effect: its decoder is given tiles of 4x4 of 4x4 latents"):
        checked(vae_of("AutoencoderKL"), "tiling", torch.randn(2, 4, 4, 4))


def test_slicing_that_is_switched_off_again_or_has_one_image_at_a_time_is_no_effect():
    vae = vae_of("AutoencoderKL")

    def whole():
        vae.use_slicing = False
        vae.decode(torch.randn(3, 4, 4, 4))

    with pytest.raises(Invalid, match="its decoder is given 3 of 3 images at once"):
        checked(vae, "slicing", None, decode=whole)
    with pytest.raises(Invalid, match="its decoder is given 1 of 1 images at once"):
        checked(vae, "slicing", torch.randn(1, 4, 4, 4))
    with pytest.raises(Invalid, match="the VAE decoded nothing"):
        checked(vae, "slicing", None, decode=lambda: None)


def test_the_vae_is_as_it_was_after_the_check():
    vae = vae_of("AutoencoderKL")
    before = dict(vars(vae))
    checked(vae, "slicing", torch.randn(3, 4, 4, 4))
    assert set(vars(vae)) == set(before) | {"use_slicing"} and "decode" not in vars(vae)


def test_a_vae_without_a_decoder_is_n_a():
    with pytest.raises(Unsupported, match="has no VAE with a decoder"):
        checked(torch.nn.Linear(2, 2), "slicing", None)
