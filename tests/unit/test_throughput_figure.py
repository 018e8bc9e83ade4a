"""Throughput and images per second against the batch size: where points stand, what they are called, and why some are missing."""

import numpy as np
import pytest

from drawn_figures import caption_of, draw, summary_of, texts_of


def test_images_per_second_stand_where_whole_calls_were_measured(make_row):
    rows = [make_row(images_per_second=2), make_row(pipeline="sdxl-txt2img", images_per_second="")]
    rows += [make_row(pipeline="if", stage=stage, images_per_second=rate) for stage, rate in [(1, 4), (2, 4), (3, 2)]]
    rows += [make_row(pipeline="if", batch_size=4, images_per_second=9)]  # the first stage alone makes no image
    figure = draw("throughput", summary_of(rows))
    whole = next(axes for axes in figure.axes if "images per second" in axes.get_ylabel())
    assert [list(line.get_ydata())[0] for line in whole.lines] == [2, 1]
    assert whole.lines[1].get_ydata()[1] != whole.lines[1].get_ydata()[1]
    assert "images that pass through all stages, one after the other" in caption_of(figure)


def staged_rows(make_row):
    rows = [make_row(pipeline=name, batch_size=size) for name in ("sd-txt2img", "if") for size in (1, 4, 16)]
    return rows + [make_row(pipeline="if", stage=stage) for stage in (2, 3)]


def legend_of(figure):
    return {text.get_text(): line for text, line in zip(figure.legends[0].get_texts(), figure.legends[0].get_lines())}


def test_images_per_second_of_all_stages_are_called_so(make_row):
    figure = draw("throughput", summary_of(staged_rows(make_row)))
    legend = legend_of(figure)
    assert list(legend) == ["SD - txt2img", "IF, stage 1", "IF, all stages"]
    denoising, whole = (axes.lines for axes in figure.axes)
    assert denoising[1].get_marker() == legend["IF, stage 1"].get_marker()
    assert whole[1].get_marker() == legend["IF, all stages"].get_marker() != legend["IF, stage 1"].get_marker()


def test_a_missing_point_of_images_per_second_is_explained(make_row):
    text = caption_of(draw("throughput", summary_of(staged_rows(make_row))))
    assert (
        "Where IF has no images per second at batch sizes 4 and 16, only stage 1 was measured, which makes no "
        "finished image." in text
    )
    assert text.count("Where ") == 1
    rows = [make_row(), make_row(pipeline="sdxl-txt2img", images_per_second="")]
    text = caption_of(draw("throughput", summary_of(rows)))
    assert "Where SDXL - txt2img has no images per second at batch size 1, whole calls were not measured." in text


def test_a_failed_cell_of_several_stages_stands_in_its_panel_and_not_in_the_caption(make_row):
    rows = [make_row(pipeline="if", stage=stage) for stage in (1, 2)]
    rows += [make_row(pipeline="if", variant="compile", status="oom", phase="load")]
    figure = draw("throughput", summary_of(rows))
    assert "Where " not in caption_of(figure)
    assert texts_of(figure).count("OOM") == 2


@pytest.mark.parametrize("order", [(1, 4, 16), (16, 1, 4)])
def test_a_point_stands_over_its_own_batch_size(make_row, order):
    """SDXL has no batch size 1, and at 16 no memory."""
    rows = [make_row(batch_size=size, iterations_per_second=20 / size) for size in order]
    rows += [make_row(pipeline="sdxl-txt2img", batch_size=4, iterations_per_second=3)]
    rows += [make_row(pipeline="sdxl-txt2img", batch_size=16, status="oom", phase="load")]
    (axes, *_) = draw("throughput", summary_of(rows)).axes
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["1", "4", "16"]
    lines = [line for line in axes.lines if len(line.get_xdata()) == 3]
    assert [np.round(line.get_xdata()).tolist() for line in lines] == [[0, 1, 2], [0, 1, 2]]
    assert lines[0].get_ydata() == pytest.approx([20, 20, 20])
    assert lines[1].get_ydata() == pytest.approx([np.nan, 12, np.nan], nan_ok=True)
    (failure,) = [text for text in axes.texts if "OOM" in text.get_text()]
    assert round(failure.xy[0]) == 2
