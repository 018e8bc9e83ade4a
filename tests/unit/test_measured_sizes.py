"""Other sizes than a pipeline's own in a run: what its call takes, what is measured, and what cannot be."""

import numpy as np
import pytest
from PIL import Image

from diffbench.catalogue.definition import planned_digest, resolve
from diffbench.vocabulary.errors import Unsupported
from running import measure, rows_of


@pytest.mark.parametrize(
    ("pipeline", "stage", "size", "arguments"),
    [
        ("sd-txt2img", 0, "native", {}),
        ("sd-txt2img", 0, "32x16", {"height": 32, "width": 16}),
        ("sd-inpaint", 0, "32x16", {"height": 32, "width": 16}),
        ("sd-img2img", 0, "32x16", {}),
        ("sd-txt2img", 0, "32x16x8", "StableDiffusionPipeline takes no num_frames"),
        ("sd-img2img", 0, "32x16x8", "StableDiffusionImg2ImgPipeline takes no num_frames"),
        ("if", 0, "32x16", "IFPipeline is measured at its own size alone, not at 32x16"),
    ],
)
def test_what_a_call_takes_of_a_size(pipeline, stage, size, arguments):
    from diffbench.measurement.call_size import size_arguments

    description = resolve(pipeline, 1, "eager", "random", "tiny", size=size)["stages"][stage]
    if isinstance(arguments, dict):
        assert size_arguments(description, size) == arguments
        return
    with pytest.raises(Unsupported, match=arguments):
        size_arguments(description, size)


def test_an_image_of_its_own_size_sizes_nothing_and_one_in_a_list_does():
    from diffbench.measurement.call_size import size_arguments

    description = {"class": "StableDiffusionUpscalePipeline", "call": {"prompt": "x", "noise_level": 1}}
    for value in (None, {"make": "image", "size": 64}, {"make": "normal", "shape": [1, 3, 8, 8]}):
        description["call"]["image"] = value
        with pytest.raises(
            Unsupported, match="takes neither height and width nor an image that could be made at 32x16"
        ):
            size_arguments(description, "32x16")
    description["call"]["image"] = {"make": "repeat", "value": {"make": "image"}}
    assert size_arguments(description, "32x16") == {}


def test_frames_are_asked_of_a_pipeline_that_makes_them():
    diffusers = pytest.importorskip("diffusers")
    from diffbench.measurement.call_size import size_arguments

    if not hasattr(diffusers, "TextToVideoSDPipeline"):
        pytest.skip("this release has no such pipeline")
    description = {"class": "TextToVideoSDPipeline", "call": {"prompt": "x", "num_frames": 4}}
    assert size_arguments(description, "32x16x8") == {"height": 32, "width": 16, "num_frames": 8}
    assert size_arguments(description, "32x16") == {"height": 32, "width": 16}


def test_what_was_made_at_another_size_is_told():
    import torch

    from diffbench.measurement.call_size import check_size

    image, frames = Image.new("RGB", (16, 32)), [Image.new("RGB", (16, 32))] * 8
    tensor, video, latents = torch.zeros(3, 32, 16), torch.zeros(8, 3, 32, 16), torch.zeros(4, 9, 9)
    for made in (image, frames, np.zeros((8, 32, 16, 3)), tensor, video, latents, torch.zeros(9, 64)):
        check_size([made], "32x16")
        check_size([made], "native")
    for made in (image, tensor, frames, video):
        with pytest.raises(Unsupported, match="asked for 33x16, the pipeline made 32x16"):
            check_size([made], "33x16")
    check_size([frames], "32x16x8")
    for made, text in ((frames, "32x16x8"), (image, "32x16")):
        with pytest.raises(Unsupported, match=f"asked for 32x16x9, the pipeline made {text}:"):
            check_size([made], "32x16x9")


@pytest.mark.parametrize("pipeline", ["sd-txt2img", "sd-img2img"])
def test_a_pipeline_is_measured_at_the_size_that_is_named(tmp_path, pipeline):
    result = measure(tmp_path, "--calls", 1, "--warmup-calls", 1, "--size", "32x16", pipeline=pipeline)
    (row,) = rows_of(tmp_path)
    assert (row["status"], row["size"]) == ("ok", "32x16"), row["detail"]
    assert {call["size"] for call in rows_of(tmp_path, "calls.csv")} == {"32x16"}
    assert Image.open(tmp_path / "outputs/stage-1.png").size == (16, 32), "PIL says width first"
    assert f"{pipeline}@32x16, batch size 1" in result.stderr
    assert row["definition"] == planned_digest(
        {"weights": "random", "scale": "tiny", "measurement": {**SETTINGS_OF_TESTS}}, pipeline, 1, "32x16", "eager"
    )


SETTINGS_OF_TESTS = {  # as running.measure and the test above give them
    "warmup_calls": 1,
    "max_warmup_calls": 3,
    "calls": 1,
    "max_calls": 6,
    "max_seconds": 20,
    "target_percent": None,
}


def test_what_cannot_be_made_at_a_size_is_n_a_with_the_reason(tmp_path):
    assert measure(tmp_path / "if", "--size", "32x32", pipeline="if").returncode == 0
    rows = rows_of(tmp_path / "if")
    assert [(row["stage"], row["status"], row["phase"]) for row in rows] == [
        (stage, "unsupported", "load") for stage in "123"
    ]
    assert all("is measured at its own size alone, not at 32x32" in row["detail"] for row in rows)
    measure(tmp_path / "rounded", "--size", "33x16", pipeline="sd-img2img")
    (row,) = rows_of(tmp_path / "rounded")
    assert (row["status"], row["iterations_per_second"]) == ("unsupported", "")
    assert "asked for 33x16, the pipeline made 32x16" in row["detail"]
