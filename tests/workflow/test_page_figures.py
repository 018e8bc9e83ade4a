"""The figures of the reader's page against its data: which cells they show, where, and in which colour; in a real browser."""

import pytest
from test_page import choose

from columns import CELL
from conftest import ROOT
from reporting.labels import read_labels
from reporting.page import build_page
from reporting.page_data import read_details
from reporting.published import read_published
from reporting.read import to_frame
from reporting.summary import summarize

LABELS = read_labels([ROOT / "config" / f"{kind}.yaml" for kind in ("gpus", "pipelines", "variants")])
BASELINE = {"variant": "eager"}
DOTS = """(title) => {
  const figures = [...document.querySelectorAll("#figures figure:has(> h3)")];
  const figure = figures.find((one) => one.querySelector("h3").innerText.startsWith(title));
  return [...figure.querySelectorAll("circle")].map((dot) => {
    const fill = dot.getAttribute("fill") || dot.parentElement.getAttribute("fill");
    return [fill, Number(dot.getAttribute("cx")), Number(dot.getAttribute("cy"))];
  });
}"""


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
    assert page.inner_text("#told").startswith(f"{len(left)} of {len(every)}")


def test_dots_stand_in_the_order_and_ratio_of_their_numbers(tmp_path, make_row, visit):
    """20, 30 and 60 it/s: the distance of the third from the first is four times that of the second."""
    rates = {"eager": 20, "regional": 30, "compile": 60}
    rows = [
        make_row(variant=variant, round=number, iterations_per_second=rate, images_per_second=rate / 50)
        for variant, rate in rates.items()
        for number in (1, 2)
    ]
    measurements = to_frame(rows)
    summary = summarize(measurements, measurements[CELL].drop_duplicates(), BASELINE)
    file = tmp_path / "index.html"
    details = read_details(measurements, None, {}, {})
    file.write_text(build_page(summary, LABELS, BASELINE, {"title": "Dots"}, details), encoding="utf-8")
    page = visit(file)
    first, second, third = (x for _, x, _ in page.evaluate(DOTS, "Pipelines on"))
    assert third - first == pytest.approx(4 * (second - first), rel=0.01) and second > first
    second, third = (x for _, x, _ in page.evaluate(DOTS, "Speed-up by GPU"))
    assert third > second
