"""The catalogue: what runs with what, why not, what is open."""

import pytest

from conftest import ROOT
from diffbench.catalogue.labels import read_labels
from diffbench.tables.formats import to_markdown
from diffbench.tables.support import build_catalogue
from printed_tables import cells_in
from summaries import summary_of

LABELS = read_labels([ROOT / f"config/{kind}.yaml" for kind in ("gpus", "pipelines", "variants")])


@pytest.fixture
def tables(make_row):
    failed = {"status": "unsupported", "phase": "load"}
    rows = [
        make_row(),
        make_row(variant="fused", detail="no | projections", started_at="2026-11-21T10:00:00Z", **failed),
        make_row(variant="fused", gpu="T4"),
        make_row(variant="regional", pipeline="if", stage="1", detail="no blocks", **failed),
        make_row(variant="regional", pipeline="if", stage="2"),
        make_row(variant="regional", status="invalid", phase="call-1", detail="no effect"),
    ]
    return build_catalogue(summary_of(rows), LABELS)


def row_of(table, pipeline):
    lines = [cells_in(line) for line in to_markdown(table).splitlines() if line.startswith("|")]
    (found,) = (cells for cells in lines if cells[0] == pipeline)
    return dict(zip(lines[0], found))


def test_what_runs_on_one_device_runs_though_it_failed_later_on_another(tables):
    compilation, attention = tables
    assert row_of(compilation, "SD - txt2img")["**no compile**"] == "runs"
    assert row_of(attention, "SD - txt2img")["**fused QKV**"] == "runs"


def test_a_stage_that_cannot_says_why(tables):
    assert row_of(tables[0], "IF")["**regional compile**"] == "n/a / <br>runs <sup>2</sup>"
    assert row_of(tables[0], "SD - txt2img")["**regional compile**"] == "invalid <sup>1</sup>"
    assert tables[0].footnotes == ["no effect", "no blocks"]


def test_what_is_not_measured_is_open_and_a_variant_that_nobody_measured_is_named(tables):
    assert row_of(tables[0], "SDXL - txt2img")["**no compile**"] == "…"
    assert len(tables[0].rows) == len(LABELS["pipelines"])
    notes = " ".join(tables[-1].notes)
    assert "Not measured yet with any pipeline: compile; " in notes
    assert "NVIDIA A100-SXM4-40GB" in notes and "measured 2026-11-20" in notes


def test_nothing_measured_is_no_table(make_row):
    assert build_catalogue(summary_of([make_row()]).iloc[:0], LABELS) == []
