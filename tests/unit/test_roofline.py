"""The roofline: where points and roofs stand, what tells points apart without colour, and what is said of the rest."""

import numpy as np
import pytest

from diffbench.figures.figures import save_figure
from diffbench.figures.roofline import draw_roofline, roof
from diffbench.statistics.published import read_published
from drawn_figures import BASELINE, FACTS, LABELS, caption_of, odd_labels, panels_of, summary_of, texts_of

PIPELINES = [
    "sd-txt2img",
    "sd-img2img",
    "sd-inpaint",
    "sd-controlnet",
    "sd-upscale",
    "sdxl-txt2img",
    "if",
    "another",
    "a-ninth",
]


def summary_with_ceilings(rows, tflops=500.0, gib_per_second=2000.0):
    """A summary whose cells do 1000 GFLOP a step, of 1024 MiB, at 100 TFLOP/s."""
    summary = summary_of(rows)
    return summary.assign(
        step_gflop=1000.0,
        step_mib=1024.0,
        achieved_tflops=summary["iterations_per_second"] * 5,
        matmul_tflops=tflops,
        copy_gib_per_second=gib_per_second,
    )


def cells(make_row, **keys):
    return [
        make_row(pipeline=pipeline, batch_size=size, variant=variant, **keys)
        for pipeline in PIPELINES
        for size in (1, 4, 16)
        for variant in ("eager", "compile")
    ]


def draw(summary, labels=LABELS):
    return draw_roofline(summary, labels, BASELINE)


def points_of(axes):
    return [line for line in axes.lines if line.get_marker() != "None"]


def test_a_point_stands_at_its_intensity_and_rate_below_the_measured_roof(make_row):
    (axes,) = draw(summary_with_ceilings([make_row()])).axes
    (point,) = points_of(axes)
    assert list(point.get_xdata()) == pytest.approx([1000e9 / 2**30])
    assert list(point.get_ydata()) == [100]
    roofs = [line for line in axes.lines if line not in points_of(axes)]
    assert [max(line.get_ydata()) for line in roofs] == pytest.approx([500, 250, 50])
    x, y = (values[0] for values in roofs[0].get_data())
    assert y / x == pytest.approx(2000 * 2**30 / 1e12)  # the slanted part: TFLOP/s over FLOP per byte
    for line, share in zip(roofs, (1, 0.5, 0.1), strict=True):
        assert list(line.get_ydata()) == pytest.approx(list(share * roofs[0].get_ydata())), "also where it slants"
    assert "500 TFLOP/s, 2000 GiB/s" in texts_of(axes)
    assert axes.get_xscale() == axes.get_yscale() == "log"


def test_the_roof_is_the_lower_of_copy_and_product():
    assert list(roof(np.array([1, 1e9]), 500, 1000)) == pytest.approx([2**30 * 1000 / 1e12, 500])


def test_a_panel_a_gpu_and_torch_build(make_row):
    rows = [make_row(gpu=gpu, torch=torch) for gpu in ("A100", "T4") for torch in ("2.0", "2.1")]
    titles = list(panels_of(draw(summary_with_ceilings(rows))))
    assert titles == ["A100, torch 2.0", "A100, torch 2.1", "T4, torch 2.0", "T4, torch 2.1"]


def test_points_differ_without_colour(make_row):
    (axes,) = draw(summary_with_ceilings(cells(make_row))).axes
    points = points_of(axes)
    assert len(points) == 9 * 3 * 2
    looks = {(point.get_marker(), point.get_fillstyle(), point.get_markersize()) for point in points}
    assert len(looks) == len(points)


def test_the_legend_tells_pipelines_variants_and_batch_sizes(make_row):
    (legend,) = draw(summary_with_ceilings(cells(make_row))).legends
    names = [text.get_text() for text in legend.get_texts()]
    assert len(names) == 9 + 2 + 3
    assert names[0] == "SD - txt2img"
    assert names[9:] == ["no compile", "compile", "batch size 1", "batch size 4", "batch size 16"]


def test_the_caption_says_what_the_lines_are_and_where_the_points_come_from(make_row):
    rows = [make_row(round=number, variant=name) for number in (1, 2) for name in ("eager", "compile")]
    text = caption_of(draw(summary_with_ceilings(rows)))
    assert "the ceiling measured on a device of this name with the same torch build" in text
    assert "every weight, input and output once" in text
    assert "Medians of 2 rounds." in text
    assert "Device: NVIDIA A100-SXM4-40GB (8 CPU threads); torch 2.0.1+cu118, Diffusers 0.31.0, float16;" in text
    assert "full-scale architectures with random weights; measured 2026-11-20." in text
    assert "Error bars" not in text and "Not shown" not in text


def test_cells_without_a_point_are_told_with_the_reason(make_row):
    rows = cells(make_row)[:4] + [make_row(pipeline="if", variant=name, status="oom", phase="load") for name in "ab"]
    summary = summary_with_ceilings(rows)
    summary.loc[[0, 1], "step_gflop"] = [np.nan, 0]
    text = caption_of(draw(summary))
    assert "A100, SD - txt2img, batch size 1 (no compile and compile): its work or ceiling is unknown" in text
    assert "A100, IF, batch size 1 (a and b): OOM" in text


def test_without_any_point_there_is_a_reason(make_row):
    reason = "no cell has both its work and its device's ceiling measured"
    assert reason in texts_of(draw(read_published(FACTS)))
    assert reason in texts_of(draw(summary_of([make_row()])))
    assert "no data" in texts_of(draw(summary_with_ceilings([make_row()])[:0]))
    failed = summary_with_ceilings([make_row(status="oom", phase="load")])
    assert reason in texts_of(draw(failed))


@pytest.mark.filterwarnings("error::RuntimeWarning")
@pytest.mark.parametrize("labels", [{}, odd_labels()], ids=["none", "odd"])
def test_no_label_and_no_number_breaks_it(make_row, tmp_path, labels):
    summary = summary_with_ceilings(cells(make_row), 1e-6, 1e6)
    save_figure(draw(summary, labels), [tmp_path / "a.svg", tmp_path / "a.png"])
    assert (tmp_path / "a.png").stat().st_size


@pytest.mark.parametrize("gflop", [(1e3, 1e3), (1e3, 5e4), (1.0, 1e6)])
def test_the_tick_labels_do_not_overlap(make_row, tmp_path, gflop):
    summary = summary_with_ceilings([make_row(), make_row(variant="compile")]).assign(step_gflop=gflop)
    figure = draw(summary)
    save_figure(figure, [tmp_path / "a.png"])  # draws the ticks
    (axes,) = figure.axes
    low, high = axes.get_xlim()
    labels = [tick.label1 for tick in axes.xaxis.get_major_ticks() if low <= tick.get_loc() <= high]
    ends = sorted((label.get_window_extent().x0, label.get_window_extent().x1) for label in labels if label.get_text())
    assert len(ends) >= 2
    assert all(one[1] < other[0] for one, other in zip(ends, ends[1:]))
