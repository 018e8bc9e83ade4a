"""Speed-ups per image where step counts differ, in every table, figure and headline; means over the same pipelines."""

import re

import pytest

from diffbench.figures.figures import FIGURES
from diffbench.figures.ladder import draw_ladder
from diffbench.page.headline import headline_of
from diffbench.tables.extended import build_extended
from diffbench.tables.formats import to_markdown
from diffbench.tables.ladder import render_ladders
from diffbench.tables.table_options import TableOptions
from diffbench.tables.tables import build_table
from drawn_figures import beside_bars, caption_of, panels_of, texts_of
from printed_tables import LABELS, cells_in
from summaries import summary_of

BASELINE = {"variant": "eager"}
OPTIONS = TableOptions(speedups=True)


def of_steps(make_row, iterations, rate, **keys):
    """A row whose whole call takes its loop's time: images per second are the rate over the iterations."""
    values = {"iterations": iterations, "iterations_per_second": rate, "images_per_second": rate / iterations}
    return make_row(**{**values, "latency_s": iterations / rate, **keys})


@pytest.fixture
def summary(make_row):
    """50 steps at 20 it/s, 4 steps at 20 it/s (12.5 times the images), and the same 50 steps at 30 it/s."""
    rows = [
        of_steps(make_row, 50, 20),
        of_steps(make_row, 4, 20, variant="lcm-4"),
        of_steps(make_row, 50, 30, variant="compile"),
    ]
    summary = summary_of(rows)
    few = summary["variant"] == "lcm-4"
    return summary.assign(
        speedup=summary["speedup"].where(~few, 12.5), speedup_unit=["images/s" if own else "it/s" for own in few]
    )


def line_of(text, label):
    return next(cells_in(line) for line in text.splitlines() if line.startswith("|") and label in line)


def test_a_table_marks_a_speedup_per_image_and_says_why(summary):
    text = to_markdown(build_table(summary, "A100", 1, LABELS, OPTIONS))
    assert line_of(text, "SD - txt2img")[1:] == ["20.00", "1.00x", "20.00", "12.50x per image", "30.00", "1.50x"]
    assert "Speed-ups of LCM, 4 steps are per image: step counts differ (4 and 50)." in text
    assert "no compile are per image" not in text and "Speed-ups of compile" not in text


@pytest.mark.parametrize(("unit", "says"), [("images/s", 1), ("s/image", 1), ("it/s", 0), ("s/it", 0)])
def test_a_table_of_whole_calls_says_that_speedups_are_of_iterations(summary, unit, says):
    text = to_markdown(build_table(summary, "A100", 1, LABELS, OPTIONS._replace(unit=unit)))
    assert text.count("Speed-ups compare iterations per second") == says
    few = summary[summary["variant"] != "compile"]
    assert "Speed-ups compare iterations" not in to_markdown(
        build_table(few, "A100", 1, LABELS, OPTIONS._replace(unit=unit))
    ), "all are per image"


def test_the_extended_table_has_the_same(summary):
    text = to_markdown(build_extended(summary, "A100", 1, LABELS))
    assert "12.50x per image" in line_of(text, "LCM, 4 steps")
    assert "1.50x" in line_of(text, "torch 2.0 - compile")
    assert "Speed-ups of LCM, 4 steps are per image: step counts differ (4 and 50)." in text


def test_a_ladder_compares_steps_per_image_where_their_counts_differ(summary):
    text = render_ladders(summary, LABELS, BASELINE)
    lines = [cells_in(line) for line in text.splitlines() if line.startswith("|")]
    before, first = (lines[0].index(f"**speed-up over the {step}**") for step in ("step before", "first step"))
    assert [line[before] for line in lines[2:]] == ["-", "12.50x per image", "0.12x per image"]
    assert [line[first] for line in lines[2:]] == ["1.00x", "12.50x per image", "1.50x"]
    assert "Speed-ups compare iterations per second; they are per image where step counts differ." in text


def test_the_waterfall_is_in_images_where_step_counts_differ(summary):
    figure = draw_ladder(summary, LABELS, BASELINE)
    (axes,) = panels_of(figure).values()
    ends = [(bar.get_x(), bar.get_x() + bar.get_width()) for bar in axes.patches]
    assert ends == [pytest.approx(pair) for pair in [(0, 0.4), (0.4, 5), (5, 0.6)]]
    assert axes.get_xlabel() == "images per second"
    assert "If step counts differ, rates are images per second of whole calls." in caption_of(figure)
    assert beside_bars(axes) == ["0.4 (1.00x)", "5.00 (12.50x)", "0.6 (1.50x)"]
    same = summary[summary["variant"] != "lcm-4"]
    (axes,) = panels_of(draw_ladder(same, LABELS, BASELINE)).values()
    assert axes.get_xlabel() == "iterations per second"


