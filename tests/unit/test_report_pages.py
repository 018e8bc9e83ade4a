"""The HTML pages of Snakemake's report."""

import xml.etree.ElementTree

import pandas as pd
import pytest

from diffbench.tables.formats import Cell, Table
from diffbench.tables.report_pages import VERSIONS, environment_page, table_page

HOSTILE = "<script>alert(\"1\")</script> & 'quoted' <img src=x>"


def parse(page):
    """The page as XML, which it is but for its first lines; fails where a label opened a tag."""
    body = page.split("</head>\n", 1)[1].removesuffix("</html>\n").replace("<br>", "<br/>")
    return xml.etree.ElementTree.fromstring(body)


def text_of(page):
    return "".join(parse(page).itertext())


def tags_in(page):
    return {element.tag for element in parse(page).iter()}


def test_what_a_table_holds_is_escaped():
    table = Table(
        HOSTILE, [["Pipeline"], [HOSTILE, "compile"]], [(HOSTILE, [Cell([HOSTILE], [1])])], [HOSTILE], [HOSTILE]
    )
    page = table_page(table, {"source": HOSTILE})
    assert "<script" not in page and "<img" not in page
    assert tags_in(page) <= {
        "body",
        "table",
        "caption",
        "thead",
        "tbody",
        "tr",
        "th",
        "td",
        "br",
        "sup",
        "ol",
        "li",
        "p",
    }
    assert text_of(page).count(HOSTILE) == 7  # heading, header, row, cell, footnote, note and source
    assert "&lt;script&gt;" in page.split("<title>")[1].split("</title>")[0]
    assert "&quot;" in page and "&amp; " in page


def summary_of(**columns):
    row = dict.fromkeys(VERSIONS.values(), "") | {"torch": "2.1", "device_name": HOSTILE} | columns
    return pd.DataFrame([row, {**row, "torch": "other", "device_name": "another"}])


def test_versions_of_a_torch_build():
    page = environment_page(
        summary_of(torch_version="2.1.2+cpu", python_version="3.11.7"), "2.1", f"torch==2.1.2\n{HOSTILE}\n"
    )
    assert "<script" not in page and "another" not in page
    assert text_of(page).count(HOSTILE) == 2
    assert '<th scope="row">CUDA</th><td>none</td>' in page
    assert '<th scope="row">Diffusers</th><td>unknown</td>' in page


def test_a_build_without_record_has_no_list_of_packages():
    assert "Packages" not in environment_page(summary_of(), "2.1")
    assert '<th scope="row">CUDA</th><td>unknown</td>' in environment_page(summary_of(), "2.1")


@pytest.mark.parametrize("name", ["2.1", "2.1-current", "nightly"])
def test_the_build_that_a_record_is_of(name):
    from pathlib import Path

    from report_pages import name_of

    assert name_of(Path(f"environments/torch-{name}.0123456789ab.txt")) == name
