"""Other sizes than a pipeline's own: what is planned and measured, what cannot be, and how it is printed and drawn."""

import copy
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image
from test_figures import BASELINE, FIGURES, LABELS, summary_of, texts_of
from test_tables import cells_in

from columns import CALL_COLUMNS, COLUMNS
from conftest import ROOT
from kept import LATENTS, picture, shifted
from matrix import Plan
from measurement.definition import planned_digest, resolve
from measurement.errors import DiffbenchError, Unsupported
from measurement.row import to_csv
from reporting.errors import ReportError
from reporting.extended import build_all_extended
from reporting.figure_strips import write_strips
from reporting.labels import label_of, notes_on
from reporting.marked import Renderer
from reporting.outputs import read_runs
from reporting.read import read_calls, read_measurements, read_rows
from reporting.summary import read_summary
from reporting.tables import render_tables
from running import measure, rows_of
from sizes import SIZE, name_at, split_name

CONFIG = {**yaml.safe_load((ROOT / "config/config.yaml").read_text(encoding="utf-8")), "exclude": []}


def changed(**keys):
    return {**copy.deepcopy(CONFIG), **keys}


def wildcards_of(path):
    """The wildcards of a run's folder, as Snakemake gives them."""
    texts = {axis: str(value) for axis, value in path.items()}
    return type("Wildcards", (SimpleNamespace,), {"__getitem__": lambda self, key: texts[key]})(**texts)


def test_every_pipeline_is_planned_at_every_size_after_its_batch_size():
    plan = Plan(changed(sizes=["native", "768x1360", "480x832x81"]))
    assert len(plan.cells) == 3 * 24
    first = plan.cells[(plan.cells["pipeline"] == "sd-txt2img") & (plan.cells["variant"] == "eager")]
    assert list(first["size"]) == 2 * ["native", "768x1360", "480x832x81"]
    assert list(first["batch_size"]) == [1, 1, 1, 4, 4, 4]
    assert set(Plan(CONFIG).cells["size"]) == {"native"}


def test_exclude_may_name_a_size_also_where_the_config_names_none():
    plan = Plan(changed(sizes=["native", "64x64"], exclude=[{"pipeline": "if", "size": "64x64"}]))
    assert len(plan.cells) == 2 * 24 - 4
    with pytest.raises(DiffbenchError, match=r"exclude\[0\].size: '64x64' is outside the matrix"):
        Plan(changed(exclude=[{"pipeline": "if", "size": "64x64"}]))


BAD = ("768", "768x", "0x8", "08x8", "8x8x0", "8x8x8x8", "8X8", "8 x 8", "-8x8", "8x8\n", "Native", "")


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ([], "sizes: found [], expected a list of one or more different sizes"),
        ("native", "sizes: found 'native', expected a list"),
        (["native", "native"], "expected a list of one or more different sizes, as in [native, 768x1360]"),
        ([768], "sizes[0]: found 768 (a number"),
        *(([text], f"sizes[0]: found {text!r}, expected native, HEIGHTxWIDTH or HEIGHTxWIDTHxFRAMES") for text in BAD),
    ],
)
def test_a_bad_size_is_one_line(sizes, message):
    with pytest.raises(DiffbenchError) as caught:
        Plan(changed(sizes=sizes))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_command_line_refuses_a_bad_size(tmp_path):
    assert not any(map(SIZE.match, BAD))
    result = measure(tmp_path, "--size", "08x8")
    assert result.returncode == 2
    assert "found '08x8', expected native or a size such as 768x1360 or 480x832x81" in result.stderr


def test_runs_at_the_native_size_lie_where_they_always_did():
    plan = Plan(changed(sizes=["64x32", "native"]))
    native, other = Plan(CONFIG).paths, plan.paths
    assert "size" not in other
    assert set(map(tuple, native.values)) < set(map(tuple, other.values))
    assert set(other["pipeline"]) - set(native["pipeline"]) == {f"{name}@64x32" for name in CONFIG["pipelines"]}


def test_every_folder_finds_its_own_definition_and_number():
    plan = Plan(changed(sizes=["native", "64x32"], pipelines=["sd-txt2img", "if"]))
    found = [(plan.definition(each), plan.number(each)) for each in map(wildcards_of, plan.paths.to_dict("records"))]
    assert sorted(number for _, number in found) == list(range(1, len(plan.runs) + 1))
    keys = plan.runs[["pipeline", "batch_size", "size", "variant"]].itertuples(index=False, name=None)
    assert [definition for definition, _ in found] == [planned_digest(plan.config, *key) for key in keys]


def test_a_size_is_part_of_a_definition_unless_it_is_native(tmp_path):
    native = resolve("if", 1, "eager", "random", "tiny")
    assert "size" not in native and not any("fixed_size" in stage for stage in native["stages"])
    other = resolve("if", 1, "eager", "random", "tiny", size="64x64")
    assert other["size"] == "64x64" and all(stage["fixed_size"] for stage in other["stages"])
    plan = Plan(changed(sizes=["native", "64x64", "64x32"]))
    assert len(set(plan.definitions.values())) == 3 * 24
    assert {key: plan.definitions[key] for key in Plan(CONFIG).definitions} == Plan(CONFIG).definitions


