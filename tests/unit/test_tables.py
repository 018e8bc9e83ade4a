"""The tables' form, their footnotes and what they say of their origin."""

import csv
import re
import xml.etree.ElementTree

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from diffbench.data.measurements import to_frame
from diffbench.statistics.summary import summarize
from diffbench.tables.formats import Cell, Table, to_csv, to_html, to_markdown
from diffbench.tables.table_options import TableOptions
from diffbench.tables.tables import build_table, render_tables
from diffbench.vocabulary.columns import CELL
from diffbench.vocabulary.errors import one_line
from printed_tables import LABELS, cells_in, tables_of
from summaries import cells_of


def test_form_of_the_published_page(make_row):
    rows = [
        make_row(
            gpu="RTX-3090", torch=torch, variant=variant, torch_version=torch, device_name="NVIDIA GeForce RTX 3090"
        )
        for torch in ("2.0", "nightly")
        for variant in ("eager", "compile")
    ]
    lines = tables_of(rows)[("RTX-3090", 1)].splitlines()
    assert lines[0] == "### RTX 3090 (batch size: 1)"
    assert cells_in(lines[2]) == [
        "**Pipeline**",
        "**torch 2.0 - <br>no compile**",
        "**torch nightly - <br>no compile**",
        "**torch 2.0 - <br>compile**",
        "**torch nightly - <br>compile**",
    ]
    assert set(lines[3]) == set("|:-")
    assert all(cell.startswith(":") and cell.endswith(":") for cell in cells_in(lines[3]))
    assert cells_in(lines[4]) == ["SD - txt2img", "20.00", "20.00", "20.00", "20.00"]


def test_stages_of_if_print_in_one_cell(make_row):
    rates = [(1, 20.21), (2, 13.84), (3, 24)]
    rows = [make_row(pipeline="if", stage=stage, iterations_per_second=rate) for stage, rate in rates]
    assert cells_in(tables_of(rows)["A100", 1].splitlines()[4])[1] == "20.21 / <br>13.84 / <br>24.00"


def test_cells_outside_the_matrix_and_open_ones_differ(make_row):
    rows = [make_row(), make_row(variant="compile"), make_row(pipeline="if")]
    cells = cells_of(rows + [make_row(pipeline="sd-inpaint")])
    lines = tables_of(rows, cells)[("A100", 1)].splitlines()
    assert cells_in(lines[5]) == ["IF", "20.00", "-"]
    assert cells_in(lines[6]) == ["SD - inpaint", "…", "-"]


def test_a_table_names_device_releases_scale_weights_and_date(make_row):
    text = tables_of([make_row(), make_row(round=2)])[("A100", 1)]
    for part in (
        "median of 2 rounds",
        "A100-SXM4-40GB",
        "2.0.1+cu118",
        "0.31.0",
        "float16",
        "full-scale",
        "random",
        "2026-11-20",
    ):
        assert part in text


def test_labels_are_free_text_and_cannot_break_the_table(make_row):
    hostile = {**LABELS, "pipelines": {"sd-txt2img": "a | b <script>\n`x`"}}
    line = tables_of([make_row()], labels=hostile)[("A100", 1)].splitlines()[4]
    assert cells_in(line.replace("\\|", "/")) == ["a / b &lt;script&gt; \\`x\\`", "20.00"]


def test_installed_prints_the_release_that_measured(make_row):
    assert (
        "**torch 2.13.0 - <br>no compile**"
        in tables_of([make_row(torch="installed", torch_version="2.13.0+cpu")])[("A100", 1)]
    )


def test_devices_that_differ_under_one_label_are_all_named(make_row):
    rows = [make_row(), make_row(round=2, device_name="NVIDIA A100 80GB PCIe")]
    assert "NVIDIA A100-SXM4-40GB; NVIDIA A100 80GB PCIe" in tables_of(rows)[("A100", 1)]


def test_dataset_of_one_open_cell_renders():
    cells = pd.DataFrame([["A100", "2.0", "if", 1, "native", "eager"]], columns=CELL)
    assert cells_in(tables_of([], cells)["A100", 1].splitlines()[4]) == ["IF", "…"]


