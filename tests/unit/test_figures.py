"""What the figures show of numbers and failures, what they say of their origin, and that no label or dataset breaks them."""

import os
import subprocess
import sys
import xml.dom.minidom

import pytest

from conftest import ROOT
from diffbench.figures.figures import FIGURES, figure_paths, save_figure, write_figures
from diffbench.plan.result_files import FIGURE_NAMES
from diffbench.statistics.published import read_about, read_published
from drawn_figures import (
    BASELINE,
    FACTS,
    LABELS,
    beside_bars,
    caption_of,
    draw,
    measured_rows,
    odd_labels,
    panels_of,
    summary_of,
    texts_of,
)
from summaries import cells_of

OF_RATES = [name for name in FIGURES if name not in ("breakeven", "roofline")]  # the others draw what these rows lack


@pytest.fixture(scope="module")
def published():
    return read_published(FACTS)


def test_published_speedups_have_a_panel_a_gpu_and_batch_size_and_show_every_failure(published):
    panels = panels_of(draw("speedup", published))
    assert list(panels)[:4] == ["A100, batch size 1", "A100, batch size 4", "A100, batch size 16", "V100, batch size 1"]
    assert len(panels) == 15
    texts = beside_bars(panels["A100, batch size 1"])
    assert texts[:2] == ["2.03 × 21.7", "2.15 × 23.1"]  # over no compile of the same torch build
    assert texts.count("compile error") == 3  # each stage of IF
    assert texts[-2:] == ["-", "-"]  # SDXL was not compiled
    assert len(panels["A100, batch size 1"].patches) == 11
    texts = beside_bars(panels["T4, batch size 16"])
    assert (texts.count("OOM after warmup"), texts.count("OOM after 2nd iteration")) == (3, 2)
    assert texts[-1] == "baseline: OOM"


def test_published_speedups_by_gpu_are_over_the_first_torch_build(published):
    figure = draw("speedup-by-gpu", published)
    (axes,) = figure.axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["A100", "V100", "T4", "RTX 3090", "RTX 4090"]
    assert beside_bars(axes)[:4] == ["1.00 × 11.6", "1.13 × 11.6", "1.26 × 11.6", "1.49 × 11.6"]
    assert "SD - txt2img, batch size 4: speed-up over torch 2.0, no compile" in texts_of(figure)


def test_published_rates_are_those_of_the_a100_with_ifs_stages_each_for_itself(published):
    panels = panels_of(draw("rates", published))
    assert list(panels) == [f"A100, batch size {size}" for size in (1, 4, 16)]
    axes = panels["A100, batch size 1"]
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert names[4:7] == ["IF, stage 1", "IF, stage 2", "IF, stage 3"]
    place = 4 * names.index("IF, stage 2")
    assert beside_bars(axes)[place : place + 4] == ["13.8", "13.7", "compile error", "27.2"]
    assert beside_bars(panels["A100, batch size 4"])[place : place + 4] == ["-"] * 4


def test_published_heat_map_has_the_newest_torch_and_writes_failures(published):
    panels = panels_of(draw("heatmap", published))
    texts = beside_bars(panels["batch size 16"])
    assert len(texts) == 5 * 6
    assert texts.count("OOM after\nwarmup") == 1
    assert texts.count("baseline: OOM") == 1
    assert (
        beside_bars(panels["batch size 1"])[4] == "4.84"
    )  # IF's first stage on the A100, which nightly alone compiles


def test_published_throughput_is_never_called_images(published):
    figure = draw("throughput", published)
    assert not any("images per second" in text.lower() for text in texts_of(figure))
    labels = {axes.get_ylabel() for axes in figure.axes} - {""}
    assert labels == {"denoising throughput\n(batch size × iterations/s)"}
    line = panels_of(figure)["A100: torch 2.0, no compile"].lines[0]
    assert list(line.get_ydata()) == pytest.approx([21.66, 4 * 11.6, 16 * 3.04])


def test_lines_stop_where_a_measurement_failed(published):
    axes = panels_of(draw("speedup-by-batch-size", published))["T4: torch 2.0, compile"]
    assert [value == value for value in axes.lines[0].get_ydata()] == [True, True, False]
    texts = [text.get_text().replace("\n", " ") for text in axes.texts]
    assert texts.count("OOM after 2nd iteration") == 2
    assert texts.count("compile error") == 3
    assert all(text.get_position()[1] < 1 for text in axes.texts)  # below the axis


@pytest.mark.parametrize("name", OF_RATES)
def test_published_captions_name_gpu_torch_diffusers_and_date(published, name):
    labels = {**LABELS, "marks": read_about(FACTS.with_suffix(".yaml"))["marks"]}
    text = caption_of(draw(name, published, labels))
    for part in ("Device: A100", "nightly, Diffusers 0.17.0.dev0, float16", "measured 2023-05."):
        assert part in text
    assert "full-scale architectures with pretrained weights" in text
    assert "Error bars" not in text and "Medians" not in text


