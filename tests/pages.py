"""The reader's page in a browser: what a visitor clicks, sees and copies."""

from conftest import ROOT
from diffbench.catalogue.labels import read_labels
from diffbench.data.measurements import to_frame
from diffbench.page.details import read_details
from diffbench.page.page import build_page
from diffbench.statistics.summary import summarize
from diffbench.vocabulary.columns import CELL


def cells_in(page, column):
    """The texts of a column of the table."""
    headers = [text.strip(" ▲▼") for text in page.locator("#cells thead th").all_inner_texts()]
    return page.locator(f"#cells tbody tr > :nth-child({headers.index(column) + 1})").all_inner_texts()


def choose(page, axis, name):
    page.locator(f"details[data-axis={axis}] > summary").click()
    page.locator(f"details[data-axis={axis}] input[value='{name}']").check()
    page.keyboard.press("Escape")


def copied(page):
    """The lines that the table is copied as."""
    page.locator("#copy").click()
    page.locator("#copied", has_text="The table was copied.").wait_for()
    return page.evaluate("navigator.clipboard.readText()").splitlines()


def facts_of(page):
    """{label: text} of the open cell."""
    return page.evaluate(
        "Object.fromEntries([...document.querySelectorAll('#cell dt')].map((dt) => [dt.innerText, dt.nextSibling.innerText]))"
    )


def close_cell(page):
    page.keyboard.press("Escape")
    page.wait_for_url(lambda url: "cell=" not in url)


LABELS = read_labels([ROOT / "config" / f"{kind}.yaml" for kind in ("gpus", "pipelines", "variants")])


BASELINE = {"variant": "eager"}


def page_of(folder, rows, calls=None, strips=None, change=lambda summary: summary):
    """The file of the page of measured rows; `change` edits their summary."""
    measurements = to_frame(rows)
    summary = change(summarize(measurements, measurements[CELL].drop_duplicates(), BASELINE))
    file = folder / "index.html"
    details = read_details(measurements, calls, {}, strips or {})
    about = {"title": "Page", "source": "tests"}
    file.write_text(build_page(summary, LABELS, BASELINE, about, details), encoding="utf-8")
    return file
