"""The legend of each figure against what is drawn in that style: an entry names the cells whose numbers its bar or line has."""

import numpy as np
import pytest
from matplotlib.colors import to_hex

from compiled_runs import rows_of
from diffbench.figures.figures import FIGURES
from diffbench.figures.ladder import FALL, FIRST, RISE, draw_ladder
from diffbench.vocabulary.columns import STARTS
from drawn_figures import LABELS, panels_of, summary_of
from ladders import BASELINE as LADDER_BASELINE
from ladders import step_rows

BASELINE = {"variant": "eager"}
PIPELINES = {"sd-txt2img": "SD - txt2img", "sd-img2img": "SD - img2img", "sdxl-txt2img": "SDXL - txt2img"}
VARIANTS = {"eager": "no compile", "compile": "compile", "regional": "regional compile"}
SIZES = (1, 4)


@pytest.fixture
def summary(make_row):
    """No two cells have the same rate, and only those of the baseline the same speed-up."""
    rows, rate, growth = [], 10.0, 1.1
    for pipeline in PIPELINES:
        for size in SIZES:
            for variant in VARIANTS:
                rate, growth = rate * growth, growth + 0.01
                keys = {"pipeline": pipeline, "batch_size": size, "variant": variant, "images_per_second": rate / 50}
                rows.append(make_row(iterations_per_second=rate, **keys))
    return summary_of(rows)


def legend_of(figure):
    """{label: artist} of a figure's legend."""
    (legend,) = figure.legends
    return dict(zip([" ".join(text.get_text().split()) for text in legend.get_texts()], legend.legend_handles))


def of_bar(artist):
    return to_hex(artist.get_facecolor()), artist.get_hatch() or ""


def of_line(line):
    return to_hex(line.get_color()), line.get_marker(), line._unscaled_dash_pattern


def values_of(summary, column, **keys):
    part = summary
    for name, value in keys.items():
        part = part[part[name] == value]
    return [pytest.approx(value) for value in part[column]]


@pytest.mark.parametrize(("name", "column"), [("speedup", "speedup"), ("rates", "iterations_per_second")])
def test_a_bars_label_is_that_of_its_variant(summary, name, column):
    figure = FIGURES[name](summary, LABELS, BASELINE)
    shown = {variant: label for variant, label in VARIANTS.items() if name == "rates" or variant != "eager"}
    legend = legend_of(figure)
    assert list(legend) == list(shown.values())
    for size in SIZES:
        axes = panels_of(figure)[f"A100, batch size {size}"]
        for variant, label in shown.items():
            widths = [bar.get_width() for bar in axes.patches if of_bar(bar) == of_bar(legend[label])]
            assert widths == values_of(summary, column, batch_size=size, variant=variant), (size, variant)


def test_a_variant_looks_the_same_in_all_figures_of_bars(summary):
    rates, speedups = (legend_of(FIGURES[name](summary, LABELS, BASELINE)) for name in ("rates", "speedup"))
    assert list(speedups) == [label for label in rates if label != VARIANTS["eager"]]
    for label, artist in speedups.items():
        assert of_bar(artist) == of_bar(rates[label]), label


def test_a_bars_label_is_that_of_its_variant_on_each_gpu(summary, make_row):
    rows = [
        make_row(gpu=gpu, batch_size=4, variant=variant, iterations_per_second=rate * factor)
        for gpu, factor in (("A100", 1), ("T4", 0.3))
        for variant, rate in (("eager", 10), ("compile", 17), ("regional", 14 * factor))
    ]
    summary = summary_of(rows)
    figure = FIGURES["speedup-by-gpu"](summary, LABELS, BASELINE)
    legend, (axes,) = legend_of(figure), figure.axes
    for variant, label in VARIANTS.items():
        widths = [bar.get_width() for bar in axes.patches if of_bar(bar) == of_bar(legend[label])]
        assert widths == values_of(summary, "speedup", variant=variant), variant