def test_a_mark_of_a_published_row_is_explained(published):
    labels = {**LABELS, "marks": {"*": "First stage alone."}}
    assert "IF: First stage alone." in caption_of(draw("throughput", published, labels))


@pytest.mark.parametrize("name", OF_RATES)
def test_measured_captions_name_the_device_the_releases_and_the_rounds(make_row, name):
    text = caption_of(draw(name, summary_of(measured_rows(make_row))))
    assert "Medians of 2 rounds." in text
    assert "Device: NVIDIA A100-SXM4-40GB (8 CPU threads); torch 2.0.1+cu118, Diffusers 0.31.0, float16;" in text
    assert "full-scale architectures with random weights; measured 2026-11-20." in text
    assert ("Error bars: 95% interval" in text) == (name != "heatmap")


def report_caption(name):
    return (ROOT / f"report/{name}.rst").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", FIGURES)
def test_captions_of_the_report_promise_error_bars_where_a_figure_has_them(make_row, name):
    drawn = "Error bars" in caption_of(draw(name, summary_of(measured_rows(make_row)))) if name in OF_RATES else False
    assert ("Error bars" in report_caption(name)) == drawn


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("heatmap", "one variant, the last"),
        ("rates", "on one GPU"),
        ("speedup-by-batch-size", "first stages only"),
        ("speedup-by-gpu", "one pipeline at one batch size"),
        ("throughput", "Denoising throughput, batch size × iterations per second,"),
    ],
)
def test_captions_of_the_report_name_the_part_that_is_drawn(name, part):
    assert part in report_caption(name)


def test_a_heat_map_counts_the_rounds_of_what_it_shows(make_row):
    rounds = {"eager": 5, "compile": 2, "regional": 5}
    rows = [
        make_row(variant=variant, round=number) for variant, count in rounds.items() for number in range(1, count + 1)
    ]
    assert "Medians of 5 rounds" in caption_of(draw("heatmap", summary_of(rows)))


def test_one_round_has_no_error_bars(make_row):
    figure = draw("speedup", summary_of([make_row(), make_row(variant="compile", iterations_per_second=50)]))
    (axes,) = figure.axes
    assert [type(container).__name__ for container in axes.containers] == ["BarContainer"]
    assert beside_bars(axes) == ["2.50 × 20.0"]
    assert "Medians of 1 round." in caption_of(figure)
    assert "Error bars" not in caption_of(figure)


STATUSES = {
    ("oom", "load"): "OOM",
    ("oom", "call-3"): "OOM after 2nd iteration",
    ("compile-error", "first-call"): "compile error",
    ("timeout", "warmup"): "timeout",
    ("crashed", "load"): "crashed",
    ("invalid", "call-1"): "invalid",
    ("unsupported", "load"): "n/a",
}


@pytest.mark.parametrize("status, phase", STATUSES)
@pytest.mark.parametrize("name", OF_RATES)
def test_each_status_is_written(make_row, name, status, phase):
    rows = [make_row(), make_row(variant="compile", status=status, phase=phase)]
    assert STATUSES[status, phase] in texts_of(draw(name, summary_of(rows)))


def test_a_failed_baseline_leaves_the_rate(make_row):
    rows = [make_row(status="oom", phase="call-1"), make_row(variant="compile")]
    assert "20.0 it/s, no baseline (OOM after warmup)" in texts_of(draw("speedup", summary_of(rows)))


def test_a_cell_that_has_not_run_says_so(make_row):
    summary = summary_of([make_row()], cells_of([make_row(), make_row(variant="compile")]))
    assert "not measured yet" in texts_of(draw("speedup", summary))


def edge_cases(make_row):
    rows = measured_rows(make_row)
    failed = [make_row(pipeline=p, status="oom", phase="load") for p in ("sd-txt2img", "if")]
    return {
        "empty": (summary_of(rows)[:0], LABELS),
        "one cell": (summary_of(rows[:1]), LABELS),
        "all failed": (summary_of(failed), LABELS),
        "nothing run": (summary_of([make_row()], cells_of([make_row(gpu="V100"), make_row(gpu="T4")])), LABELS),
        "no labels": (summary_of(rows), {}),
        "odd labels": (summary_of(rows), odd_labels()),
        "baseline missing": (summary_of([row for row in rows if row["variant"] != "eager"]), LABELS),
        "baseline alone": (summary_of([row for row in rows if row["variant"] == "eager"]), LABELS),
    }


CASES = [
    "empty",
    "one cell",
    "all failed",
    "nothing run",
    "no labels",
    "odd labels",
    "baseline missing",
    "baseline alone",
]


