"""A speed-up that no sensible number of rounds would settle says so in the file, once read back, and in the table."""

import csv

import numpy as np

from diffbench.data.measurements import to_frame
from diffbench.documents.render import write_summary
from diffbench.statistics.summary import read_summary, summarize
from diffbench.tables.table_options import TableOptions
from diffbench.tables.tables import build_table
from printed_tables import LABELS
from summaries import cells_of, rounds_with


def test_more_rounds_than_are_advised_are_infinite_and_never_0(make_row, tmp_path):
    rows = rounds_with(make_row, "eager", [10.0, 40.0]) + rounds_with(make_row, "compile", [40.0, 10.1])
    path = tmp_path / "summary.csv"
    write_summary(summarize(to_frame(rows), cells_of(rows), {"variant": "eager"}), path)
    with open(path, encoding="utf-8", newline="") as file:
        assert [row["rounds_needed"] for row in csv.DictReader(file)] == ["", "inf"]
    summary = read_summary(path)
    assert summary["rounds_needed"].tolist()[1] == np.inf
    notes = build_table(summary, "A100", 1, LABELS, TableOptions(speedups=True)).notes
    assert any("rounds that would settle it" in note and "more than 200" in note for note in notes)
