"""The table of how long each phase of a session's runs took."""

import pytest

from diffbench.data.errors import ReportError
from diffbench.documents.directives import Renderer
from diffbench.documents.filling import update
from diffbench.vocabulary.columns import MINUTE_COLUMNS, PHASES

MARKER = "<!-- diffbench:begin minutes dataset=ours -->\n<!-- diffbench:end -->\n"


def fill(minutes):
    return update(MARKER, "page.md", Renderer({"ours": (None, {})}, {}, minutes))


def test_first_and_later_rounds_are_told_apart_and_shares_are_of_the_whole_time(tmp_path):
    path, lines = tmp_path / "minutes.csv", [",".join(MINUTE_COLUMNS)]
    for number, compile_s in (("1", 60), ("2", 10), ("3", 20)):
        times = {"compile": compile_s, "calls": 30}
        phases = [times.get(phase, 0) for phase in PHASES]
        cell = ["H200", "installed", "if", "1", "native", "compile", number, "0" * 12, "2026-11-27T10:00:00Z"]
        lines.append(",".join(map(str, [*cell, sum(phases), *phases])))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in fill({"ours": path}).splitlines()]
    rows = {(row[0], row[1]): dict(zip(["all", *PHASES], row[2:])) for row in rows if row}
    assert rows["if, compile", "first (1)"]["compile"] == "60.0" and rows["if, compile", "later (2)"]["all"] == "45.0"
    assert rows["all runs", "3"]["all"] == "180" and rows["share", ""]["calls"] == "50%"


def test_a_dataset_without_minutes_and_another_file_are_refused(tmp_path):
    with pytest.raises(ReportError, match="page.md:1: the dataset ours has no minutes.csv"):
        fill({})
    other = tmp_path / "minutes.csv"
    other.write_text("gpu,torch\n", encoding="utf-8")
    with pytest.raises(ReportError, match="not a CSV of minutes"):
        fill({"ours": other})
