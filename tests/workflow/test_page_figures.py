"""The figures of the reader's page against its data: which cells they show, where, and in which colour; in a real browser."""

import pandas as pd
import pytest

from conftest import ROOT
from diffbench.page.details import read_details
from diffbench.page.page import build_page
from diffbench.statistics.published import read_published
from diffbench.vocabulary.columns import KEY
from pages import BASELINE, LABELS, choose, page_of

pytestmark = pytest.mark.slow

FIGURE = """
  const figures = [...document.querySelectorAll("#figures figure:has(> h3)")];
  const figure = figures.find((one) => one.querySelector("h3").innerText.startsWith(title));
  const number = (element, name) => Number(element.getAttribute(name));
"""
# of the figure whose title begins so: [fill, x, y] of each dot; [left, right] of each interval; x of each upright dashed line;
# the two ends of each line
DOTS = f"""(title) => {{ {FIGURE}
  const fill = (dot) => dot.getAttribute("fill") || dot.parentElement.getAttribute("fill");
  return [...figure.querySelectorAll("circle")].map((dot) => [fill(dot), number(dot, "cx"), number(dot, "cy")]);
}}"""
RULES = f"""(title) => {{ {FIGURE}
  const coloured = [...figure.querySelectorAll("line[stroke^='#']")];
  const level = coloured.filter((line) => number(line, "y1") === number(line, "y2"));
  return level.map((line) => [number(line, "x1"), number(line, "x2")]);
}}"""
MARKS = f"""(title) => {{ {FIGURE}
  const lines = [...figure.querySelectorAll("g[stroke-dasharray] line, line[stroke-dasharray]")];
  return lines.map((line) => number(line, "x1"));
}}"""
LINES = f"""(title) => {{ {FIGURE}
  const straight = [...figure.querySelectorAll("path")].map((path) => path.getAttribute("d").slice(1).split("L"));
  const ends = straight.map((points) => points.map((point) => point.split(",").map(Number)));
  return ends.filter((points) => points.length === 2 && Math.abs(points[1][0] - points[0][0]) > 100);
}}"""
# [x, the top of its panel] of each dot; the corners of each line that has more than two
PANELS = f"""(title) => {{ {FIGURE}
  const heights = (dot) => dot.getBoundingClientRect().y - number(dot, "cy");
  return [...figure.querySelectorAll("circle")].map((dot) => [number(dot, "cx"), Math.round(heights(dot))]);
}}"""
PATHS = f"""(title) => {{ {FIGURE}
  const straight = [...figure.querySelectorAll("path")].map((path) => path.getAttribute("d").slice(1).split("L"));
  return straight.filter((points) => points.length > 2).map((points) => points.map((point) => point.split(",").map(Number)));
}}"""


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """The page of the published dataset."""
    summary = read_published(ROOT / "resources/published/pytorch2.csv")
    file = tmp_path_factory.mktemp("published") / "index.html"
    details = read_details(None, None, {}, {})
    file.write_text(build_page(summary, LABELS, BASELINE, {"title": "Published"}, details), encoding="utf-8")
    return file


def fills(page, title):
    """The different colours of the dots of the figure whose title begins so, in their order."""
    return list(dict.fromkeys(fill for fill, _, _ in page.evaluate(DOTS, title)))


def test_batch_sizes_are_of_first_stages(published, visit):
    page = visit(published, "gpu=A100")
    names = page.locator(".multiples > *").all_text_contents()
    assert len(names) == 6, "a panel a pipeline"
    assert not any("stage 2" in name or "stage 3" in name for name in names)


def test_a_variant_has_one_colour_in_all_figures_whatever_is_filtered(published, visit):
    page = visit(published, "gpu=A100&torch=2.0&pipeline=sd-txt2img&batch_size=1")
    eager, compiled = fills(page, "Pipelines on")
    assert eager != compiled
    assert fills(page, "Speed-up by GPU") == [compiled], "the baseline is not in it"
    choose(page, "variant", "compile")
    assert fills(page, "Pipelines on") == [compiled]
    page = visit(published, "gpu=A100&variant=compile&batch_size=1,4")
    assert set(fills(page, "Pipelines on")) == set(fills(page, "Batch-size scaling"))