def table_with(rows, **options):
    summary = summarize(to_frame(rows), cells_of(rows), {"variant": "eager"})
    return build_table(summary, "A100", 1, LABELS, TableOptions(**options))


@pytest.mark.parametrize("last", [(50, 40), (20, 10)])
def test_the_best_column_is_that_of_the_first_stage(make_row, last):
    rows = [
        make_row(pipeline="if", variant=variant, stage=stage, iterations_per_second=rate)
        for variant, rates in (("eager", (10, last[0])), ("compile", (20, last[1])))
        for stage, rate in enumerate(rates, start=1)
    ]
    cells = cells_in(to_markdown(table_with(rows, bold_best=True)).splitlines()[4])
    assert [cell.startswith("**") for cell in cells] == [False, False, True], cells


def test_options_of_a_table(make_row):
    rows = [make_row(), make_row(variant="compile", iterations_per_second=50)]
    table = table_with(rows, speedups=True, bold_best=True, decimals=1, columns=(("2.0", "compile"), ("2.0", "eager")))
    assert cells_in(to_markdown(table).splitlines()[4]) == ["SD - txt2img", "**50.0**", "2.50x", "20.0", "1.00x"]
    rows += [make_row(variant="regional", status="compile-error", phase="first-call", detail="graph break")]
    text = to_markdown(table_with(rows, columns=(("2.0", "compile"), ("2.0", "eager"))))
    assert "graph break" not in text and "graph break" in to_markdown(table_with(rows)), "of columns that are not shown"
    rows = rows[:2]
    times = table_with(rows, unit="s/it", bold_best=True)
    assert cells_in(to_markdown(times).splitlines()[4]) == ["SD - txt2img", "0.05", "**0.02**"]
    assert "Seconds per iteration, median of" in to_markdown(times)
    images = table_with(rows, unit="images/s")
    assert cells_in(to_markdown(images).splitlines()[4]) == ["SD - txt2img", "0.40", "1.00"]


def test_first_stage_alone(make_row):
    rows = [make_row(pipeline="if", stage=stage, iterations_per_second=stage) for stage in (1, 2, 3)]
    assert cells_in(to_markdown(table_with(rows, stages="first")).splitlines()[4]) == ["IF", "1.00"]


@pytest.mark.parametrize(
    ("note", "line"),
    [
        ("# one", "\\# one"),
        ("###### six", "\\###### six"),
        ("- item", "\\- item"),
        ("+ item", "\\+ item"),
        ("  1. item", "1\\. item"),
        ("12) item", "12\\) item"),
        ("---", "\\---"),
        ("- - -", "\\- - -"),
        ("===", "\\==="),
        ("#", "\\#"),
        ("> quote", "&gt; quote"),
        ("@name, #1, -1, +5%, 1.5 s, -- and ####### seven", "@name, #1, -1, +5%, 1.5 s, -- and ####### seven"),
        ("#1 is", "#1 is"),
        ("1.5 s", "1.5 s"),
        ("-1", "-1"),
        ("-- and", "-- and"),
    ],
)
def test_a_note_and_a_footnote_begin_no_block_of_markdown(note, line):
    table = Table("heading", [["a"], ["b"]], [("row", [Cell(["1"], [1])])], [note], [note])
    assert to_markdown(table).splitlines()[-3:] == [f"1. {line}", "", line]
    marked = table._replace(notes=[f"* {note}"])
    assert to_markdown(marked).splitlines()[-1] == f"* {line}", "the mark of the published page"


def test_html_escapes_what_a_label_holds(make_row):
    rows = [make_row(), make_row(variant="compile", status="crashed", detail="<b>&", phase="load")]
    hostile = {**LABELS, "pipelines": {"sd-txt2img": "<script>alert(1)</script>"}, "variants": {"eager": "a & b"}}
    summary = summarize(to_frame(rows), cells_of(rows), {"variant": "eager"})
    text = to_html(build_table(summary, "A100", 1, hostile))
    assert "<script>" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert "a &amp; b" in text
    assert "<li>&lt;b&gt;&amp;</li>" in text
    xml.etree.ElementTree.fromstring(f"<div>{text.replace('<br>', '<br/>')}</div>")


