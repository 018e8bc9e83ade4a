"""Break-even and error bars, as the figures draw them."""

import numpy as np
import pytest
from matplotlib.container import ErrorbarContainer

from compiled_runs import rows_of
from conftest import ROOT
from diffbench.figures.figures import save_figure
from diffbench.figures.ladder import draw_ladder
from diffbench.statistics.published import read_published
from diffbench.vocabulary.thresholds import WIDEST_INTERVAL
from drawn_figures import BASELINE, LABELS, beside_bars, caption_of, draw, measured_rows, summary_of, texts_of


def segments_of(axes):
    """The two ends of each error bar: arrays [[x, y], [x, y]]."""
    bars = [container for container in axes.containers if isinstance(container, ErrorbarContainer)]
    return [segment for bar in bars for segment in bar.lines[2][0].get_segments()]


def test_error_bars_are_the_intervals_of_the_summary(make_row):
    summary = summary_of(measured_rows(make_row))
    row = summary.iloc[0]
    (axes, *_) = draw("rates", summary).axes
    assert segments_of(axes)[0][:, 0].tolist() == pytest.approx(
        [row["iterations_per_second_low"], row["iterations_per_second_high"]]
    )
    (axes, *_) = draw("speedup", summary).axes
    row = summary[summary["variant"] == "compile"].iloc[0]
    assert segments_of(axes)[0][:, 0].tolist() == pytest.approx([row["speedup_low"], row["speedup_high"]])


@pytest.mark.parametrize("second", [10.5, 10.6])
def test_an_interval_is_drawn_whole_or_left_out_as_too_wide(make_row, second):
    """Two rounds of 10 and 10.5 it/s have an interval of 7.5 to 13.97, a factor of 1.86; with 10.6 its factor is 2.1."""
    rows = [
        make_row(variant=variant, round=number, iterations_per_second=factor * rate)
        for variant, factor in (("eager", 1), ("compile", 2))
        for number, rate in [(1, 10), (2, second)]
    ]
    summary = summary_of(rows)
    row = summary.iloc[0]
    useful = bool(row["iterations_per_second_high"] / row["iterations_per_second_low"] < WIDEST_INTERVAL)
    assert useful == (second == 10.5)
    figure = draw("rates", summary)
    (axes,) = figure.axes
    assert len(segments_of(axes)) == 2 * useful
    assert ("Error bars that would be too wide are left out: too few rounds." in caption_of(figure)) == (not useful)
    most = summary["iterations_per_second_high"].max() if useful else summary["iterations_per_second"].max()
    assert most < axes.get_xlim()[1] < 2 * most


def intervals_drawn(figure):
    """[(low, high)] of all error bars, sorted."""
    segments = [segment for axes in figure.axes for segment in segments_of(axes)]
    return sorted(tuple(segment[:, 0 if np.ptp(segment[:, 0]) else 1]) for segment in segments)


@pytest.mark.parametrize(
    "name", ["rates", "speedup", "speedup-by-gpu", "throughput", "speedup-by-batch-size", "ladder"]
)
def test_an_error_bar_ends_where_its_interval_ends(make_row, name):
    """Intervals that reach further up than down, each another one."""
    rows = [
        make_row(batch_size=size, variant=variant, round=number, iterations_per_second=rate)
        for size in (1, 4)
        for variant, rate in (("eager", 10 * size), ("compile", 25 * size))
        for number in (1, 2)
    ]
    summary = summary_of(rows)
    wider = 1 + np.arange(len(summary)) / 100
    rate, speedup = summary["iterations_per_second"], summary["speedup"].where(summary["variant"] == "compile")
    summary = summary.assign(
        iterations_per_second_low=0.9 * rate, iterations_per_second_high=1.5 * rate * wider,
        speedup_low=0.8 * speedup, speedup_high=1.4 * speedup * wider,
    )  # fmt: skip
    low, high = summary["iterations_per_second_low"], summary["iterations_per_second_high"]
    of_speedups = [(row.speedup_low, row.speedup_high) for row in summary.dropna(subset="speedup_low").itertuples()]
    base = summary.groupby("batch_size")["iterations_per_second"].transform("first")
    expected = {
        "rates": zip(low, high),
        "ladder": zip(low, high),
        "throughput": zip(low * summary["batch_size"], high * summary["batch_size"]),
        "speedup": of_speedups,
        "speedup-by-batch-size": of_speedups,
        "speedup-by-gpu": [
            ends for ends, size in zip(zip(low / base, high / base), summary["batch_size"]) if size == 4
        ],
    }[name]  # fmt: skip
    figure = draw_ladder(summary, LABELS, BASELINE) if name == "ladder" else draw(name, summary)
    drawn = intervals_drawn(figure)
    found = sorted(map(tuple, expected))
    assert len(drawn) == len(found) > 0
    assert drawn == [pytest.approx(ends) for ends in found]