@pytest.mark.parametrize(
    "axis, names", [("gpu", "T4"), ("pipeline", "if"), ("batch_size", "4"), ("torch", "2.0"), ("variant", "compile")]
)
def test_each_filter_leaves_its_cells_in_table_and_figures(published, visit, axis, names):
    page = visit(published, f"{axis}={names}")
    left = page.evaluate(
        "DATA.cells.filter(isShown).map((cell) => [cell.gpu, cell.pipeline, cell.batch_size, cell.torch, cell.variant])"
    )
    every = page.evaluate(
        "DATA.cells.map((cell) => [cell.gpu, cell.pipeline, cell.batch_size, cell.torch, cell.variant])"
    )
    place = ["gpu", "pipeline", "batch_size", "torch", "variant"].index(axis)
    assert left == [cell for cell in every if cell[place] == names] and 0 < len(left) < len(every)
    assert page.inner_text("#shown").startswith(f"{len(left)} of {len(every)}")


@pytest.mark.parametrize(
    ("unit", "values"), [("it/s", (20, 30, 60)), ("s/it", (3, 2, 1)), ("images/s", (4, 1, 2)), ("s/image", (1, 4, 2))]
)
def test_dots_and_intervals_stand_where_their_numbers_are_in_every_unit(tmp_path, make_row, visit, unit, values):
    """Of 20, 30 and 60 it/s the third is four times as far from the first as the second; images go another way."""
    rates = {"eager": (20, 4), "regional": (30, 1), "compile": (60, 2)}
    rows = [
        make_row(
            variant=variant,
            round=number,
            iterations_per_second=rate * 1.001**number,
            images_per_second=images * 1.001**number,
        )
        for variant, (rate, images) in rates.items()
        for number in (1, 2)
    ]
    page = visit(page_of(tmp_path, rows), f"unit={unit}")
    first, second, third = (x for _, x, _ in page.evaluate(DOTS, "Pipelines on"))
    expected = (values[2] - values[0]) / (values[1] - values[0])
    assert (third - first) / (second - first) == pytest.approx(expected, rel=0.02)
    assert (second > first) == (values[1] > values[0])
    rules = page.evaluate(RULES, "Pipelines on")
    assert len(rules) == 3
    for (left, right), dot in zip(rules, (first, second, third)):
        assert (left + right) / 2 == pytest.approx(dot, abs=2), "an interval lies around its dot"
    if unit == "it/s":
        second, third = (x for _, x, _ in page.evaluate(DOTS, "Speed-up by GPU"))
        assert third > second


def test_calls_are_counted_in_their_own_round(tmp_path, make_row, visit):
    """First call, warm-up and two measured calls in each of two rounds: the first is not drawn."""
    rows = [make_row(round=number) for number in (1, 2)]
    kinds = ("first", "warmup", "call", "call")
    calls = pd.DataFrame(
        [
            {**{key: rows[0][key] for key in KEY}, "round": number, "kind": kind, "latency_s": 1 + place / 10}
            for number in (1, 2)
            for place, kind in enumerate(kinds)
        ]
    ).astype({"batch_size": int, "stage": int})
    page = visit(page_of(tmp_path, rows, calls), "cell=A100%2F2.0%2Fsd-txt2img%2F1%2Feager%2F1")
    places = page.evaluate(
        "[...document.querySelectorAll('#cell figure circle')].map((dot) => Number(dot.getAttribute('cx')))"
    )
    assert len(places) == 2 * 3 + 2 * 2, "hollow for all but the first call, filled for the measured ones"
    assert len(set(places)) == 3
    assert sorted(places.count(place) for place in set(places)) == [2, 4, 4]


