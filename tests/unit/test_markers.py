"""Markers: which comments are some, which only look like it, and what a faulty one is told."""

import pytest

from diffbench.data.errors import ReportError
from diffbench.documents.filling import update
from diffbench.documents.markers import parse
from marked_documents import BLOCK, CELL, END, TABLE, fails, render


def test_what_a_marker_says():
    titled = '<!-- diffbench:begin figure title="a \\"b\\" = c" -->'
    text = f"one\n\n{BLOCK}\nold\n{END}\n\n  {titled}\n  {END}\nx {CELL}5{END}\n"
    table, figure, cell = parse(text, "page.md")
    assert table[:3] == ("table", {"dataset": "pytorch2", "gpu": "RTX 3090", "batch_size": "1"}, 3)
    assert figure[:3] == ("figure", {"title": 'a "b" = c'}, 7)
    assert cell[:3] == ("cell", {"gpu": "A100"}, 9)
    assert [marker.inline for marker in (table, figure, cell)] == [False, False, True]
    assert [text[marker.start : marker.end] for marker in (table, figure, cell)] == ["\nold\n", "\n", "5"]
    assert {marker.path for marker in (table, figure, cell)} == {"page.md"}  # a figure's link is relative to it


@pytest.mark.parametrize(
    "shown",
    [
        f"```\n{BLOCK}\n{END}\n```",
        f"```md title=x\n{BLOCK}\n```",
        f"~~~ a ` b\n{BLOCK}\n```\n{END}\n~~~",
        f"````\n```\n{BLOCK}\n```\n{END}\n````",
        f"```\n{BLOCK}\n    ```\n``` no end\n{END}\n`````   ",
        f"```\n    ```\n{BLOCK}\n```",
        f"\ufeff```\n{BLOCK}\n```",
        f"- a\n\nText:\n\n    {BLOCK}\n    {END}",
        f"1. step\n\n   ```\n   {BLOCK}\n   {END}\n   ```",
        f"- ```\n  {BLOCK}\n  ```",
        f"- a\n    - b\n\n      ```\n      {BLOCK}\n      ```",
        f"> ```\n> {BLOCK}\n> ```",
        f"text:\n\n    {BLOCK}\n    {END}\n\n    {CELL}1{END}",
        f"text\n```\n{BLOCK}\n```",
        f"Write `{BLOCK}` and `{END}`.",
        f"Write ``a ` {BLOCK}`` here.",
        f"Write `a\nb {CELL} c` here.",
        f"Write \\{BLOCK} here.",
        "Write `{/* diffbench:begin table */}` here.",
    ],
)
def test_a_marker_shown_as_code_is_none(shown):
    text = f"{shown}\n\ntext ` text\n\n{BLOCK}\n{END}\n"
    assert len(parse(text, "page.md")) == 1
    assert update(text, "page.md", render).startswith(f"{shown}\n\ntext ` text\n\n{BLOCK}\n\n{TABLE}")


@pytest.mark.parametrize(
    "before",
    [
        "a lone ` backtick ",
        "an escaped \\` one and ` ",
        "a ``` in a sentence ",
        "`code`\nover `two\nlines` and ",
        "- a ` b\n- ",
        "| ` |\n|---|\n| ",
        "# A ` b\n",
        "text\n    ``` \n",
        "```\ncode\n```\n",
        "> ```\n> code\n\n",
        "- ```\n  code\n\nout ",
        "1. step\n```\ncode\n```\n",
        "<!-- a ` comment\n\n``` -->\n",
        "<!-- other -->\n",
        "- a\n\n    - b ",
        "a\n    b ",
        "> a\n    b ",
        "> a\n>\n>    b ",
        "| a |\n    b ",
    ],
)
def test_a_marker_that_only_follows_backticks_or_spaces_is_one(before):
    text = f"{before}{CELL}1{END}\n\nand `code` and ` more\n"
    assert update(text, "page.md", render) == text.replace(">1<", ">49.74<")


@pytest.mark.parametrize(
    "before", ["a ` b\n\n", "- a ` b\n- ", "| ` |\n|---|\n| ", "# A ` b\n", "a ` b\n> ", "a ` b\n---\n"]
)
def test_backticks_of_different_paragraphs_are_no_pair(before):
    text = f"{before}c {CELL}1{END} and ` more\n"
    assert update(text, "page.md", render) == text.replace(">1<", ">49.74<")


