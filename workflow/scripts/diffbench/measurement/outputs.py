"""The output of a call: final latents and image, whether they are valid, and their files."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy
import torch
from PIL import Image

from diffbench.vocabulary.errors import Invalid

if TYPE_CHECKING:
    from collections.abc import Sequence


class OutputRecorder:
    """Keeps the latents of the last denoising step and checks the denoiser's output, in calls with `recording`.

    It never waits for the device, and does nothing in a measured call.
    """

    def __init__(self, pipeline: Any, modules: Sequence[str]) -> None:
        self.recording = False
        self.finite: torch.Tensor | None = None
        self.latents: torch.Tensor | None = None
        self.images: Any = []
        getattr(pipeline, modules[0]).register_forward_hook(self.check_denoiser)
        step = pipeline.scheduler.step

        @functools.wraps(step)  # pipelines ask for its signature
        def recorded_step(*arguments: Any, **keys: Any) -> Any:
            result = step(*arguments, **keys)
            if self.recording:
                self.latents = result[0]
            return result

        pipeline.scheduler.step = recorded_step

    def check_denoiser(self, module: torch.nn.Module, arguments: Any, output: Any) -> None:
        if self.recording:
            sample = output[0] if isinstance(output, (tuple, list)) else next(iter(output.values()), None)
            for tensor in sample if isinstance(sample, (tuple, list)) else [sample]:  # some give a list, one an image
                if torch.is_tensor(tensor):
                    finite = torch.isfinite(tensor).all()
                    self.finite = finite if self.finite is None else self.finite & finite


def pixels_of(image: Any) -> numpy.ndarray:
    """An image of a call's output as an array: height x width x channels of bytes, or the content of a tensor. A video has
    its frames as the first axis."""
    return image.float().cpu().numpy() if torch.is_tensor(image) else numpy.asarray(image)


def check_output(outputs: OutputRecorder, batch_size: int) -> None:
    """Raises Invalid if the call made another number of images than the batch has, the denoiser returned NaN or infinity,
    or an image contains them or is the same everywhere.

    The denoiser's own output is checked because a pipeline turns NaN into black pixels.
    """
    if len(outputs.images) != batch_size:
        raise Invalid(f"the call made {len(outputs.images)} images, not the {batch_size} of the batch")
    if outputs.finite is not None and not bool(outputs.finite):
        raise Invalid("the denoiser returned NaN or infinity")
    for image in outputs.images:
        pixels = pixels_of(image)
        if not numpy.isfinite(pixels).all():
            raise Invalid("the image contains NaN or infinity")
        if pixels.min() == pixels.max():
            raise Invalid("the image is the same everywhere")


def picture_of(image: Any) -> Image.Image | None:
    """An image, or a video's first frame, as a PIL image; None if it is neither one nor an array of 1, 3 or 4 channels."""
    is_video = isinstance(image, list) or isinstance(image, numpy.ndarray) and image.ndim == 4
    frame = image[0] if is_video else image
    if isinstance(frame, numpy.ndarray) and frame.ndim == 3 and frame.shape[-1] in (1, 3, 4):
        frame = frame[..., 0] if frame.shape[-1] == 1 else frame
        frame = Image.fromarray((255 * frame.clip(0, 1)).round().astype(numpy.uint8))
    return frame if isinstance(frame, Image.Image) else None


def save_output(outputs: OutputRecorder, folder: str | Path, stage: int) -> None:
    """Write the first image of the batch, or the first frame of its first video, as stage-<n>.png and its latents as
    stage-<n>.npy (float32)."""
    folder = Path(folder)
    if outputs.latents is not None and torch.is_tensor(outputs.latents):
        numpy.save(folder / f"stage-{stage}.npy", outputs.latents[0].float().cpu().numpy(), allow_pickle=False)
    picture = picture_of(outputs.images[0]) if len(outputs.images) else None
    if picture is not None:
        picture.save(folder / f"stage-{stage}.png")
