"""The footnotes of a table: why a cell has no number, and what is not verified of one that has."""

import pytest

from diffbench.tables.extended import build_extended
from diffbench.tables.formats import to_markdown
from diffbench.tables.tables import footnotes_of
from printed_tables import LABELS, cells_in, tables_of
from summaries import summary_of


def test_failures_are_explained_below_the_table(make_row):
    rows = [
        make_row(),
        make_row(variant="compile", status="timeout", phase="warmup", detail="stopped at the time limit of 9 s"),
        make_row(
            pipeline="if", variant="compile", status="compile-error", phase="first-call", detail="graph break | in <x>"
        ),
    ]
    text = tables_of(rows)[("A100", 1)]
    assert cells_in(text.splitlines()[4])[2] == "timeout <sup>1</sup>"
    assert "1. stopped at the time limit of 9 s" in text
    assert "❌ IF: graph break \\| in &lt;x&gt;" in text


@pytest.mark.parametrize(
    ("detail", "numbers"),
    [("CUDA out of memory.", []), ("stopped above the memory limit of 300 MiB of host memory", [1])],
)
def test_a_lack_of_memory_is_explained_where_it_was_the_machines(make_row, detail, numbers):
    footnotes = []
    assert footnotes_of([make_row(status="oom", phase="call", detail=detail)], footnotes) == numbers
    assert footnotes == [detail] * len(numbers)


def test_a_number_whose_mechanism_was_not_verified_is_marked(make_row):
    row = {**make_row(), "unverified": "vae: OutOfMemoryError: CUDA out of memory"}
    footnotes = []
    assert footnotes_of([row], footnotes) == [1]
    assert footnotes == ["not verified: vae: OutOfMemoryError: CUDA out of memory"]
    assert footnotes_of([make_row()], footnotes) == [] and footnotes_of([make_row(), row], footnotes) == [1]


def test_a_cell_whose_evidence_could_not_be_checked_is_marked(make_row):
    reason = "vae: OutOfMemoryError: CUDA out of memory"
    rows = [make_row(), make_row(variant="compile", unverified=reason), make_row(variant="regional", unverified=reason)]
    text = tables_of(rows)[("A100", 1)]
    assert cells_in(text.splitlines()[4])[1:] == ["20.00", "20.00 <sup>1</sup>", "20.00 <sup>1</sup>"]
    assert text.count(f"1. not verified: {reason}") == 1
    extended = to_markdown(build_extended(summary_of(rows), "A100", 1, LABELS))
    assert [cells_in(line)[1] for line in extended.splitlines() if line.startswith("|")][2:] == [
        "20.00",
        "20.00 <sup>1</sup>",
        "20.00 <sup>1</sup>",
    ]
    assert extended.count(f"not verified: {reason}") == 1


def test_a_failed_round_and_an_unverified_one_have_a_footnote_each(make_row):
    rows = [
        make_row(unverified="vae: time limit"),
        make_row(round=2, status="crashed", phase="load", detail="signal 9"),
    ]
    text = tables_of(rows)[("A100", 1)]
    assert cells_in(text.splitlines()[4])[1] == "20.00 <sup>1</sup> <sup>2</sup>"
    assert "1. round 2: crashed, signal 9\n2. not verified: vae: time limit" in text