@pytest.mark.parametrize(
    ("text", "place", "says"),
    [
        (f"a\n\n{BLOCK}\ntext\n", 3, "without its end"),
        (f"a {CELL}1\n", 1, "without its end"),
        (f"a\r\n\r\n{END}\r\n", 3, "without its begin"),
        (f"{BLOCK}\n{END}\n{END}\n", 3, "without its begin"),
        (f"{BLOCK}\n\n{BLOCK}\n{END}\n{END}\n", 3, "inside that of line 1"),
        (f"{BLOCK}\n\na {CELL}1{END}\n{END}\n", 3, "inside that of line 1"),
        (f"a {CELL}1\n{END}\n", 2, "expected it on that line"),
        (f"a {BLOCK}\n{END}\n", 1, "next to 'a'"),
        (f"- {BLOCK}\n  {END}\n", 1, "next to '-'"),
        (f"> {BLOCK}\n> {END}\n", 1, "next to '>'"),
        (f"{BLOCK}{END}\n", 1, "on its own line"),
        (f"{BLOCK}\n{END} text\n", 2, "next to 'text'"),
        (f"- a\n\n    {BLOCK}\n    {END}\n", 3, "indented like code"),
        (
            "<!-- diffbench:begin -->\n",
            1,
            "kind ''; expected one of table, extended, tables, figure, catalogue, comparison, minutes, "
            "columns, statuses, mechanisms, cell",
        ),
        (
            "a\n\n{/* diffbench:begin table */}\n{/* diffbench:end */}\n",
            3,
            "marker in a comment of MDX, which cannot contain",
        ),
        ("<!-- diffbench:begin tabel a=1 -->\n", 1, "did you mean 'table'?"),
        ("<!-- diffbench:begin gpu=A100 -->\n", 1, "write the kind after `begin`"),
        ("x\n<!-- diffbench:end table -->\n", 2, "misspelt marker `<!-- diffbench:end table -->`"),
        ("x\n\n<!-- diffbench:begin table\ngpu=A100 -->\n", 3, "does not end on its line"),
        ("x\n\n<!--\ndiffbench:end -->\n", 3, "does not end on its line"),
        ("<!-- diffbench:end\n", 1, "does not end on its line"),
        ("<!-- diffbench:begin table gpu=RTX 3090 -->\n", 1, "option '3090'"),
        ("<!-- diffbench:begin table gpu=A100 gpu=T4 -->\n", 1, "option 'gpu' twice"),
        ("<!-- diffbench:begin table gpu= -->\n", 1, "option 'gpu='"),
        ("<!-- diffbench:begin table gpu = A100 -->\n", 1, "option 'gpu'"),
        ('<!-- diffbench:begin table gpu="RTX 3090 -->\n', 1, "option 'gpu=\"RTX'"),
        ("<!-- diffbench:begin table gpu='RTX 3090' -->\n", 1, 'option "gpu=\'RTX"'),
        ('<!-- diffbench:begin table gpu="A100"batch_size=1 -->\n', 1, "option"),
    ],
)
def test_a_faulty_marker_is_named(text, place, says):
    error = fails(text)
    assert says in error
    assert error.startswith(f"page.md:{place}: ")


MISSPELT = [
    "diffbench",
    "diffbench:start",
    "DiffBench:begin",
    "diffbench:begintable",
    "diffbench-begin",
    "diffbench-end",
    "diffbench:End",
    "diffbnech:begin",
    "difbench:end",
    "diff-bench:begin",
    "/diffbench",
    "dlffbench:end",
]


@pytest.mark.parametrize("content", [*MISSPELT, "diffbench: end", "diffbench begin"])
def test_misspelt_markers_are_named(content):
    for text in (f"<!-- {content} -->", f"<!--{content} table -->", f"inside <!-- {content} --> a line"):
        assert fails(f"a\n\n{text}\n").startswith("page.md:3: misspelt marker")


@pytest.mark.parametrize("comment", ["<!-- toc -->", "<!-- different benches -->", "<!-- begin table -->", "<!-- diff"])
def test_other_comments_are_none_of_our_business(comment):
    assert parse(f"{comment}\n\na {comment} b\n", "page.md") == []


def test_an_unknown_cell_is_named_with_its_line():
    def unknown(marker):
        raise ReportError(f"no dataset {marker.options['dataset']!r}; expected pytorch2")

    assert fails(f"a\n\n{BLOCK}\n{END}\n", unknown) == "page.md:3: no dataset 'pytorch2'; expected pytorch2"


@pytest.mark.parametrize("rendered", [END, f"{BLOCK}\nx\n{END}", "a <!-- diffbnech -->", "```\ncode", "~~~"])
def test_text_that_would_break_the_markers_is_refused(rendered):
    text = f"x\n{BLOCK}\n{END}\n\n{BLOCK}\n{END}\n"
    error = fails(text, lambda marker: rendered if marker.line > 2 else TABLE)
    assert error.startswith("page.md:5: the text for this place")


def test_a_backtick_that_pairs_with_one_of_the_sentence_is_refused():
    assert fails(f"x\na {CELL}1{END} and `code\n", lambda marker: "`49").startswith(
        "page.md:2: the text for this place"
    )
    assert update(f"a {CELL}1{END} and `code`\n", "page.md", lambda marker: "`49`") == f"a {CELL}`49`{END} and `code`\n"
