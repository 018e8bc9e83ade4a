"""The reader's page in a real browser: the published dataset and the measured ones."""

import re

import pytest

from conftest import Project
from pages import cells_in, choose, close_cell, copied

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """{dataset: the file of its page}, made as a user makes them."""
    project = Project(tmp_path_factory.mktemp("page") / "project")
    project.snakemake("published", "measured")
    return {path.parent.name: path for path in (project.folder / "results").glob("*/index.html")}


def test_the_pages_are_small_and_complete(pages):
    assert set(pages) == {"pytorch2", "cpu-torch-2.1-2.13", "cpu-catalogue-torch-2.13", "h200-torch-2.11"}
    for path in pages.values():
        assert path.stat().st_size < 5e6, path


def test_filter_sort_and_link(pages, visit):
    page = visit(pages["pytorch2"])
    told = "All 348 cells and stages, page 1 of 4; in iterations per second; speed-ups against no compile."
    assert page.inner_text("#shown") == told
    choose(page, "gpu", "T4")
    choose(page, "batch_size", "16")
    assert set(cells_in(page, "GPU")) == {"T4"} and set(cells_in(page, "Batch")) == {"16"}
    assert page.inner_text("#shown").endswith("against no compile; GPU T4; Batch size 16.")
    assert "OOM" in cells_in(page, "it/s")
    page.locator("[data-sort=value]").click()
    assert page.locator("th[aria-sort=descending]").inner_text().startswith("it/s")
    rates = [float(text) for text in cells_in(page, "it/s") if re.fullmatch(r"[0-9.]+", text)]
    assert len(rates) > 2 and rates == sorted(rates, reverse=True)
    again = visit(pages["pytorch2"], page.url.partition("#")[2])
    assert cells_in(again, "it/s") == cells_in(page, "it/s")
    assert again.locator("details[data-axis=gpu] > summary").inner_text() == "GPU (1)"
    page.locator("#reset").click()
    assert page.inner_text("#shown").startswith("All 348")


def test_a_hash_that_names_nothing_shows_everything(pages, visit):
    nothing = "gpu=H9000&unit={}&baseline=x&sort=-nothing&cell=none&one=x&group=y&gpu=__proto__"
    for unit in ("furlongs", "toString", "__proto__", "images/s"):
        page = visit(pages["pytorch2"], nothing.format(unit))
        assert page.inner_text("#shown").startswith("All 348 cells and stages, page 1 of 4; in iterations per second")
        assert page.url.endswith("#")


def test_the_headline_leads_to_its_cells(pages, visit):
    page = visit(pages["pytorch2"])
    page.locator(".headline a", has_text="Without a number").click()
    assert page.inner_text("#shown").startswith("25 of 348")
    assert set(cells_in(page, "it/s")) >= {"compile error", "OOM"}
    page.locator("#table-heading:focus").wait_for()


def test_units_and_baseline(pages, visit):
    page = visit(pages["pytorch2"], "gpu=A100&batch_size=1&pipeline=sd-txt2img")
    assert cells_in(page, "it/s") == ["21.66", "23.13", "44.03", "49.74"]
    assert cells_in(page, "Speed-up") == ["1.00x", "1.00x", "2.03x", "2.15x"]
    page.select_option("#baseline", "torch:2.0,variant:eager")
    assert cells_in(page, "Speed-up") == ["1.00x", "1.07x", "2.03x", "2.30x"]
    page.select_option("#unit", "s/it")
    assert [float(text) for text in cells_in(page, "s/it")] == pytest.approx([0.0462, 0.0432, 0.0227, 0.0201])
    page.select_option("#baseline", "gpu:A100")
    page.locator("#reset").click()
    choose(page, "gpu", "V100")
    assert page.locator("#figures svg").count() >= 3


def test_a_measured_cell_has_its_rounds_calls_and_command(pages, visit):
    page = visit(pages["cpu-torch-2.1-2.13"])
    assert "Miniature models" in page.inner_text("header")
    page.locator("[data-cell='CPU/2.1/sd-txt2img/1/compile/1']").click()
    dialog = page.locator("dialog[open]")
    text = dialog.inner_text()
    for part in (
        "Rounds",
        "Calls",
        "Start-up, cold (s)",
        "Peak memory of the process",
        "AMD EPYC",
        "2.1.2+cu121",
        "unclear",
    ):
        assert part in text, part
    assert dialog.locator("figure svg circle").count() > 60
    command = dialog.locator("pre").inner_text()
    assert "/round~3/run.csv" in command and "--configfile resources/measured/cpu-torch-2.1-2.13/config.yaml" in command
    assert "cell=" in page.url
    close_cell(page)
    assert not dialog.count()
    assert page.evaluate("document.activeElement.dataset.cell") == "CPU/2.1/sd-txt2img/1/compile/1"


def test_copy_as_markdown(pages, visit):
    page = visit(pages["pytorch2"], "gpu=A100&batch_size=1&pipeline=sd-txt2img,if")
    lines = copied(page)
    assert lines[0].startswith("| Pipeline | GPU |") and lines[1].startswith("|:--|")
    assert "| SD - txt2img | A100 | 1 | 2.0 | no compile | 21.66 | 1.00x | baseline |" in lines
    assert len({line.replace("\\|", "").count("|") for line in lines[:10]}) == 1
    assert "Source: Diffusers documentation" in lines[-1]


