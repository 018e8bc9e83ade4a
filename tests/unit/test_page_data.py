"""What the page holds of each cell against the summary: every number, every status, every kind of call."""

import math

import pandas as pd
import pytest

from compiled_runs import rows_of
from diffbench.data.measurements import to_frame
from diffbench.page.baselines import baselines_of
from diffbench.page.details import read_details
from diffbench.page.headline import failures_item
from diffbench.page.page_data import cells_of
from diffbench.vocabulary.columns import CALL_COLUMNS, SUMMARY_NUMBERS
from diffbench.vocabulary.statuses import OPEN, STATUSES
from printed_tables import LABELS
from summaries import cells_of as matrix_of
from summaries import summary_of

BASELINE = {"variant": "eager"}
FAILURES = [status for status in STATUSES if status.name != "ok"]
PRINTED = {"oom": "OOM", "compile-error": "compile error", "unsupported": "n/a", "open": "not measured yet"}


def page_of(summary, rows=None, calls=None):
    details = read_details(None if rows is None else to_frame(rows), calls, {}, {})
    return cells_of(summary, LABELS, baselines_of(summary, LABELS, BASELINE)[0], details)[0]


def test_every_number_of_a_cell_is_the_summarys_to_five_digits(make_row):
    rows = rows_of(make_row)
    summary = summary_of(rows)
    names = [
        name
        for name in SUMMARY_NUMBERS
        if not name.startswith("speedup") and name not in ("batch_size", "stage", "rounds")
    ]
    cells = page_of(summary, rows)
    assert len(cells) == len(summary) and "breakeven_cold_images" in cells[1]
    for cell, row in zip(cells, summary.to_dict("records"), strict=True):
        for name in names:
            if row[name] != row[name]:
                assert name not in cell
            else:
                found = math.inf if cell[name] == "inf" else cell[name]
                assert found == pytest.approx(row[name], rel=1e-4), name


@pytest.mark.parametrize("status", FAILURES, ids=lambda status: status.name)
def test_each_status_stands_in_the_place_of_the_number_and_is_counted(make_row, status):
    rows = [make_row()] + ([] if status is OPEN else [make_row(variant="compile", status=status.name, phase="load")])
    summary = summary_of(rows, matrix_of([make_row(), make_row(variant="compile")]))
    cell = page_of(summary)[1]
    assert (cell["status"], cell["failure"]) == (status.name, PRINTED.get(status.name, status.name))
    item = failures_item(summary)
    expected = ("0", "Every measured cell has a number.") if status is OPEN else ("1", f"1 {status.words}.")
    assert (item.value, item.text) == expected


def test_a_call_keeps_its_round_its_kind_and_its_seconds(make_row):
    keys = {name: value for name, value in make_row(round=2).items() if name in CALL_COLUMNS}
    rows = [
        {**keys, "kind": kind, "latency_s": seconds}
        for kind, seconds in (("first", 9.0), ("warmup", 3.0), ("call", 1.5))
    ]
    calls = pd.DataFrame(rows).astype({"batch_size": int, "stage": int, "round": int})
    (cell,) = page_of(summary_of([make_row()]), [make_row()], calls)
    assert cell["calls"] == [[2, 0, 9.0], [2, 1, 3.0], [2, 2, 1.5]]
