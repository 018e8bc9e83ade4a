"""What a call made, whatever kind it is: images, videos, tensors."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from measurement.errors import Invalid
from measurement.outputs import check_output, picture_of, save_output

GRADIENT = np.linspace(0, 1, 4 * 6 * 3).reshape(4, 6, 3)
IMAGE = Image.fromarray((GRADIENT * 255).astype(np.uint8))
VIDEO = np.stack([GRADIENT, 1 - GRADIENT])


@pytest.mark.parametrize("image", [IMAGE, [IMAGE, IMAGE], VIDEO, GRADIENT], ids=["image", "frames", "video", "array"])
def test_the_picture_of_an_image_or_video_is_its_first_frame(image):
    picture = picture_of(image)
    assert picture.size == (6, 4)
    assert np.abs(np.asarray(picture) / 255 - GRADIENT).max() < 0.01


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
