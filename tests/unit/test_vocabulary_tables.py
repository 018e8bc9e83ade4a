"""The tables of columns and statuses in docs/method.md come from the records of the vocabulary."""

import pytest

from conftest import ROOT
from diffbench.data.errors import ReportError
from diffbench.documents.directives import Renderer
from diffbench.documents.filling import stale
from diffbench.documents.markers import parse
from diffbench.vocabulary import columns
from diffbench.vocabulary.statuses import STATUSES

PAGE = ROOT / "docs/method.md"


def rendered(marker):
    text = f"<!-- diffbench:begin {marker} -->\n<!-- diffbench:end -->"
    return Renderer({}, {})(parse(text, "page.md")[0])


@pytest.mark.parametrize("name", columns.TABLES)
def test_a_table_has_a_line_per_column_with_its_unit_and_meaning(name):
    header, rule, *lines = rendered(f"columns table={name}").splitlines()
    width = len(header.split(" | "))
    assert rule == "|" + " --- |" * width
    for line, column in zip(lines, columns.TABLES[name], strict=True):
        assert line.startswith(f"| `{column.name}` |") and line.endswith(f"| {column.meaning} |")
        assert line.replace("| |", "|  |").count(" | ") == width - 1, "a bar would end the cell"
        assert f"| {column.unit} |" in line or not column.unit


def test_the_table_of_statuses_has_what_is_printed_for_each():
    lines = rendered("statuses").splitlines()[2:]
    assert [line.split("`")[1] for line in lines] == [*(status.name for status in STATUSES), "-"]
    assert "| `OOM`, `OOM after warmup`, `OOM after 1st iteration`, … |" in lines[1]
    assert lines[2].startswith("| `compile-error` | `❌` |") and lines[-2].startswith("| `open` | `…` |")


def test_an_unknown_table_is_named_with_those_that_there_are():
    with pytest.raises(ReportError, match="unknown table 'rate'; did you mean 'rates'"):
        rendered("columns table=rate")


def test_the_page_has_every_table_and_none_is_stale():
    markers = parse(PAGE.read_text(encoding="utf-8"), PAGE)
    assert sorted(marker.options["table"] for marker in markers if marker.kind == "columns") == sorted(columns.TABLES)
    assert stale([PAGE], Renderer({}, {})) == ""


def test_no_column_is_described_twice():
    for records in (columns.RUN, columns.SUMMARY):
        assert all(record.meaning and record.type for record in records.values())
    assert not set(columns.COLUMNS) & set(columns.SUMMARY), "a column of both files has one meaning"
