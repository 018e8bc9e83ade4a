"""The tables' form, their footnotes and what they say of their origin."""

import pandas as pd
from test_summary import cells_of

from conftest import ROOT
from reporting.labels import read_labels
from reporting.read import to_frame
from reporting.summary import summarize
from reporting.tables import render_tables

LABELS = read_labels([ROOT / "config" / f"{kind}.yaml" for kind in ("gpus", "pipelines", "variants")])


def tables_of(rows, cells=None, labels=LABELS):
    return render_tables(
        summarize(to_frame(rows), cells_of(rows) if cells is None else cells, {"variant": "eager"}), labels
    )


def cells_in(line):
    return [cell.strip() for cell in line.strip("|").split("|")]


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
    rows = [
        make_row(pipeline="if", stage=stage, iterations_per_second=rate)
        for stage, rate in [(1, 20.21), (2, 13.84), (3, 24)]
    ]
    assert "| 20.21 / <br>13.84 / <br>24.00 |" in tables_of(rows)[("A100", 1)]


def test_cells_outside_the_matrix_and_open_ones_differ(make_row):
    rows = [make_row(), make_row(variant="compile"), make_row(pipeline="if")]
    cells = cells_of(rows + [make_row(pipeline="sd-inpaint")])
    lines = tables_of(rows, cells)[("A100", 1)].splitlines()
    assert cells_in(lines[5]) == ["IF", "20.00", "-"]
    assert cells_in(lines[6]) == ["SD - inpaint", "…", "-"]


def test_failures_are_explained_below_the_table(make_row):
    rows = [
        make_row(),
        make_row(variant="compile", status="timeout", phase="warmup", detail="stopped at the time limit of 9 s"),
        make_row(
            pipeline="if", variant="compile", status="compile-error", phase="first-call", detail="graph break | in <x>"
        ),
    ]
    text = tables_of(rows)[("A100", 1)]
    assert "| timeout <sup>1</sup> |" in text
    assert "1. stopped at the time limit of 9 s" in text
    assert "❌ IF: graph break \\| in &lt;x&gt;" in text


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
    cells = pd.DataFrame(
        [["A100", "2.0", "if", 1, "eager"]], columns=["gpu", "torch", "pipeline", "batch_size", "variant"]
    )
    assert "| … |" in tables_of([], cells)[("A100", 1)].replace("  ", " ").replace("  ", " ").replace("  ", " ")
