"""Other sizes than a pipeline's own in rows, tables, figures and documents."""

from types import SimpleNamespace

import pandas as pd
import pytest

from changed_config import changed
from conftest import WHOLE_CONFIG as CONFIG
from diffbench.catalogue.labels import label_of, notes_on
from diffbench.data.errors import ReportError
from diffbench.data.measurements import read_calls, read_measurements, read_rows
from diffbench.data.outputs import read_runs
from diffbench.documents.directives import Renderer
from diffbench.figures.figures import FIGURES
from diffbench.figures.strips import write_strips
from diffbench.plan.matrix import Plan
from diffbench.statistics.summary import read_summary
from diffbench.system.files import to_csv
from diffbench.tables.extended import build_all_extended
from diffbench.tables.tables import render_tables
from diffbench.vocabulary.columns import CALL_COLUMNS, COLUMNS
from diffbench.vocabulary.errors import DiffbenchError
from diffbench.vocabulary.sizes import name_at, split_name
from drawn_figures import BASELINE, LABELS, summary_of, texts_of
from kept import LATENTS, picture, shifted
from printed_tables import cells_in


def without_size(text):
    """A CSV as it was before there were sizes."""
    lines = [line.split(",") for line in text.splitlines()]
    place = lines[0].index("size")
    return "".join(",".join(line[:place] + line[place + 1 :]) + "\n" for line in lines)


def test_a_csv_without_sizes_is_native(make_row, tmp_path):
    rows = tmp_path / "run.csv"
    rows.write_text(without_size(to_csv([make_row()], COLUMNS)), encoding="utf-8")
    assert read_rows(rows) == [make_row()]
    calls = {"kind": "call", "call": "1", "loop_s": "1"}
    call = {**{column: value for column, value in make_row().items() if column in CALL_COLUMNS}, **calls}
    for name, change in (("new.csv", str), ("old.csv", without_size)):
        (tmp_path / name).write_text(change(to_csv([call], CALL_COLUMNS)), encoding="utf-8")
    pd.testing.assert_frame_equal(read_calls([tmp_path / "old.csv"]), read_calls([tmp_path / "new.csv"]))


@pytest.mark.parametrize("size", ["768", "08x8", "../x", ""])
def test_a_row_of_no_size_is_refused(make_row, tmp_path, size):
    path = tmp_path / "run.csv"
    path.write_text(to_csv([make_row(size=size)], COLUMNS), encoding="utf-8")
    with pytest.raises(ReportError, match=f"size: found '{size}', expected text that matches"):
        read_measurements([path])


def test_another_machine_may_have_measured_a_size_before_there_were_any(make_row, tmp_path):
    definition = Plan(CONFIG).definitions["sd-txt2img", 4, "native", "eager"]
    row = make_row(gpu="T4", torch="2.1", batch_size=4, scale="tiny", definition=definition)
    path = tmp_path / "old.csv"
    path.write_text(without_size(to_csv([row], COLUMNS)), encoding="utf-8")
    found = Plan(changed(external=[str(path)])).external_cells
    assert found[["pipeline", "size"]].values.tolist() == [["sd-txt2img", "native"]]
    path.write_text(to_csv([{**row, "size": "64x64"}], COLUMNS), encoding="utf-8")
    with pytest.raises(DiffbenchError, match="old.csv:2: has another definition"):
        Plan(changed(external=[str(path)]))


def test_names_tell_pipeline_and_size():
    for pair in (("if", "native"), ("if", "768x1360"), ("sd-txt2img", "480x832x81")):
        assert split_name(name_at(*pair)) == pair
    assert label_of(LABELS, "pipelines", "sd-txt2img") == "SD - txt2img"
    assert label_of(LABELS, "pipelines", "sd-txt2img@768x1360") == "SD - txt2img, 768 x 1360"
    assert label_of(LABELS, "pipelines", "sd-txt2img@480x832x81") == "SD - txt2img, 480 x 832, 81 frames"
    assert notes_on(LABELS, ["sd-txt2img", "if", "if@64x64"]) == [LABELS["notes"]["if"]]


def sized_rows(make_row):
    rates = {"native": (10, 20), "768x1360": (2, 6)}
    return [
        make_row(size=size, variant=variant, iterations_per_second=rate)
        for size, pair in rates.items()
        for variant, rate in zip(("eager", "compile"), pair)
    ]