def test_a_break_even_is_marked_where_its_cold_lines_cross(tmp_path, make_row, visit):
    """Cold, compile is 60 s behind and gains 0.5 s an image; warm only 20 s."""
    facts = {"eager": ("", 2, 1.0), "cold": ("cold", 62, 2.0), "warm": ("warm", 22, 2.0)}
    rows = [
        make_row(
            variant=variant, round=number, cache=facts[kind][0], startup_s=facts[kind][1], first_call_s=9,
            images_per_second=facts[kind][2], latency_s=1 / facts[kind][2], iterations_per_second=50 * facts[kind][2],
        )
        for variant, kinds in (("eager", ("eager", "eager")), ("compile", ("cold", "warm")))
        for number, kind in enumerate(kinds, start=1)
    ]  # fmt: skip
    page = visit(page_of(tmp_path, rows))
    figure = page.locator("#figures figure:has(> h3)", has_text="Break-even:")
    assert [text for text in figure.locator("text").all_text_contents() if text.endswith(" images")] == ["120 images"]
    (place,) = page.evaluate(MARKS, "Break-even:")
    (first, second) = page.evaluate(LINES, "Break-even:")
    (x0, y0), (x1, y1) = first
    (_, z0), (_, z1) = second
    crossing = x0 + (x1 - x0) * (z0 - y0) / ((z0 - y0) - (z1 - y1))
    assert place == pytest.approx(crossing, abs=1)


def test_speedups_stand_in_the_panel_of_their_gpu(tmp_path, make_row, visit):
    """2x and 3x on the A100, 4x and 5x on the T4: at equal distances, in two panels, with one image that differs."""
    rates = {("A100", "eager"): 10, ("A100", "regional"): 20, ("A100", "compile"): 30}
    rates |= {("T4", "eager"): 1, ("T4", "regional"): 4, ("T4", "compile"): 5}
    rows = [make_row(gpu=gpu, variant=variant, iterations_per_second=rate) for (gpu, variant), rate in rates.items()]

    def differ(summary):
        other = (summary["gpu"] == "T4") & (summary["variant"] == "compile")
        return summary.assign(fidelity=other.map({True: "different", False: "close"}))

    page = visit(page_of(tmp_path, rows, change=differ))
    dots = sorted((x, y, fill) for fill, x, y in page.evaluate(DOTS, "Speed-up by GPU"))
    gaps = [right[0] - left[0] for left, right in zip(dots, dots[1:])]
    assert len(dots) == 4 and gaps == pytest.approx([gaps[0]] * 3, rel=0.02)
    tops = [top for _, top in sorted(page.evaluate(PANELS, "Speed-up by GPU"))]
    assert tops[0] == tops[1] < tops[2] == tops[3], "the A100 is above the T4, as in the dataset"
    assert [dot[2] for dot in dots] == [dots[0][2], dots[1][2], dots[0][2], dots[1][2]], "a colour a variant"
    figure = page.locator("#figures figure:has(> h3)").first
    assert figure.locator("text", has_text="⚠").count() == 1
    assert "⚠: the image differs from the baseline's." in figure.locator("figcaption").inner_text()
    page.select_option("#baseline", "gpu:T4")
    ratios = sorted(x for _, x, _ in page.evaluate(DOTS, "Speed-up by GPU"))
    assert (ratios[2] - ratios[0]) / (ratios[1] - ratios[0]) == pytest.approx((10 - 5) / (6 - 5), rel=0.02)


def test_the_gpu_that_is_chosen_is_drawn(tmp_path, make_row, visit):
    rates = {"A100": (10, 20, 40), "T4": (1, 4, 3)}
    rows = [
        make_row(gpu=gpu, variant=variant, iterations_per_second=rate)
        for gpu, of_gpu in rates.items()
        for variant, rate in zip(("eager", "regional", "compile"), of_gpu)
    ]
    page = visit(page_of(tmp_path, rows))
    for gpu, (first, second, third) in (*rates.items(), ("A100", rates["A100"])):
        page.select_option("#one", gpu)
        assert gpu in page.locator("#figures h3", has_text="Pipelines on").inner_text()
        x = [place for _, place, _ in page.evaluate(DOTS, "Pipelines on")]
        assert (x[2] - x[0]) / (x[1] - x[0]) == pytest.approx((third - first) / (second - first), rel=0.02)


