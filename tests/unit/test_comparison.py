"""Published beside measured, with a ratio where both have a number."""

import pytest

from comparisons import PUBLISHED, comparison, summary_of
from diffbench.data.errors import ReportError
from diffbench.documents.directives import Renderer
from diffbench.documents.filling import update
from printed_tables import LABELS, cells_in


def filled(rows, options, kind="comparison"):
    """A document's marked space of a kind, filled from a dataset `ours`."""
    datasets = {"ours": (summary_of(rows), LABELS), "pytorch2": (PUBLISHED, {**LABELS, "source": "the page"})}
    marker = f"<!-- diffbench:begin {kind} dataset=ours {options} -->\n<!-- diffbench:end -->\n"
    return update(marker, "page.md", Renderer(datasets, {}))


def test_both_headers_name_gpu_torch_and_diffusers_and_the_ratio_is_measured_over_published(make_row):
    row = make_row(
        gpu="H200", torch="2.13", torch_version="2.13.0", device_name="NVIDIA H200", iterations_per_second=43.32
    )
    text = comparison([row])
    first = text.split("### ")[1].splitlines()
    assert first[0] == "H200 over A100, torch 2.0 (batch size: 1)"
    assert cells_in(first[2]) == [
        "**Pipeline**",
        "**A100, torch 2.0, Diffusers 0.17.0.dev0 - <br>no compile**",
        "**H200, torch 2.13, Diffusers 0.31.0 - <br>no compile**",
        "**ratio - <br>no compile**",
    ]
    assert cells_in(first[4]) == ["SD - txt2img", "21.66", "43.32", "2.00x"]
    assert text.count("### ") == 5 * 2


def test_a_published_failure_has_no_ratio(make_row):
    text = comparison([make_row(pipeline="if", variant="compile", stage=1, iterations_per_second=50)])
    line = next(line for line in text.splitlines() if line.startswith("|") and "❌" in line)
    assert cells_in(line)[1:] == ["❌", "50.00", "-"]


def test_what_only_one_side_has_stands_without_a_ratio(make_row):
    rows = [
        make_row(iterations_per_second=43.32),
        make_row(pipeline="sd-img2img", status="oom", phase="call-1", iterations_per_second=None),
        make_row(pipeline="sd-controlnet", status="unsupported", detail="no such class", iterations_per_second=None),
        make_row(pipeline="flux-dev", variant="compile", dtype="bfloat16", iterations_per_second=5),
        make_row(pipeline="sdxl-txt2img", iterations_per_second=19.41),
        make_row(pipeline="sdxl-txt2img", variant="compile", iterations_per_second=30.98),
    ]
    first = comparison(rows).split("### ")[1]
    lines = {line[0]: line[1:] for line in map(cells_in, first.splitlines()) if len(line) == 7}
    assert lines["SD - txt2img"] == ["21.66", "43.32", "2.00x", "44.03", "-", "-"]
    assert lines["SD - img2img"] == ["21.81", "OOM after warmup", "-", "43.92", "-", "-"]
    assert lines["SD - controlnet"] == ["15.02", "n/a <sup>1</sup>", "-", "32.13", "-", "-"]
    assert "\n1. no such class\n" in first and "bfloat16" not in first
    assert lines["SD - inpaint"] == ["22.24", "-", "-", "43.76", "-", "-"]
    assert lines["SDXL - txt2img"] == ["8.64", "19.41", "2.25x", "-", "30.98", "-"]


def test_a_ratio_is_of_one_stage(make_row):
    rows = [make_row(pipeline="if", stage=stage, iterations_per_second=100 * stage) for stage in (1, 3)]
    line = next(line for line in comparison(rows).splitlines() if line.startswith("|") and " IF " in line)
    assert cells_in(line)[1:4] == [
        "20.21 / <br>13.84 / <br>24.00",
        "100.00 / <br>- / <br>300.00",
        "4.95x / <br>- / <br>12.50x",
    ]


def test_miniatures_correspond_to_nothing(make_row):
    assert comparison([make_row(scale="tiny")]) == ""


def test_a_document_shows_the_comparison_with_one_published_gpu_and_release(make_row):
    rows = [make_row(gpu="H200", device_name="NVIDIA H200", iterations_per_second=69.39)]
    text = filled(rows, "with=pytorch2 gpu=A100 torch=nightly batch_size=1")
    assert text.count("### ") == 1
    assert [cells_in(line) for line in text.splitlines() if line.startswith("|")][2] == [
        "SD - txt2img",
        "23.13",
        "69.39",
        "3.00x",
    ]
    assert "Published: the page." in text
    assert filled(rows, "with=pytorch2").count("### ") == 5 * 2


def test_a_document_that_compares_what_does_not_correspond_is_told(make_row):
    with pytest.raises(ReportError, match="^page.md:1: no number in the measured dataset corresponds"):
        filled([make_row(scale="tiny")], "with=pytorch2")


def test_a_document_shows_the_extended_table(make_row):
    rows = [make_row(gpu="H200", device_name="NVIDIA H200"), make_row(gpu="H200", variant="compile")]
    text = filled(rows, "gpu=H200 batch_size=1", "extended")
    assert text.splitlines()[2] == "### H200 (batch size: 1), extended"
    assert [cells_in(line)[0] for line in text.splitlines() if line.startswith("|")][2:] == [
        "SD - txt2img, torch 2.0 - no compile",
        "SD - txt2img, torch 2.0 - compile",
    ]
    assert "###" not in filled(rows, "gpu=H200 batch_size=1 heading=no", "extended")