def test_a_size_is_a_row_of_its_own_in_the_tables_with_speedups_over_the_same_size(make_row):
    rows = sized_rows(make_row) + [make_row(size="8x8x4", status="unsupported", phase="load", detail="no frames")]
    summary = summary_of(rows)
    text = render_tables(summary, LABELS)["A100", 1]
    lines = [cells_in(line) for line in text.splitlines() if line.startswith("|")][2:]
    assert lines == [
        ["SD - txt2img", "10.00", "20.00"],
        ["SD - txt2img, 768 x 1360", "2.00", "6.00"],
        ["SD - txt2img, 8 x 8, 4 frames", "n/a <sup>1</sup>", "-"],
    ]
    speedups = summary.set_index(["pipeline", "variant"])["speedup"]
    assert speedups["sd-txt2img", "compile"] == 2
    assert speedups["sd-txt2img@768x1360", "compile"] == 3
    table = build_all_extended(summary, LABELS)["A100", 1]
    assert table.rows[3][0] == "SD - txt2img, 768 x 1360, torch 2.0 - compile"
    assert any(
        "Geometric mean over 2 of 3 pipelines and sizes, torch 2.0 compile: 2.45x" in note for note in table.notes
    )


def test_a_summary_is_written_with_names_and_sizes_and_read_back(make_row, tmp_path):
    from diffbench.documents.render import write_summary

    summary = summary_of(sized_rows(make_row))
    write_summary(summary, tmp_path / "summary.csv")
    written = pd.read_csv(tmp_path / "summary.csv", dtype=str)
    assert set(written["pipeline"]) == {"sd-txt2img"}
    assert list(written["size"]) == ["native", "native", "768x1360", "768x1360"]
    assert list(read_summary(tmp_path / "summary.csv")["pipeline"]) == list(summary["pipeline"])


def test_rows_of_two_sizes_are_not_one_cell(make_row):
    with pytest.raises(
        ReportError, match="cell A100, 2.0, sd-txt2img@64x64, batch size 1, eager: round 1 appears twice"
    ):
        summary_of([make_row(), make_row(size="64x64"), make_row(size="64x64")])


@pytest.mark.parametrize("name", [name for name in FIGURES if name != "speedup-by-gpu"])
def test_a_size_is_a_group_of_its_own_in_the_figures(make_row, name):
    work = {"step_gflop": "100", "step_mib": "10", "denoiser_calls_per_second": "20", "startup_s": "5"}
    rows = [{**row, **work, "cache": "cold" * (row["variant"] == "compile")} for row in sized_rows(make_row)]
    for row in rows:
        row["latency_s"] = str(50 / float(row["iterations_per_second"]))
    summary = summary_of(rows).assign(matmul_tflops=200.0, copy_gib_per_second=1000.0, achieved_tflops=2.0)
    texts = texts_of(FIGURES[name](summary, LABELS, BASELINE))
    for label in ("SD - txt2img", "SD - txt2img, 768 x 1360"):
        assert any(text == label or text.endswith(f" {label}") for text in texts), (label, texts)


def test_the_figure_by_gpu_stays_that_of_the_native_size(make_row):
    texts = texts_of(FIGURES["speedup-by-gpu"](summary_of(sized_rows(make_row)), LABELS, BASELINE))
    assert "2.00 × 10.0" in texts and "3.00 × 2.00" not in texts


def test_a_size_has_a_strip_of_its_own(runs, tmp_path):
    runs.add(picture(), LATENTS)
    runs.add(shifted(picture(), 1), LATENTS, variant="compile")
    runs.add(picture(32), LATENTS, size="32x32")
    runs.add(picture(32), LATENTS, size="32x32", variant="compile")
    fidelity = runs.compare()
    assert list(fidelity["identical"]) == [True, False, True, True], "each against the baseline of its size"
    write_strips(runs.summary(), read_runs(runs.paths), fidelity, LABELS, BASELINE, tmp_path / "strips")
    names = [f"A100-2.0-sd-txt2img{size}-batch-1.png" for size in ("", "@32x32")]
    assert sorted(path.name for path in (tmp_path / "strips").iterdir()) == sorted(names)
    texts = texts_of(runs.draw(place=("A100", "2.0", "sd-txt2img@32x32", 1)))
    assert any(text.startswith("SD - txt2img, 32 x 32, batch size 1") for text in texts)
    assert any(text.startswith("identical") for text in texts)


@pytest.mark.parametrize(
    ("options", "text"), [({}, "20.00"), ({"size": "native"}, "20.00"), ({"size": "768x1360"}, "6.00")]
)
def test_a_marker_may_name_the_size(make_row, options, text):
    render = Renderer({"mine": (summary_of(sized_rows(make_row)), LABELS)}, {})
    place = {"dataset": "mine", "gpu": "A100", "batch_size": "1", "pipeline": "sd-txt2img", "torch": "2.0"}
    marker = SimpleNamespace(kind="cell", options={**place, "variant": "compile", **options})
    assert render(marker) == text


def test_a_marker_of_another_size_is_told(make_row):
    render = Renderer({"mine": (summary_of(sized_rows(make_row)), LABELS)}, {})
    place = {"dataset": "mine", "gpu": "A100", "batch_size": "1", "pipeline": "sd-txt2img", "torch": "2.0"}
    with pytest.raises(ReportError, match="unknown size '768x1361'; did you mean '768x1360'"):
        render(SimpleNamespace(kind="cell", options={**place, "variant": "compile", "size": "768x1361"}))