@pytest.mark.parametrize("name", ["rates", "speedup", "speedup-by-gpu", "throughput", "speedup-by-batch-size"])
@pytest.mark.parametrize("compiled", [(20, 20.5), (5, 5.05)])
def test_no_error_bar_leaves_its_panel(make_row, name, compiled):
    """Rounds that differ by 5% have wide intervals, which the axes must hold from end to end."""
    rows = [
        make_row(batch_size=size, variant=variant, round=number, iterations_per_second=rate)
        for size in (1, 4)
        for variant, rates in (("eager", (10, 10.5)), ("compile", compiled))
        for number, rate in enumerate(rates, start=1)
    ]
    drawn = 0
    for axes in draw(name, summary_of(rows)).axes:
        for segment in segments_of(axes):
            drawn += 1
            for (low, high), values in zip((axes.get_xlim(), axes.get_ylim()), segment.T):
                assert min(low, high) <= values.min() and values.max() <= max(low, high)
    assert drawn


def test_break_even_is_drawn_where_the_lines_cross(make_row):
    summary = summary_of(rows_of(make_row))
    row = summary[summary["variant"] == "compile"].iloc[0]
    images = [row["breakeven_cold_images"], row["breakeven_warm_images"]]
    assert images == [100, 20]
    (axes,) = draw("breakeven", summary).axes
    dots = [line for line in axes.lines if line.get_marker() == "o"]
    assert [dot.get_xdata()[0] for dot in dots] == images
    baseline, cold = axes.lines[0], axes.lines[2]  # the baseline's is drawn for cold and for warm
    crossing = [
        line.get_ydata()[0] + 100 / line.get_xdata()[1] * (line.get_ydata()[1] - line.get_ydata()[0])
        for line in (baseline, cold)
    ]
    assert crossing[0] == pytest.approx(crossing[1])
    assert axes.texts[0].get_text() == "cold: 100 images\nwarm: 20 images"
    text = caption_of(draw("breakeven", summary))
    assert "measured 2026-11-20" in text
    assert "random weights" in text


def test_numbers_of_several_variants_have_the_colours_of_their_lines(make_row):
    rows = rows_of(make_row)
    other = [{**row, "variant": "regional", "startup_s": "5"} for row in rows if row["variant"] == "compile"]
    (axes,) = draw("breakeven", summary_of([*rows, *other])).axes
    dots = {line.get_xdata()[0]: line.get_color() for line in axes.lines if line.get_marker() == "o"}
    colours = {text.get_text(): text.get_color() for text in axes.texts}
    assert colours["cold: 100 images\nwarm: 20 images"] == dots[100] == dots[20]
    assert len(set(colours.values())) == 2 and len(colours) == 2


def test_break_even_is_where_the_lines_cross_however_far_rounds_lie_apart(make_row):
    rows = rows_of(make_row)
    rows[0] = make_row(round=1, startup_s=2, latency_s=5.0, images_per_second=1 / 5.0)
    summary = summary_of(rows)
    (axes,) = draw("breakeven", summary).axes
    images, (baseline, cold) = summary["breakeven_cold_images"].max(), (axes.lines[0], axes.lines[2])
    times_s = [np.interp(images, line.get_xdata(), line.get_ydata()) for line in (baseline, cold)]
    assert 0 <= times_s[0] - times_s[1] < 1.5, "ahead by less than an image"


def test_the_legend_has_no_line_that_is_not_drawn(make_row):
    legend = [text for text in texts_of(draw("breakeven", summary_of(rows_of(make_row)[::2]))) if "cache" in text]
    assert [text for text in legend if len(text) < 30] == ["compile, cold cache"]


def test_what_never_pays_says_so(make_row):
    (axes,) = draw("breakeven", summary_of(rows_of(make_row, eager_s=1.5))).axes
    assert axes.texts[0].get_text() == "cold: never\nwarm: never"


NOTHING_COMPILES = "no compiled variant has been measured together with its baseline"
UNKNOWN = "start-up times are unknown, so it is unknown when compiling pays off"


def test_an_empty_figure_says_that_start_ups_are_not_known():
    texts = texts_of(draw("breakeven", read_published(ROOT / "resources/published/pytorch2.csv")))
    assert UNKNOWN in texts and NOTHING_COMPILES not in texts