def test_a_mark_goes_with_its_number(pages, visit):
    page = visit(pages["pytorch2"], "gpu=T4&batch_size=16&pipeline=if")
    assert cells_in(page, "Pipeline")[0] == "IF, stage 1 *"
    assert "| IF, stage 1 \\* | T4 |" in "\n".join(copied(page))
    page.locator("[data-cell]").first.click()
    assert re.search(r"Mark\s+\*: \w+", page.locator("dialog[open]").inner_text())


def test_where_copying_is_refused_the_page_says_so(pages, visit):
    page = visit(pages["cpu-torch-2.1-2.13"], "cell=CPU/2.1/sd-txt2img/1/compile/1")
    page.evaluate("navigator.clipboard.writeText = () => Promise.reject(); document.execCommand = () => false")
    page.get_by_role("button", name="Copy the command").click()
    page.locator("dialog[open] [role=status]", has_text="could not be copied").wait_for()
    assert page.evaluate("document.activeElement.textContent") == "Copy the command"


def test_pages_of_the_table(pages, visit):
    page = visit(pages["cpu-catalogue-torch-2.13"])
    for number in (2, 3):
        page.get_by_role("button", name="Next").click()
        assert f"page {number} of 3" in page.inner_text("#shown")
    assert page.evaluate("document.activeElement.textContent") == "Previous"
    page.locator("#flagged").check()
    assert "page 1 of 2" in page.inner_text("#shown") and page.locator("#cells tbody tr").count() == 100
    choose(page, "status", "unsupported")
    assert page.inner_text("#cells tbody") == "No cell matches these filters."


def test_one_round_makes_no_headline(pages, visit):
    page = visit(pages["cpu-catalogue-torch-2.13"])
    assert page.locator(".headline .value").all_inner_texts()[:2] == ["none", "none"]
    assert "One round per cell gives no verdict." in page.inner_text(".headline")


def test_miniatures_are_called_so_beside_their_numbers(pages, visit):
    page = visit(pages["cpu-torch-2.1-2.13"], "cell=CPU/2.1/sd-txt2img/1/compile/1")
    for place in ("dialog[open] > .warning", "dialog[open] figcaption", "#figures figcaption >> nth=0"):
        assert "Miniature models with random weights." in page.inner_text(place), place


def test_keyboard_alone(pages, visit):
    page = visit(pages["pytorch2"], "gpu=A100&batch_size=1&pipeline=sd-txt2img")
    page.locator("[data-sort=speedup]").focus()
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.dataset.sort") == "speedup"
    page.locator("details[data-axis=gpu] > summary").focus()
    page.keyboard.press("Enter")
    for _ in range(6):
        page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('details').dataset.axis") == "pipeline"
    assert page.locator("#filters details[open]").count() == 0, "a filter that is left is closed"
    page.locator("[data-cell]").first.focus()
    page.keyboard.press("Enter")
    assert page.locator("dialog[open]").count() == 1


@pytest.mark.parametrize("dataset", ["pytorch2", "cpu-torch-2.1-2.13"])
@pytest.mark.parametrize("width", [1280, 768, 390])
def test_no_serious_fault_and_nothing_wider_than_the_screen(pages, visit, dataset, width):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    page = visit(pages[dataset], width=width)
    for opened in (False, True):
        if opened:
            page.locator("[data-cell]").first.click()
        found = axe.Axe().run(page).response["violations"]
        assert [one["id"] for one in found if one["impact"] in ("serious", "critical")] == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.keyboard.press("Escape")
    for summary in page.locator("#filters summary").all():
        summary.click()
        assert page.evaluate("document.documentElement.scrollWidth") <= width, summary.inner_text()
        page.keyboard.press("Escape")


def test_names_of_rows_tell_them_apart_on_a_phone(pages, visit):
    page = visit(pages["cpu-catalogue-torch-2.13"], width=360)
    for figure in (0, 1):
        ticks = page.locator(f"#figures > figure >> nth={figure} >> text").all_text_contents()
        names = [text for text in ticks if re.search("[A-Z]", text)]
        assert len(names) > 40 and len(names) == len(set(names))


def test_a_break_even_is_marked_where_both_of_its_lines_are_shown(pages, visit):
    page = visit(pages["cpu-torch-2.1-2.13"])
    figure = page.locator("#figures > figure", has_text="Break-even")
    assert figure.locator("text", has_text="images").count() == 3  # two marks and the axis
    assert "catches up with no compile, whichever baseline is chosen" in figure.locator("figcaption").last.inner_text()
    choose(page, "variant", "compile")
    assert figure.locator("text", has_text="images").count() == 1


def test_a_cell_is_printed_from_its_heading_on(pages, visit):
    page = visit(pages["cpu-torch-2.1-2.13"], "cell=CPU/2.1/sd-txt2img/1/compile/1")
    page.emulate_media(media="print")
    assert page.locator("#cell-heading").bounding_box()["y"] < 60
    assert not page.locator("#close").is_visible()


def test_printing_shows_every_cell(pages, visit):
    page = visit(pages["pytorch2"])
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator("#cells tbody tr").count() == 348
    assert not page.locator("#controls").is_visible()
    assert page.locator("details.origin p").first.is_visible()
    assert "speed-ups against no compile" in page.inner_text("#shown")
