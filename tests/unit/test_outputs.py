"""What a call made, whatever kind it is: images, videos, tensors."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from diffbench.measurement.outputs import OutputRecorder, check_output, picture_of, save_output
from diffbench.vocabulary.errors import Invalid

GRADIENT = np.linspace(0, 1, 4 * 6 * 3).reshape(4, 6, 3)
IMAGE = Image.fromarray((GRADIENT * 255).astype(np.uint8))
VIDEO = np.stack([GRADIENT, 1 - GRADIENT])


@pytest.mark.parametrize("image", [IMAGE, [IMAGE, IMAGE], VIDEO, GRADIENT], ids=["image", "frames", "video", "array"])
def test_the_picture_of_an_image_or_video_is_its_first_frame(image):
    picture = picture_of(image)
    assert picture.size == (6, 4)
    assert np.abs(np.asarray(picture) / 255 - GRADIENT).max() < 0.01


def test_what_lies_outside_0_to_1_is_black_or_white():
    picture = picture_of(np.stack([np.full((2, 2), value) for value in (-0.5, 0.5, 1.5)], axis=-1))
    assert np.asarray(picture)[0, 0].tolist() == [0, 128, 255]


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_a_picture_is_grey_or_has_colours(channels):
    picture = picture_of(np.full((4, 6, channels), 0.5))
    assert picture.size == (6, 4) and np.asarray(picture).flat[0] == 128


def test_an_array_of_other_channels_has_no_picture():
    assert picture_of(np.zeros((4, 6, 2))) is None


def test_a_tensor_has_no_picture():
    assert picture_of(torch.zeros(3, 4, 6)) is None


@pytest.mark.parametrize("video", [[IMAGE, IMAGE], VIDEO, torch.tensor(VIDEO)], ids=["frames", "array", "tensor"])
def test_a_video_is_checked_as_images_are(video):
    check_output(SimpleNamespace(finite=None, images=[video]), 1)
    with pytest.raises(Invalid, match="the same everywhere"):
        check_output(SimpleNamespace(finite=None, images=[VIDEO * 0]), 1)
    with pytest.raises(Invalid, match="NaN"):
        check_output(SimpleNamespace(finite=None, images=[VIDEO * np.nan]), 1)


def test_another_number_of_images_than_the_batch_has_is_invalid():
    with pytest.raises(Invalid, match="the call made 1 images, not the 2 of the batch"):
        check_output(SimpleNamespace(finite=None, images=[IMAGE]), 2)


@pytest.mark.parametrize("as_video", [False, True])
def test_latents_and_picture_that_are_kept_are_both_of_the_first_image(tmp_path, as_video):
    black, white = (np.full((4, 6, 3), value, dtype=float) for value in (0.0, 1.0))
    images = [np.stack([black, white]), np.stack([white, black])] if as_video else [black, white]
    latents = torch.stack([torch.zeros(4, 2, 2), torch.ones(4, 2, 2)]).to(torch.bfloat16)
    save_output(SimpleNamespace(latents=latents, images=images), tmp_path, 2)
    kept = np.load(tmp_path / "stage-2.npy")
    assert kept.dtype == np.float32 and kept.shape == (4, 2, 2) and not kept.any()
    assert not np.asarray(Image.open(tmp_path / "stage-2.png")).any()


class Denoiser(torch.nn.Module):
    """Gives what it gets, as one of the kinds of output that denoisers have."""

    def forward(self, output):
        return output


GOOD, BAD = torch.ones(2, 2), torch.tensor([1.0, float("nan")])
KINDS = {
    "tuple": lambda tensor: (tensor, "more"),
    "list in a tuple": lambda tensor: ([GOOD, tensor],),
    "dictionary": lambda tensor: {"sample": tensor, "more": BAD},
}


def recorder():
    """An OutputRecorder of a pipeline of two modules, with its pipeline."""
    scheduler = SimpleNamespace(step=lambda sample, scale=1: (sample * scale, "more"))
    pipeline = SimpleNamespace(unet=Denoiser(), other=Denoiser(), scheduler=scheduler)
    return OutputRecorder(pipeline, ["unet", "other"]), pipeline


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("outputs", [(GOOD, GOOD), (GOOD, BAD), (BAD, GOOD)])
def test_a_denoiser_that_gives_nan_once_is_invalid(kind, outputs):
    made, pipeline = recorder()
    made.recording, made.images = True, [IMAGE]
    for output in outputs:
        pipeline.unet(KINDS[kind](output))
    if any(output is BAD for output in outputs):
        with pytest.raises(Invalid, match="the denoiser returned NaN or infinity"):
            check_output(made, 1)
    else:
        check_output(made, 1)


def test_the_latents_are_those_of_the_last_step_and_nothing_is_looked_at_in_a_measured_call():
    made, pipeline = recorder()
    pipeline.unet((BAD,))
    assert pipeline.scheduler.step(GOOD, scale=2)[0].tolist() == [[2, 2], [2, 2]]
    assert (made.finite, made.latents, made.images) == (None, None, [])
    made.recording = True
    for scale in (3, 4):
        pipeline.scheduler.step(GOOD, scale=scale)
    assert made.latents.tolist() == [[4, 4], [4, 4]]
    pipeline.other((BAD,))
    assert made.finite is None, "another module's output is not looked at"