@pytest.mark.parametrize(
    ("pipeline", "stage", "size", "arguments"),
    [
        ("sd-txt2img", 0, "native", {}),
        ("sd-txt2img", 0, "32x16", {"height": 32, "width": 16}),
        ("sd-inpaint", 0, "32x16", {"height": 32, "width": 16}),
        ("sd-img2img", 0, "32x16", {}),
        ("sd-txt2img", 0, "32x16x8", "StableDiffusionPipeline takes no num_frames"),
        ("sd-img2img", 0, "32x16x8", "StableDiffusionImg2ImgPipeline takes no num_frames"),
        ("if", 0, "32x16", "IFPipeline is measured at its own size alone, not at 32x16"),
    ],
)
def test_what_a_call_takes_of_a_size(pipeline, stage, size, arguments):
    from measurement.size import size_arguments

    description = resolve(pipeline, 1, "eager", "random", "tiny", size=size)["stages"][stage]
    if isinstance(arguments, dict):
        assert size_arguments(description, size) == arguments
        return
    with pytest.raises(Unsupported, match=arguments):
        size_arguments(description, size)


def test_an_image_of_its_own_size_sizes_nothing_and_one_in_a_list_does():
    from measurement.size import size_arguments

    description = {"class": "StableDiffusionUpscalePipeline", "call": {"prompt": "x", "noise_level": 1}}
    for value in (None, {"make": "image", "size": 64}, {"make": "normal", "shape": [1, 3, 8, 8]}):
        description["call"]["image"] = value
        with pytest.raises(
            Unsupported, match="takes neither height and width nor an image that could be made at 32x16"
        ):
            size_arguments(description, "32x16")
    description["call"]["image"] = {"make": "repeat", "value": {"make": "image"}}
    assert size_arguments(description, "32x16") == {}


def test_frames_are_asked_of_a_pipeline_that_makes_them():
    diffusers = pytest.importorskip("diffusers")
    from measurement.size import size_arguments

    if not hasattr(diffusers, "TextToVideoSDPipeline"):
        pytest.skip("this release has no such pipeline")
    description = {"class": "TextToVideoSDPipeline", "call": {"prompt": "x", "num_frames": 4}}
    assert size_arguments(description, "32x16x8") == {"height": 32, "width": 16, "num_frames": 8}
    assert size_arguments(description, "32x16") == {"height": 32, "width": 16}


def test_what_was_made_at_another_size_is_told():
    import torch

    from measurement.size import check_size

    image, frames = Image.new("RGB", (16, 32)), [Image.new("RGB", (16, 32))] * 8
    tensor, video, latents = torch.zeros(3, 32, 16), torch.zeros(8, 3, 32, 16), torch.zeros(4, 9, 9)
    for made in (image, frames, np.zeros((8, 32, 16, 3)), tensor, video, latents, torch.zeros(9, 64)):
        check_size([made], "32x16")
        check_size([made], "native")
    for made in (image, tensor, frames, video):
        with pytest.raises(Unsupported, match="asked for 33x16, the pipeline made 32x16"):
            check_size([made], "33x16")
    check_size([frames], "32x16x8")
    for made, text in ((frames, "32x16x8"), (image, "32x16")):
        with pytest.raises(Unsupported, match=f"asked for 32x16x9, the pipeline made {text}:"):
            check_size([made], "32x16x9")


@pytest.mark.parametrize("pipeline", ["sd-txt2img", "sd-img2img"])
def test_a_pipeline_is_measured_at_the_size_that_is_named(tmp_path, pipeline):
    result = measure(tmp_path, "--calls", 1, "--warmup-calls", 1, "--size", "32x16", pipeline=pipeline)
    (row,) = rows_of(tmp_path)
    assert (row["status"], row["size"]) == ("ok", "32x16"), row["detail"]
    assert {call["size"] for call in rows_of(tmp_path, "calls.csv")} == {"32x16"}
    assert Image.open(tmp_path / "outputs/stage-1.png").size == (16, 32), "PIL says width first"
    assert f"{pipeline}@32x16, batch size 1" in result.stderr
    assert row["definition"] == planned_digest(
        {"weights": "random", "scale": "tiny", "measurement": {**SETTINGS_OF_TESTS}}, pipeline, 1, "32x16", "eager"
    )


SETTINGS_OF_TESTS = {  # as running.measure and the test above give them
    "warmup_calls": 1,
    "max_warmup_calls": 3,
    "calls": 1,
    "max_calls": 6,
    "max_seconds": 60,
    "target_percent": None,
}


def test_what_cannot_be_made_at_a_size_is_n_a_with_the_reason(tmp_path):
    assert measure(tmp_path / "if", "--size", "32x32", pipeline="if").returncode == 0
    rows = rows_of(tmp_path / "if")
    assert [(row["stage"], row["status"], row["phase"]) for row in rows] == [
        (stage, "unsupported", "load") for stage in "123"
    ]
    assert all("is measured at its own size alone, not at 32x32" in row["detail"] for row in rows)
    measure(tmp_path / "rounded", "--size", "33x16", pipeline="sd-img2img")
    (row,) = rows_of(tmp_path / "rounded")
    assert (row["status"], row["iterations_per_second"]) == ("unsupported", "")
    assert "asked for 33x16, the pipeline made 32x16" in row["detail"]


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
    with pytest.raises(DiffbenchError, match="T4, 2.1, sd-txt2img@64x64, batch size 4, eager, stage 1, round 1: found"):
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
    from render import write_summary

    summary = summary_of(sized_rows(make_row))
    write_summary(summary, tmp_path / "summary.csv")
    written = pd.read_csv(tmp_path / "summary.csv", dtype=str)
    assert set(written["pipeline"]) == {"sd-txt2img"}
    assert list(written["size"]) == ["native", "native", "768x1360", "768x1360"]
    assert list(read_summary(tmp_path / "summary.csv")["pipeline"]) == list(summary["pipeline"])


def test_rows_of_two_sizes_are_not_one_cell(make_row):
    with pytest.raises(
        ReportError, match="cell A100, 2.0, sd-txt2img@64x64, batch size 1, eager: round 1 is there twice"
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
