"""Strips: images side by side, with badges and differences."""

import numpy as np
import pytest
from PIL import Image

from diffbench.data.outputs import read_runs
from diffbench.figures.images import ALARM, AMPLIFIED
from diffbench.figures.strips import Images, write_strips
from diffbench.vocabulary.columns import KEY
from drawn_figures import odd_labels, texts_of
from kept import BASELINE, LATENTS, PLACE, picture, shifted
from summaries import cells_of


def panels_of(figure, row=0):
    """{title: axes} of a row of images, or of the differences below them by the same titles."""
    axes = [one for one in figure.axes if one.get_subplotspec().rowspan.start == row]
    titles = [one.get_title() for one in figure.axes if one.get_subplotspec().rowspan.start == row - row % 2]
    return dict(zip(titles, axes))


def pixels(axes):
    return np.asarray(axes.images[0].get_array())


def test_a_strip_shows_images_badges_and_differences_the_baseline_first(runs):
    runs.add(picture(), LATENTS, variant="compile")
    runs.add(shifted(picture(), 2), LATENTS)
    figure = runs.draw()
    panels, below = panels_of(figure), panels_of(figure, 1)
    assert list(panels) == ["no compile", "compile"]
    assert (pixels(panels["no compile"]) == shifted(picture(), 2)).all()
    assert panels["compile"].images[0].get_interpolation() == "none"
    assert panels["no compile"].get_xlabel() == "baseline"
    assert panels["compile"].get_xlabel().startswith("equivalent\nPSNR 42.11 dB, SSIM 0.99")
    assert not below["no compile"].images
    assert not any(text.get_text() for text in below["no compile"].texts)
    assert (pixels(below["compile"]) == 2 * AMPLIFIED).all()
    assert below["compile"].get_xlabel() == f"difference × {AMPLIFIED}, largest: 2 of 255"


def test_a_strip_shows_the_round_that_differs_most(runs):
    runs.add(picture(), LATENTS)
    runs.add(shifted(picture(), 1), LATENTS, round=2)
    for number, levels in [(1, 1), (2, 40), (3, 2)]:
        runs.add(shifted(picture(), levels), LATENTS, variant="compile", round=number)
    panels = panels_of(runs.draw())
    assert (pixels(panels["no compile"]) == picture()).all()
    assert (pixels(panels["compile"]) == shifted(picture(), 40)).all()
    assert panels["no compile"].get_xlabel().startswith("baseline, its other rounds: equivalent\nPSNR 48.13 dB")


def test_a_difference_cannot_be_overlooked(runs):
    runs.add(picture(), LATENTS)
    runs.add(picture(seed=5), LATENTS, variant="compile")
    panels = panels_of(runs.draw())
    label = panels["compile"].xaxis.label
    assert label.get_text().startswith("⚠ different\nPSNR ")
    assert (label.get_color(), label.get_fontweight()) == (ALARM, "bold")
    assert panels["compile"].spines["left"].get_linewidth() > 3 * panels["no compile"].spines["left"].get_linewidth()


def test_a_caption_says_where_the_images_come_from_and_that_random_weights_are_random(runs):
    for variant in ("eager", "compile"):
        runs.add(picture(), LATENTS, variant=variant, scale="tiny")
    text = " ".join(runs.draw()._supxlabel.get_text().split())
    for part in (
        "The weights are random",
        f"absolute difference from the baseline's, × {AMPLIFIED}.",
        "Device: NVIDIA A100-SXM4-40GB (8 CPU threads); torch 2.0.1+cu118, Diffusers 0.31.0, float16; "
        "miniature architectures with random weights; measured 2026-11-20.",
    ):
        assert part in text
    assert "⚠" not in text


def test_a_strip_of_pretrained_weights_claims_nothing_random(runs):
    runs.add(picture(), LATENTS, weights="pretrained")
    assert "random" not in runs.draw()._supxlabel.get_text()