@pytest.mark.parametrize("name", ["speedup", "speedup-by-gpu"])
def test_bars_are_per_image_and_their_axis_says_so(summary, name):
    (axes,) = FIGURES[name](summary, LABELS, BASELINE).axes
    assert "12.50 × 0.4 images/s" in beside_bars(axes)
    assert "1.50 × 20.0" in beside_bars(axes)
    assert 12.5 in [pytest.approx(bar.get_width()) for bar in axes.patches]
    assert axes.get_xlabel() == "speed-up (per image where step counts differ)"
    same = summary[summary["variant"] != "lcm-4"]
    assert FIGURES[name](same, LABELS, BASELINE).axes[0].get_xlabel() == "speed-up"


def test_lines_and_heat_map_are_per_image_and_say_so(summary):
    figure = FIGURES["speedup-by-batch-size"](summary, LABELS, BASELINE)
    assert list(panels_of(figure)["A100: LCM, 4 steps"].lines[0].get_ydata()) == [12.5]
    assert "speed-up (per image where step counts differ)" in texts_of(figure)
    figure = FIGURES["heatmap"](summary[summary["variant"] != "compile"], LABELS, BASELINE)
    assert beside_bars(figure.axes[0]) == ["12.50"]
    assert "Speed-ups are per image where step counts differ." in caption_of(figure)
    assert "per image" not in caption_of(FIGURES["heatmap"](summary, LABELS, BASELINE)), "of compile alone"


def test_the_headline_gives_both_rates_in_the_unit_of_the_speedup(summary):
    judged = summary.assign(verdict=["", "faster", "faster"], speedup_low=[None, 12, 1.4], speedup_high=[None, 13, 1.6])
    best = headline_of(judged, LABELS, "no compile")[0]
    assert best.value == "12.50x per image"
    assert "5.00 images/s compared with 0.4 images/s for no compile; step counts differ" in best.text
    best = headline_of(judged[judged["variant"] != "lcm-4"], LABELS, "no compile")[0]
    assert best.value == "1.50x" and "30.0 it/s compared with 20.0 it/s for no compile; 95%" in best.text


def rates_of(make_row, **variants):
    """Rows of pipelines p0, p1, …: of each variant one rate a pipeline, None where it failed."""
    return [
        make_row(pipeline=f"p{place}", variant=variant, iterations_per_second=rate)
        if rate
        else make_row(pipeline=f"p{place}", variant=variant, status="oom", phase="load")
        for variant, rates in variants.items()
        for place, rate in enumerate(rates)
    ]


def means_in(rows, **options):
    table = build_table(summary_of(rows), "A100", 1, LABELS, TableOptions(speedups=True, **options))
    return [note for note in table.notes if "eometric mean" in note]


def test_means_of_all_columns_are_over_the_same_pipelines(make_row):
    rows = rates_of(make_row, eager=[10, 10, 10], compile=[20, 20, 80], regional=[20, 40, None])
    assert means_in(rows) == [
        "Geometric mean over 2 of 3 pipelines, torch 2.0 compile: 2.00x (10 to 20 it/s).",
        "Geometric mean over 2 of 3 pipelines, torch 2.0 regional compile: 2.83x (10 to 28.3 it/s).",
    ]
    assert means_in(rows, columns=(("2.0", "eager"), ("2.0", "compile"))) == [
        "Geometric mean over 3 pipelines, torch 2.0 compile: 3.17x (10 to 31.7 it/s)."
    ], "a column that is not printed does not count"


def test_columns_without_two_pipelines_in_common_have_no_mean(make_row):
    rows = rates_of(make_row, eager=[10, 10, 10], compile=[20, 20, None], regional=[None, 20, 20])
    assert means_in(rows) == ["No geometric mean: fewer than two pipelines have a speed-up in every column."]
    assert means_in(rates_of(make_row, eager=[10], compile=[20], regional=[30])) == []


def test_a_mean_of_speedups_per_image_has_rates_per_image(make_row):
    rows = [of_steps(make_row, 50, 20, pipeline=name) for name in ("p0", "p1")]
    rows += [of_steps(make_row, 4, 20, pipeline=name, variant="lcm-4") for name in ("p0", "p1")]
    few = (summary := summary_of(rows))["variant"] == "lcm-4"
    summary = summary.assign(speedup=summary["speedup"].where(~few, 12.5), speedup_unit=few.map({True: "images/s"}))
    notes = build_table(summary.fillna({"speedup_unit": "it/s"}), "A100", 1, LABELS, OPTIONS).notes
    (mean,) = [note for note in notes if "Geometric mean" in note]
    assert re.fullmatch(
        r"Geometric mean over 2 pipelines, torch 2\.0 LCM, 4 steps: 12\.50x \(0\.4 to 5 images/s\)\.", mean
    )