@pytest.mark.filterwarnings("error::RuntimeWarning")
@pytest.mark.parametrize("case", CASES)
def test_no_dataset_and_no_label_breaks_a_figure(make_row, tmp_path, case):
    summary, labels = edge_cases(make_row)[case]
    paths = [path for path in figure_paths(tmp_path) if path.suffix == ".svg" or case == "odd labels"]
    write_figures(summary, labels, BASELINE, paths)
    for path in paths:
        if path.suffix == ".svg":
            xml.dom.minidom.parse(str(path))
        else:
            assert path.read_bytes().startswith(b"\x89PNG")


def test_labels_stand_in_the_file_as_they_are(make_row, tmp_path):
    rows = [make_row(), make_row(variant="compile")]
    labels = {**LABELS, "pipelines": {"sd-txt2img": "_x $a$ <b>"}, "variants": {"compile": "_y $b$"}}
    for name in ("speedup", "heatmap"):
        save_figure(draw(name, summary_of(rows), labels), [tmp_path / f"{name}.svg"])
        text = (tmp_path / f"{name}.svg").read_text(encoding="utf-8")
        assert "_x $a$ &lt;b&gt;" in text
        assert "_y $b$" in text


def test_equal_labels_stay_two_pipelines(make_row):
    rows = [make_row(), make_row(pipeline="if")]
    (axes,) = draw("rates", summary_of(rows), {"pipelines": {"sd-txt2img": "same", "if": "same"}}).axes
    assert len(axes.patches) == 2
    assert [label.get_text() for label in axes.get_yticklabels()] == ["same", "same"]


def test_the_same_data_give_the_same_files(make_row, tmp_path):
    summary = summary_of(measured_rows(make_row)[:8])
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        write_figures(summary, LABELS, BASELINE, figure_paths(tmp_path / folder))
    for path in figure_paths("."):
        assert (tmp_path / "one" / path).read_bytes() == (tmp_path / "two" / path).read_bytes(), path


DRAW = """
import sys
import diffbench.terminal.rule_script
from diffbench.figures.figures import FIGURES, save_figure
from diffbench.statistics.published import read_published
save_figure(FIGURES["speedup"](read_published(sys.argv[1]), {}, {"variant": "eager"}), sys.argv[2:])
"""
HOSTILE = """
backend: bogus
nonsense: 1
text.usetex: True
font.size: 30
savefig.facecolor: red
axes.prop_cycle: cycler('color', ['k'])
svg.fonttype: path
lines.linewidth: 9
"""


def test_settings_of_the_users_own_change_no_figure(tmp_path):
    """The working folder, the home folder and variables have settings of matplotlib."""

    def drawn(name, **environment):
        paths = [str(tmp_path / f"{name}.{kind}") for kind in ("svg", "png")]
        command = [sys.executable, "-c", DRAW, str(FACTS), *paths]
        own = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT / "workflow/scripts"), **environment}
        subprocess.run(command, check=True, cwd=tmp_path, env=own, capture_output=True)
        return [(tmp_path / path).read_bytes() for path in paths]

    home = str(tmp_path / "home")
    plain = drawn("plain", MPLCONFIGDIR=home)  # which makes the folder
    for folder in (tmp_path / "home", tmp_path):
        (folder / "matplotlibrc").write_text(HOSTILE, encoding="utf-8")
        assert drawn("hostile", MPLCONFIGDIR=home, MATPLOTLIBRC=home, MPLBACKEND="bogus") == plain


def test_columns_differ_without_colour(make_row):
    rows = [make_row(variant=f"v{number}") for number in range(8)]
    (axes,) = draw("rates", summary_of(rows)).axes
    assert len({bar.get_hatch() for bar in axes.patches}) == 8
    rows = [make_row(pipeline=f"p{number}") for number in range(7)]
    lines = draw("throughput", summary_of([{**row, "images_per_second": ""} for row in rows])).axes[0].lines
    assert len({line.get_marker() for line in lines}) == 7
    assert len({str(line._unscaled_dash_pattern) for line in lines}) == 7


def test_a_baseline_of_another_torch_build(make_row):
    baseline = {"torch": "2.0", "variant": "eager"}
    rows = [make_row(), make_row(torch="2.1", iterations_per_second=30)]
    figure = draw("speedup", summary_of(rows, baseline=baseline), baseline=baseline)
    assert beside_bars(figure.axes[0]) == ["1.50 × 20.0"]
    assert "Speed-up over torch 2.0, no compile" in texts_of(figure)


def test_a_huge_matrix_is_saved_with_fewer_dots(tmp_path):
    from matplotlib.figure import Figure

    save_figure(Figure(figsize=(3, 700)), [tmp_path / "a.png"])
    assert (tmp_path / "a.png").stat().st_size


def test_the_workflow_asks_for_every_figure():
    assert list(FIGURE_NAMES) == list(FIGURES)