@pytest.mark.parametrize("images", [True, False])
def test_batch_sizes_are_drawn_by_images_or_by_batches_of_iterations(tmp_path, make_row, visit, images):
    """Images per second 1, 3, 2 at batch sizes 1, 4, 16; without them batch size times 8, 1, 0.75 it/s: 8, 4, 12."""
    numbers = {1: (8, 1), 4: (1, 3), 16: (0.75, 2)}
    rows = [
        make_row(batch_size=size, iterations_per_second=rate, images_per_second=of_images if images else "")
        for size, (rate, of_images) in numbers.items()
    ]
    page = visit(page_of(tmp_path, rows))
    x, y = zip(*((x, y) for _, x, y in page.evaluate(DOTS, "Batch-size scaling")))
    assert (x[2] - x[1]) == pytest.approx(x[1] - x[0], abs=1), "the axis is logarithmic"
    values = (1, 3, 2) if images else (8, 4, 12)
    assert (y[2] - y[0]) / (y[1] - y[0]) == pytest.approx((values[2] - values[0]) / (values[1] - values[0]), rel=0.02)
    assert (y[1] < y[0]) == images, "more is higher"
    unit = "images/s" if images else "batch size × it/s"
    assert page.locator(".multiples text", has_text=unit).count() == 1


def test_roofline_points_and_roof_stand_where_their_numbers_are(tmp_path, make_row, visit):
    """1, 10 and 100 FLOP per byte reach 1, 2 and 8 TFLOP/s under a roof of 10 TFLOP/s and 1 TB/s, whose knee is at 10."""
    work = {1: 1, 10: 2, 100: 8}
    rows = [make_row(batch_size=size) for size in (1, 4, 16)]

    def with_work(summary):
        intensity = summary["batch_size"].map(dict(zip((1, 4, 16), work)))
        return summary.assign(
            step_mib=1e9 / 2**20, step_gflop=intensity, achieved_tflops=intensity.map(work), matmul_tflops=10.0,
            copy_gib_per_second=1e12 / 2**30,
        )  # fmt: skip

    page = visit(page_of(tmp_path, rows, change=with_work))
    x, y = zip(*((x, y) for _, x, y in page.evaluate(DOTS, "Roofline")))
    assert x[2] - x[1] == pytest.approx(x[1] - x[0], abs=1)
    octave = y[0] - y[1]
    assert octave > 5 and y[0] - y[2] == pytest.approx(3 * octave, rel=0.02)
    (roof,) = page.evaluate(PATHS, "Roofline")
    knee, end = roof[1:]
    assert knee[0] == pytest.approx(x[1], abs=1) and knee[1] == pytest.approx(end[1], abs=0.5) and end[0] > x[2]
    assert y[0] - knee[1] == pytest.approx(octave * 3.3219, rel=0.02), "10 TFLOP/s"
    decade = x[1] - x[0]
    slope = (roof[0][1] - knee[1]) / (knee[0] - roof[0][0])
    assert slope == pytest.approx(octave * 3.3219 / decade, rel=0.02), "ten times the intensity, ten times the TFLOP/s"


def test_the_break_even_that_is_chosen_is_drawn(tmp_path, make_row, visit):
    """At batch size 4 compile has caught up with eager after 40 images, at 1 after 120."""
    facts = {1: (62, 2.0), 4: (22, 2.0)}
    rows = [
        make_row(
            batch_size=size, variant=variant, cache="cold" * (variant == "compile"), first_call_s=9,
            startup_s=2 if variant == "eager" else facts[size][0],
            images_per_second=1.0 if variant == "eager" else facts[size][1],
            latency_s=size / (1.0 if variant == "eager" else facts[size][1]),
        )
        for size in facts
        for variant in ("eager", "compile")
    ]  # fmt: skip
    page = visit(page_of(tmp_path, rows))
    for size, text in ((1, "120 images"), (4, "40 images"), (1, "120 images")):
        (option,) = [
            option for option in page.locator("#group option").all() if f"batch {size}," in option.inner_text()
        ]
        page.select_option("#group", option.get_attribute("value"))
        figure = page.locator("#figures figure:has(> h3)", has_text="Break-even:")
        assert f"batch {size}," in figure.locator("h3").inner_text()
        assert [found for found in figure.locator("text").all_text_contents() if found.endswith(" images")] == [text]