@pytest.mark.parametrize(
    ("name", "panel", "column", "factor"),
    [
        ("speedup-by-batch-size", "A100: compile", "speedup", None),
        ("throughput", "A100: compile", "iterations_per_second", "batch_size"),
    ],
)
def test_a_lines_label_is_that_of_its_pipeline(summary, name, panel, column, factor):
    figure = FIGURES[name](summary, LABELS, BASELINE)
    legend = legend_of(figure)
    assert list(legend) == list(PIPELINES.values())
    axes = next(axes for axes in figure.axes if axes.get_title() == panel)
    expected = summary[summary["variant"] == "compile"]
    expected = expected.assign(value=expected[column] * (expected[factor] if factor else 1))
    for pipeline, label in PIPELINES.items():
        (line,) = [
            line for line in axes.lines if len(line.get_ydata()) == 2 and of_line(line) == of_line(legend[label])
        ]
        assert list(line.get_ydata()) == values_of(expected, "value", pipeline=pipeline), pipeline


def test_a_break_evens_label_is_that_of_its_variant_and_cache(make_row):
    rows = rows_of(make_row)
    rows += [
        {
            **row,
            "variant": "regional",
            "images_per_second": repr(0.41),
            "latency_s": repr(1 / 0.41),
            "startup_s": str(startup),
        }
        for row, startup in zip(rows[2:], (30, 7))
    ]
    summary = summary_of(rows).set_index("variant")
    figure = FIGURES["breakeven"](summary.reset_index()[list(summary_of(rows))], LABELS, BASELINE)
    legend, (axes,) = legend_of(figure), panels_of(figure).values()
    assert list(legend) == [
        "no compile",
        *(f"{VARIANTS[name]}, {state} cache" for name in ("compile", "regional") for state in ("cold", "warm")),
    ]
    for variant in ("compile", "regional"):
        for state in ("cold", "warm"):
            style = of_line(legend[f"{VARIANTS[variant]}, {state} cache"])[::2]
            (line,) = [one for one in axes.lines if one.get_marker() == "None" and of_line(one)[::2] == style]
            (start, end), row = line.get_ydata(), summary.loc[variant]
            assert start == pytest.approx(row[STARTS["startup_s"][state]])
            assert (end - start) / line.get_xdata()[1] == pytest.approx(1 / row["images_per_second"])
    (line,) = {tuple(one.get_ydata()) for one in axes.lines if one.get_color() == legend["no compile"].get_color()}
    assert line[0] == pytest.approx(summary.loc["eager", "startup_cold_s"])


def test_a_steps_label_is_whether_it_is_faster_than_the_one_before(make_row):
    summary = summary_of(step_rows(make_row), baseline=LADDER_BASELINE)
    figure = draw_ladder(summary, LABELS, LADDER_BASELINE)
    legend, (axes,) = legend_of(figure), panels_of(figure).values()
    assert list(legend) == [FIRST, RISE, FALL]
    names = {of_bar(artist): label for label, artist in legend.items()}
    grown = [bar.get_width() for bar in axes.patches]
    assert [names[of_bar(bar)] for bar in axes.patches] == [
        FIRST,
        *(RISE if width > 0 else FALL for width in grown[1:]),
    ]


def test_a_points_labels_are_those_of_its_pipeline_variant_and_batch_size(summary):
    place = np.arange(1, len(summary) + 1)
    summary = summary.assign(
        step_gflop=100.0 * place,
        step_mib=7.0 * place[::-1],
        achieved_tflops=1.0 + place,
        matmul_tflops=500.0,
        copy_gib_per_second=4000.0,
    )
    figure = FIGURES["roofline"](summary, LABELS, BASELINE)
    legend, (axes,) = legend_of(figure), panels_of(figure).values()
    points = {}
    for line in axes.lines:
        if line.get_linestyle() == "None":
            style = line.get_marker(), to_hex(line.get_markeredgecolor()), line.get_fillstyle(), line.get_markersize()
            points[style] = (line.get_xdata()[0], line.get_ydata()[0])
    assert len(points) == len(summary)
    for row in summary.to_dict("records"):
        pipeline, variant = legend[PIPELINES[row["pipeline"]]], legend[VARIANTS[row["variant"]]]
        size = legend[f"batch size {row['batch_size']}"].get_markersize()
        style = pipeline.get_marker(), to_hex(variant.get_markeredgecolor()), variant.get_fillstyle(), size
        intensity = row["step_gflop"] * 1e9 / (row["step_mib"] * 2**20)
        assert points[style] == pytest.approx((intensity, row["achieved_tflops"]))