def test_what_failed_or_has_not_run_stands_in_the_place_of_its_image(runs, make_row):
    runs.add(picture(), LATENTS)
    runs.add(variant="compile", status="oom", phase="call-1")
    runs.add(variant="older")
    cells = cells_of([*runs.rows, make_row(variant="later")])
    panels = panels_of(runs.draw(cells=cells))
    words = [" ".join(text.get_text() for text in axes.texts) for axes in panels.values()]
    assert words == ["", "OOM after warmup", "no image kept", "not measured yet"]


def test_without_an_image_of_the_baseline_a_strip_says_so(runs):
    runs.add(status="crashed", phase="load")
    runs.add(picture(), LATENTS, variant="compile")
    figure = runs.draw()
    assert {"crashed", "not compared: the baseline has no image"} <= set(texts_of(figure))


def test_a_strip_says_that_sizes_differ(runs):
    runs.add(picture(), LATENTS)
    runs.add(picture(8), LATENTS, variant="small")
    text = "not compared: image of 8 x 8 x 3, the baseline's of 16 x 16 x 3"
    assert any(text in found for found in texts_of(runs.draw()))


@pytest.mark.parametrize(
    "baseline, titles",
    [
        ({"variant": "eager"}, ["no compile", "compile"]),
        (
            {"torch": "2.0", "variant": "eager"},
            ["torch 2.0, no compile", "torch 2.1, no compile", "torch 2.1, compile"],
        ),
        (
            {"torch": "2.0"},
            ["torch 2.0, no compile", "torch 2.1, no compile", "torch 2.0, compile", "torch 2.1, compile"],
        ),
    ],
)
def test_a_strip_holds_the_baseline_of_another_torch_build(runs, baseline, titles):
    for torch in ("2.0", "2.1"):
        for variant in ("eager", "compile"):
            runs.add(picture(), LATENTS, torch=torch, variant=variant)
    figure = runs.draw(baseline=baseline, place=("A100", "2.1", "sd-txt2img", 1))
    assert list(panels_of(figure)) == titles


def test_stages_stand_below_each_other(runs):
    for variant in ("eager", "compile"):
        for stage in (1, 2):
            runs.add(picture(seed=stage), LATENTS, pipeline="if", variant=variant, stage=stage)
    figure = runs.draw(place=("A100", "2.0", "if", 1))
    assert (pixels(panels_of(figure, 2)["compile"]) == picture(seed=2)).all()
    assert {"stage 1", "stage 2"} <= set(texts_of(figure))


def test_a_file_a_gpu_torch_build_pipeline_and_batch_size_whatever_the_labels(runs, tmp_path):
    for keys in ({}, {"batch_size": 4}, {"torch": "2.1"}, {"gpu": "T4"}, {"pipeline": "sdxl-txt2img"}):
        runs.add(picture(), LATENTS, **keys)
    runs.add(shifted(picture(), 40), LATENTS, variant="compile")
    folder = tmp_path / "strips"
    write_strips(runs.summary(), read_runs(runs.paths), runs.compare(), odd_labels(), BASELINE, folder)
    places = ["A100-2.0-sd-txt2img", "A100-2.0-sdxl-txt2img", "A100-2.1-sd-txt2img", "T4-2.0-sd-txt2img"]
    names = [f"{place}-batch-1.png" for place in places] + ["A100-2.0-sd-txt2img-batch-4.png"]
    assert sorted(path.name for path in folder.iterdir()) == sorted(names)
    for path in folder.iterdir():
        with Image.open(path) as image:
            assert min(image.size) > 300


def test_images_are_found_by_the_identity_of_their_rows(runs):
    runs.add(picture(), LATENTS)
    images = Images(read_runs(runs.paths), runs.compare(), BASELINE)
    (key,) = images.folders
    assert dict(zip(KEY, key)) == {**dict(zip(KEY, [*PLACE, "native", "eager"])), "stage": 1}
