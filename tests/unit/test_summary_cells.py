"""What all figures ask of a dataset's cells: the row of a stage, the newest torch, where numbers come from, how rates print."""

import pytest

from diffbench.tables.cells import Cells, describe_origin, print_rate
from diffbench.tables.keys import Group
from drawn_figures import LABELS, summary_of
from summaries import cells_of


def test_a_stage_that_has_no_row_is_its_cells_failure_and_never_the_first_stages_rate(make_row):
    """A cell that failed as a whole has one row; one that was measured up to its first stage has nothing for the second."""
    rows = [make_row(pipeline="if", stage=stage) for stage in (1, 2)]
    rows += [
        make_row(pipeline="if", variant="regional"),
        make_row(pipeline="if", variant="compile", status="oom", phase="load"),
    ]
    cells = Cells(summary_of(rows), LABELS)
    found = {name: cells.get("A100", 1, Group("if", 2), ("2.0", name)) for name in ("eager", "regional", "compile")}
    assert (found["eager"]["stage"], found["regional"], found["compile"]["status"]) == (2, None, "oom")
    assert cells.get("A100", 1, Group("if", 3), ("2.0", "compile")) is None, "no cell has a third stage"


def test_newest_torch_is_the_highest_release_or_nightly(make_row):
    def newest(*builds):
        return Cells(summary_of([make_row(torch=torch) for torch in builds]), LABELS).newest_torch("eager")

    assert newest("2.9", "2.10", "2.1") == "2.10"
    assert newest("nightly", "2.10") == "nightly"


def test_origin_of_cells_that_have_not_run(make_row):
    summary = summary_of([make_row()], cells_of([make_row(gpu="V100")]))
    assert describe_origin(summary, Cells(summary, LABELS)) == ["Nothing here has been measured yet."]


def test_origin_names_the_variants_that_were_not_verified(make_row):
    rows = [make_row(), make_row(variant="compile", unverified="compile: no memory")]
    rows.append(make_row(variant="regional", status="oom", unverified="a failure prints its reason instead"))
    summary = summary_of(rows)
    sentences = describe_origin(summary, Cells(summary, LABELS))
    assert "Not verified (the tables give the reason): compile." in sentences
    summary = summary_of(rows[:1])
    assert not any("Not verified" in sentence for sentence in describe_origin(summary, Cells(summary, LABELS)))


@pytest.mark.parametrize(
    "rate, text", [(0.0123, "0.0123"), (0.427, "0.427"), (1.5, "1.50"), (21.66, "21.7"), (176.4, "176")]
)
def test_rates_print_with_three_digits(rate, text):
    assert print_rate(rate) == text
