"""Every relative link of README.md, the documentation and the other Markdown pages leads somewhere."""

import re
from urllib.parse import unquote

import pytest

from conftest import ROOT
from diffbench.catalogue.yaml_file import read_yaml

PAGES = sorted(path for pattern in ("*.md", "docs/*.md", "config/*.md") for path in ROOT.glob(pattern))
CODE = re.compile(r"^```.*?^```$|^ {4}.*?$|(`+).+?\1", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^()\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
SPEEDUP = re.compile(r"\d+\.\d\dx \(\d+\.\d\d to \d+\.\d\d\), \w+")


def anchors(path):
    """The anchors of a page's headings, as GitHub makes them."""
    titles = HEADING.findall(FENCE.sub("", path.read_text(encoding="utf-8")))
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def links(path):
    """The targets of a page's links and images."""
    return [unquote(target) for target in LINK.findall(CODE.sub("", path.read_text(encoding="utf-8")))]


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_relative_link_leads_somewhere(page):
    dead = []
    for target in links(page):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        path = page.parent / name if name else page
        if not path.exists() or (anchor and anchor not in anchors(path)):
            dead.append(target)
    assert not dead


def test_the_readme_links_every_page_of_the_documentation():
    named = {target.partition("#")[0] for target in links(ROOT / "README.md")}
    assert not [path.name for path in ROOT.glob("docs/*.md") if f"docs/{path.name}" not in named]


def test_the_speedups_in_the_readme_are_those_of_the_h200_page():
    found = SPEEDUP.findall((ROOT / "README.md").read_text(encoding="utf-8"))
    page = (ROOT / "docs/h200.md").read_text(encoding="utf-8")
    assert len(found) == 3
    assert not [text for text in found if text not in page]


@pytest.mark.parametrize("kind", ["pipelines", "variants"])
def test_the_readme_counts_the_entries_of_the_catalogues(kind):
    (count,) = re.findall(rf"\*\*(\d+) {kind}\*\*", (ROOT / "README.md").read_text(encoding="utf-8"))
    assert int(count) == len(read_yaml(ROOT / "config" / f"{kind}.yaml"))
