"""The reader's page of labels that are hostile or long, in a real browser."""

from urllib.parse import quote

import pytest

from conftest import ROOT
from diffbench.page import baselines
from diffbench.page.details import read_details
from diffbench.page.headline import cell_key
from diffbench.page.page import build_page
from diffbench.statistics.published import read_about, read_published
from diffbench.vocabulary.sizes import split_name
from pages import close_cell, copied

pytestmark = pytest.mark.slow

HOSTILE = "</script><img src=x onerror=\"document.title='broken'\"><b>&amp;|`\u2028${1}\n# end"


def test_long_names_leave_room_for_the_figures_of_a_phone(tmp_path, visit):
    summary = read_published(ROOT / "resources/published/pytorch2.csv")
    labels = {"pipelines": {name: f"{name}, 768 x 1360, 81 frames" for name in summary["pipeline"]}}
    file = tmp_path / "long.html"
    details = read_details(None, None, {}, {})
    file.write_text(build_page(summary, labels, {"variant": "eager"}, {"title": "Long"}, details), encoding="utf-8")
    page = visit(file, width=360)
    dots = [dot.bounding_box()["x"] for dot in page.locator("#figures figure >> nth=0 >> circle").all()]
    assert max(dots) - min(dots) > 90 and max(dots) < 350


def test_baselines_that_one_page_cannot_hold_are_counted(tmp_path, visit, monkeypatch):
    summary = read_published(ROOT / "resources/published/pytorch2.csv")
    options = []
    for most in (baselines.MOST_SPEEDUPS, 2 * len(summary)):
        monkeypatch.setattr(baselines, "MOST_SPEEDUPS", most)
        file = tmp_path / f"{most}.html"
        details = read_details(None, None, {}, {})
        file.write_text(build_page(summary, {}, {"variant": "eager"}, {"title": "Many"}, details), encoding="utf-8")
        options.append(visit(file).locator("#baseline option").all_inner_texts())
    assert options[1] == [*options[0][:2], f"{len(options[0]) - 2} more: too many for one page"]


def test_hostile_texts_are_shown_as_they_are(tmp_path, visit):
    source = ROOT / "resources/published/pytorch2.csv"
    summary = (
        read_published(source)
        .head(40)
        .assign(detail=HOSTILE, device_name=HOSTILE, torch_version=HOSTILE, flags=HOSTILE, mark=HOSTILE, text=HOSTILE)
    )
    about = read_about(source.with_suffix(".yaml")) | {
        "title": HOSTILE,
        "source": HOSTILE,
        "url": "javascript:alert(1)",
    }
    names = {"pipelines": "pipeline", "variants": "variant", "gpus": "gpu"}
    labels = {kind: {split_name(name)[0]: HOSTILE for name in summary[axis]} for kind, axis in names.items()}
    commands = {cell_key(row): HOSTILE for row in summary.to_dict("records")}
    file = tmp_path / "hostile.html"
    details = read_details(None, None, commands, {})
    file.write_text(build_page(summary, labels, {"variant": "eager"}, about, details), encoding="utf-8")
    page = visit(file, f"cell={quote(next(iter(commands)))}")
    shown = HOSTILE.replace("\u2028", "")
    assert page.locator("dialog[open] pre").inner_text().replace("\u2028", "") == shown
    assert page.title().startswith("</script><img") and page.locator("img[src=x]").count() == 0
    assert page.locator("h1").inner_text().startswith("</script><img src=x")
    assert page.locator("header a").count() == 0
    close_cell(page)
    lines = copied(page)
    assert len(lines) == 44 and all(line.startswith("|") for line in lines[:42])