def test_an_empty_figure_says_that_nothing_compiles(make_row):
    started = [make_row(startup_s=2), make_row(variant="channels-last", startup_s=2)]
    failed = [make_row(startup_s=2), make_row(variant="compile", status="oom", phase="load")]
    alone = [make_row()]  # whose start-up is not known either: there is nothing to compare
    for rows in (started, failed, alone):
        texts = texts_of(draw("breakeven", summary_of(rows)))
        assert NOTHING_COMPILES in texts and UNKNOWN not in texts


def with_startups(make_row, eager_s=2.5, **startups_s):
    """The rows of `rows_of`, those of a variant with another start-up."""
    rows = rows_of(make_row, eager_s)
    return [{**row, "startup_s": str(startups_s.get(row["variant"], row["startup_s"]))} for row in rows]


def test_a_line_whose_start_up_is_negative_begins_at_its_first_call(make_row):
    figure = draw("breakeven", summary_of(with_startups(make_row, eager=-1.5)))
    baseline = figure.axes[0].lines[0]
    x, y = baseline.get_data()
    assert x[0] == 1 and y[0] == pytest.approx(-1.5 + 2.5015, abs=1e-3)
    assert (y[1] - y[0]) / (x[1] - x[0]) == pytest.approx(2.5015, abs=1e-3), "with its own slope"
    assert "start-up below 0 s" in caption_of(figure)
    figure = draw("breakeven", summary_of(with_startups(make_row)))
    assert figure.axes[0].lines[0].get_xdata()[0] == 0
    assert "start-up below 0 s" not in caption_of(figure)


def test_a_line_begins_where_its_time_is_positive(make_row):
    figure = draw("breakeven", summary_of(with_startups(make_row, eager=-6)))
    x, y = figure.axes[0].lines[0].get_data()
    assert x[0] == 3 and y[0] > 0, "a start-up that took 2.4 calls back"


@pytest.mark.parametrize("eager_s, startups_s", [(0.3, {}), (1.5, {"compile": 3}), (2.5, {}), (2.0, {"compile": 0.5})])
def test_no_line_goes_through_the_words(make_row, tmp_path, eager_s, startups_s):
    figure = draw("breakeven", summary_of(with_startups(make_row, eager_s, **startups_s)))
    save_figure(figure, [tmp_path / "a.png"])  # lays it out
    (axes,) = figure.axes
    box = axes.texts[0].get_window_extent()
    lines = [line for line in axes.lines if line.get_marker() == "None"]
    assert len(lines) == 4
    for line in lines:
        ends = axes.transData.transform(list(zip(*line.get_data())))
        heights = np.interp(np.linspace(box.x0, box.x1, 50), *ends.T)
        assert not ((heights > box.y0) & (heights < box.y1)).any()
    assert axes.texts[0].get_bbox_patch().get_facecolor()[:3] == (1, 1, 1)


def test_another_image_is_marked_beside_its_bar(make_row):
    summary = summary_of([make_row(), make_row(variant="compile", iterations_per_second=50)])
    summary.loc[summary["variant"] == "compile", "fidelity"] = "different"
    assert beside_bars(draw("speedup", summary).axes[0]) == ["⚠ other image 2.50 × 20.0"]
    assert "⚠ 2.50" in texts_of(draw("heatmap", summary))
    assert "⚠ other image" in texts_of(draw("speedup-by-batch-size", summary))


def test_another_image_is_marked_where_it_breaks_even(make_row):
    summary = summary_of(rows_of(make_row))
    summary.loc[summary["variant"] == "compile", "fidelity"] = "different"
    (axes,) = draw("breakeven", summary).axes
    assert axes.texts[0].get_text().startswith("⚠ other image, cold: 100 images")


def test_a_baseline_that_compiles_has_a_line_for_each_start(make_row):
    keys = {"variant": "compile", "images_per_second": 0.5}
    rows = [
        make_row(torch=torch, torch_version=torch, round=number, cache=cache, startup_s=startup_s, **{**keys, **own})
        for torch, starts, own in (
            ("2.0", (60, 20), {"latency_s": 2.0}),
            ("2.1", (100, 25), {"latency_s": 1.0, "images_per_second": 1}),
        )
        for number, (cache, startup_s) in enumerate(zip(("cold", "warm"), starts), start=1)
    ]
    (axes,) = draw("breakeven", summary_of(rows, baseline={"torch": "2.0"}), baseline={"torch": "2.0"}).axes
    cold, warm = (line for line in axes.lines if line.get_color() == "black")
    assert (cold.get_ydata()[0], warm.get_ydata()[0]) == (60, 20)
    dots = [(line.get_xdata()[0], line.get_ydata()[0]) for line in axes.lines if line.get_marker() == "o"]
    assert dots == [(40, 140), (5, 30)], "on the lines of the same start"