def test_csv_reads_back(make_row):
    rows = [make_row(pipeline="if", stage=stage, iterations_per_second=stage) for stage in (1, 2, 3)]
    lines = list(csv.reader(to_csv(table_with(rows)).splitlines()))
    assert lines == [["Pipeline", "torch 2.0 - no compile"], ["IF", "1.00 / 2.00 / 3.00"]]


STATUSES = ["ok", "oom", "compile-error", "unsupported", "invalid", "timeout", "crashed"]
PHASES = ["load", "first-call", "warmup", "call-1", "call-2", "call-9"]
WORDS = {"compile-error": "❌", "unsupported": "n/a"}
OOM = dict.fromkeys(PHASES[:3], "OOM") | {
    "call-1": "OOM after warmup",
    "call-2": "OOM after 1st iteration",
    "call-9": "OOM after 8th iteration",
}
OUTCOMES = st.tuples(st.sampled_from(STATUSES), st.sampled_from(PHASES), st.floats(0.01, 1e5), st.text(max_size=20))


@given(st.lists(OUTCOMES, min_size=1, max_size=12), st.text(min_size=1, max_size=12))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_dataset_parses_back_to_its_values(make_row, outcomes, label):
    """Whatever the statuses, details and labels: each cell of the table is the number or the word that its row stands for."""
    rows = [
        make_row(
            variant=f"v{number}", status=status, phase="" if status == "ok" else phase, detail="x" + one_line(detail)
        )
        | ({"iterations_per_second": repr(rate), "detail": ""} if status == "ok" else {})
        for number, (status, phase, rate, detail) in enumerate(outcomes)
    ]
    labels = {**LABELS, "pipelines": {"sd-txt2img": label}}
    (text,) = tables_of(rows, labels=labels).values()
    lines = [line for line in text.split("\n") if line.startswith("|")]
    assert len(lines) == 3
    cells = [cell.strip() for cell in re.split(r"(?<!\\)(?:\\\\)*\|", lines[2])[2:-1]]
    assert len(cells) == len(rows)
    for cell, row in zip(cells, rows, strict=True):
        if row["status"] == "ok":
            assert float(cell) == pytest.approx(float(row["iterations_per_second"]), abs=0.0051)
        else:
            expected = WORDS.get(row["status"], row["status"]) if row["status"] != "oom" else OOM[row["phase"]]
            assert re.fullmatch(re.escape(expected) + r"( <sup>\d+</sup>)?", cell)


def test_a_speedup_column_has_interval_and_verdict_and_unclear_ones_advice(make_row):
    rows = [
        make_row(pipeline=pipeline, variant=variant, round=number, iterations_per_second=rate)
        for pipeline, rates in (("sd-txt2img", [40, 40.3, 39.8]), ("if", [20.5, 20.4, 19.9]))
        for variant, values in (("eager", [20.0, 21.0, 19.0]), ("compile", rates))
        for number, rate in enumerate(values, start=1)
    ]
    summary = summarize(to_frame(rows), cells_of(rows), {"variant": "eager"})
    text = render_tables(summary, LABELS, TableOptions(speedups=True))["A100", 1]
    assert re.search(r"\| +2\.00x \(1\.\d\d to 2\.\d\d\), faster +\|", text)
    assert re.search(r"\| +1\.02x \(0\.\d\d to 1\.\d\d\), unclear +\|", text)
    assert "Geometric mean over 2 pipelines, torch 2.0 compile: 1.43x (20 to 28.6 it/s)." in text
    assert re.search(r"Unclear: the interval contains 1\. Estimated rounds .*: IF, torch 2\.0 compile, \d+\.", text)
    assert re.search(r"median of 3 rounds \(95% intervals: ±1\.\d% to ±1\d\.\d%\)", text)
