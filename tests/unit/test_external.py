"""Measurements of other machines: what is joined, and what is refused because it cannot be told which counts."""

import copy
import csv
import os

import pytest

from conftest import WHOLE_CONFIG as CONFIG
from diffbench.plan.matrix import Plan
from diffbench.system.files import to_csv
from diffbench.vocabulary.columns import CALL_COLUMNS, CEILING_COLUMNS, COLUMNS, FIDELITY_COLUMNS
from diffbench.vocabulary.errors import DiffbenchError

CELL = {"gpu": "T4", "torch": "2.1", "pipeline": "sd-txt2img", "batch_size": 4, "variant": "eager", "scale": "tiny"}

CEILING = {
    "gpu": "T4",
    "torch": "2.1",
    "dtype": "float16",
    "matmul_tflops": 50.0,
    "device_name": "Tesla T4",
    "torch_version": "2.1.2+cu121",
    "cuda_version": "12.1",
    "started_at": "2026-11-20T10:00:00Z",
}
DEFINITION = Plan(CONFIG).definitions["sd-txt2img", 4, "native", "eager"]
CALL = {
    **dict.fromkeys(CALL_COLUMNS, "1"),
    **{key: value for key, value in CELL.items() if key in CALL_COLUMNS},
    "definition": DEFINITION,
    "size": "native",
    "kind": "call",
    "latency_s": "2.5",
    "loop_s": "0.5",
}
CALLS = 5  # of the row that `write` writes


def write_file(path, columns, rows=()):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(to_csv(rows, columns), encoding="utf-8")


@pytest.fixture
def write(tmp_path, make_row):
    """Writes a CSV of one row of another machine; keys replace its columns."""

    def write(name, **keys):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(to_csv([make_row(**{**CELL, "definition": DEFINITION, **keys})], COLUMNS), encoding="utf-8")
        return path

    return write


def plan(*external, **keys):
    return Plan({**copy.deepcopy(CONFIG), "external": [str(path) for path in external], **keys})


def test_cells_of_another_machine_are_reported_and_not_scheduled(write):
    found = plan(write("a.csv"), write("b/measurements.csv", gpu="A100").parent)
    assert found.external_cells["gpu"].tolist() == ["T4", "A100"]
    assert set(found.runs["gpu"]) == {"CPU"}
    cells = found.all_cells()
    assert len(cells) == 24 + 2
    assert cells["definition"].notna().all()


def test_what_lies_beside_the_rows_comes_along(write):
    rows = write("one/measurements.csv")
    write_file(rows.parent / "calls.csv", CALL_COLUMNS, [CALL] * CALLS)
    write_file(rows.parent / "fidelity.csv", FIDELITY_COLUMNS)
    write_file(rows.parent / "ceilings/gpu~T4/torch~2.1.csv", CEILING_COLUMNS, [CEILING])
    (source,) = plan(rows.parent).sources
    assert [path.name for path in source.calls + source.fidelity] == ["calls.csv", "fidelity.csv"]
    assert [path.name for path in source.ceilings] == ["torch~2.1.csv"]


def test_a_folder_of_runs_and_a_glob_name_the_same_files_once(write, tmp_path):
    write("node/round~1/run.csv")
    write("node/round~2/run.csv", round=2)
    assert len(plan(tmp_path / "node").sources) == 2
    assert len(plan(tmp_path / "node", tmp_path / "*/**/run.csv").sources) == 2


def test_one_measurement_from_two_sources_is_refused(write):
    with pytest.raises(DiffbenchError) as error:
        plan(write("a.csv"), write("b.csv"))
    first, other = (str(write(name)) for name in ("a.csv", "b.csv"))
    assert str(error.value) == (
        f"config: external: {other}:2: the same measurement as in {first}:2 (T4, 2.1, sd-txt2img, batch size 4, eager, stage 1, "
        "round 1); keep one of them"
    )


def test_another_round_of_the_same_cell_is_joined(write):
    assert len(plan(write("a.csv"), write("b.csv", round=2)).external_cells) == 1


def test_a_run_that_this_config_has_too_is_refused(write):
    path = write("a.csv", gpu="CPU", torch="installed")
    with pytest.raises(DiffbenchError, match="is also a run of this config, so it would have two sources; remove CPU"):
        plan(path)
    assert len(plan(path, exclude=[{"pipeline": "sd-txt2img", "batch_size": 4}]).external_cells) == 1


def test_another_definition_is_refused(write):
    with pytest.raises(DiffbenchError) as error:
        plan(write("a.csv", definition="0123456789ab"))
    expected = "a.csv:2: has another definition: `measurement`, `weights`, `scale`, `cache` or a catalogue differs; "
    assert str(error.value).endswith(f"{expected}use those it came with, or leave it out")
    path = write("mine/measurements.csv")
    path.with_name("config.yaml").write_text("name: mine\n", encoding="utf-8")
    with pytest.raises(
        DiffbenchError, match=f"differs; name its own config first: --configfile {path.parent}/config.yaml …"
    ):
        plan(path.parent, measurement={**CONFIG["measurement"], "max_calls": 31})


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda folder, write: folder / "nowhere.csv",
            "nowhere.csv: no such file or folder; name a CSV of measurements",
        ),
        (lambda folder, write: folder, "has neither measurements.csv nor a run.csv"),
        (lambda folder, write: write("a.csv", pipeline="sd-9"), "a.csv:2: unknown pipeline 'sd-9'"),
        (lambda folder, write: write("a.csv", gpu="../../etc"), "a.csv:2: gpu: found '../../etc'"),
    ],
)
def test_what_names_no_measurement_is_told_with_its_place(write, tmp_path, make, message):
    with pytest.raises(DiffbenchError) as error:
        plan(make(tmp_path, write))
    assert str(error.value).startswith("config: external: ")
    assert message in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("foreign.csv", "a,b\n1,2\n", "not a measurement CSV"),
        ("quotes.csv", '"abc"d,e\n', "quotes.csv:1: not valid CSV"),
        ("cut.csv", "gpu,torch", "cut off in its last line; get a new copy of it, or leave it out"),
        ("bundle.zip", "PK", "found an archive, expected a folder; unpack it and name its folder"),
    ],
)
def test_a_foreign_file_is_told(tmp_path, name, text, message):
    (tmp_path / name).write_text(text)
    with pytest.raises(DiffbenchError) as error:
        plan(tmp_path / name)
    assert message in str(error.value)


def test_bundles_side_by_side_in_one_folder_are_found(write, tmp_path):
    write("bundles/a/mine/measurements.csv")
    write("bundles/b/mine/measurements.csv", round=2)
    assert len(plan(tmp_path / "bundles").sources) == 2


def test_a_collection_that_lacks_a_newer_run_is_refused(write):
    """A copy may have any times: then the rows count."""
    collected, run = write("results/measurements.csv"), write("results/runs/round~1/run.csv")
    os.utime(collected, (1, 1))
    assert len(plan(collected.parent).sources) == 1
    run = write("results/runs/round~2/run.csv", round=2)
    with pytest.raises(DiffbenchError, match=f"measurements.csv: lacks the rows of {run}; finish there"):
        plan(collected.parent)


@pytest.mark.parametrize(("column", "value"), [("scale", "full"), ("weights", "pretrained")])
def test_a_row_that_says_other_than_its_definition_is_refused(write, column, value):
    with pytest.raises(DiffbenchError) as error:
        plan(write("a.csv", **{column: value}))
    assert f"a.csv:2: {column}: found '{value}', but its definition is that of " in str(error.value)


def test_own_results_are_no_other_machine(write, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DiffbenchError, match="belongs to this config's own results; choose another `name`"):
        plan(write("results/quickstart/measurements.csv"))


def test_a_path_with_braces_is_refused(write):
    folder = write("sent/{a}/measurements.csv").parents[1]
    with pytest.raises(
        DiffbenchError, match=r"^config: external: found '.*/sent/\{a\}/measurements.csv', expected a path without"
    ):
        plan(folder)


def test_ceilings_of_a_folder_of_runs_come_along(write, tmp_path):
    write("node/runs/round~1/run.csv")
    write_file(tmp_path / "node/ceilings/gpu~T4/torch~2.1.csv", CEILING_COLUMNS, [CEILING])
    (source,) = plan(tmp_path / "node").sources
    assert len(source.ceilings) == 1


def test_a_row_that_contradicts_itself_is_refused_before_anything_is_measured(write):
    with pytest.raises(DiffbenchError) as error:
        plan(write("a.csv", torch="2.1", torch_version="2.10.0+cu128"))
    assert "config: external: " in str(error.value)
    assert "a.csv:2: torch: found '2.1', but torch_version is '2.10.0+cu128'" in str(error.value)
    assert str(error.value).endswith("; get a new copy of it, or leave it out")


@pytest.mark.parametrize("value", ["nan", "1e999", "-1", "0x10", "fast", "inf"])
def test_calls_beside_the_rows_are_finite(write, value):
    rows = write("one/measurements.csv")
    call = {**dict.fromkeys(CALL_COLUMNS, "1"), "kind": "call", "loop_s": value}
    write_file(rows.with_name("calls.csv"), CALL_COLUMNS, [{**call, "loop_s": "0.5"}, call])
    with pytest.raises(DiffbenchError, match="calls.csv:3: loop_s: found '.*', expected a number of 0 or more"):
        plan(rows.parent)


def test_the_home_folder_of_a_user_that_there_is_not_is_told():
    with pytest.raises(DiffbenchError) as error:
        plan("~nosuchuser/x")
    assert str(error.value).startswith(
        "config: external: ~nosuchuser/x: user 'nosuchuser' has no home folder; name a CSV of measurements"
    )


def test_a_document_may_be_in_a_home_folder(monkeypatch):
    monkeypatch.setenv("HOME", "/home/alice")
    assert plan(documents=["~/speed.md", "docs/speed.md"]).config["documents"] == [
        "/home/alice/speed.md",
        "docs/speed.md",
    ]
    with pytest.raises(
        DiffbenchError, match="^config: documents: ~nosuchuser/a.md: user 'nosuchuser' has no home folder"
    ):
        plan(documents=["~nosuchuser/a.md"])


@pytest.mark.parametrize("key", ["external", "documents"])
def test_a_path_with_a_null_byte_is_refused(key):
    with pytest.raises(DiffbenchError, match=rf"^config: {key}\[0\]: found 'a\\x00b.md', expected "):
        plan(**{key: ["a\0b.md"]}) if key == "documents" else plan("a\0b.md")


@pytest.mark.parametrize("name", ["measurements.csv", "node/run.csv", "ceilings/gpu~T4/torch~2.1.csv", "calls.csv"])
def test_a_pipe_below_a_folder_is_no_file_to_wait_for(write, tmp_path, name):
    pipe = tmp_path / "sent" / name
    pipe.parent.mkdir(parents=True)
    os.mkfifo(pipe)
    write("sent/other/run.csv")
    assert [source.rows.name for source in plan(tmp_path / "sent").sources] == ["run.csv"]
    with pytest.raises(DiffbenchError, match="found a pipe or a device, expected a file; name a CSV of measurements"):
        plan(pipe)


COMPARED = {**dict.fromkeys(FIDELITY_COLUMNS, "1"), **CELL, "size": "native", "identical": "False", "note": ""}


@pytest.mark.parametrize(
    ("name", "columns", "right", "keys", "message"),
    [
        (
            "calls.csv",
            CALL_COLUMNS,
            [CALL] * CALLS,
            {"variant": "compile"},
            "batch size 4, compile, stage 1, round 1 under definition",
        ),
        (
            "calls.csv",
            CALL_COLUMNS,
            [CALL] * CALLS,
            {"definition": "0123456789ab"},
            "under definition 0123456789ab is not in",
        ),
        (
            "fidelity.csv",
            FIDELITY_COLUMNS,
            [COMPARED],
            {"gpu": "CPU"},
            "CPU, 2.1, sd-txt2img, batch size 4, eager, stage 1, round",
        ),
        (
            "fidelity.csv",
            FIDELITY_COLUMNS,
            [COMPARED],
            {"round": "2"},
            "eager, stage 1, round 2 is not in measurements.csv; get",
        ),
    ],
)
def test_what_is_said_of_cells_that_were_not_measured_is_refused(write, name, columns, right, keys, message):
    rows = write("one/measurements.csv")
    right = [{column: row[column] for column in columns} for row in right]
    write_file(rows.with_name(name), columns, right)
    assert len(plan(rows.parent).sources) == 1
    write_file(rows.with_name(name), columns, [*right, {**right[0], **keys}])
    with pytest.raises(DiffbenchError) as error:
        plan(rows.parent)
    assert str(error.value).startswith(f"config: external: {rows.with_name(name)}:{len(right) + 2}: ")
    assert message in str(error.value)
    assert str(error.value).endswith("is not in measurements.csv; get a new copy of it, or leave it out")


@pytest.mark.parametrize("count", [CALLS - 1, CALLS + 1])
def test_calls_beside_the_rows_are_as_many_as_the_rows_say(write, count):
    rows = write("one/measurements.csv")
    write_file(rows.with_name("calls.csv"), CALL_COLUMNS, [{**CALL, "kind": "warmup"}, *[CALL] * count])
    with pytest.raises(DiffbenchError) as error:
        plan(rows.parent)
    assert str(error.value) == (
        f"config: external: {rows.with_name('calls.csv')}: found {count} calls for sd-txt2img, batch size 4, eager, stage 1, "
        "round 1, expected 5 as in measurements.csv; get a new copy of it, or leave it out"
    )


def test_a_gpu_that_is_excluded_where_none_is_measured_is_no_error(write):
    """As in the config of a bundle, below `gpus: []`."""
    assert plan(write("a.csv"), gpus=[], exclude=[{"gpu": "A100"}]).runs.empty


def test_a_row_may_come_without_calls_beside_others_that_have_some(write):
    """As a machine has them that has collected what another one sent without calls."""
    rows = write("one/measurements.csv")
    own = rows.read_text(encoding="utf-8")
    other = write("two/measurements.csv", round=2).read_text(encoding="utf-8").splitlines(keepends=True)[1]
    rows.write_text(own + other, encoding="utf-8")
    write_file(rows.with_name("calls.csv"), CALL_COLUMNS, [CALL] * CALLS)
    assert len(plan(rows.parent).sources) == 1


def test_a_newer_run_of_an_older_release_is_found_in_a_collection(write):
    """Its CSV has fewer columns."""
    collected, run = write("results/measurements.csv"), write("results/runs/round~1/run.csv")
    (row,) = csv.DictReader(run.read_text(encoding="utf-8").splitlines())
    del row["step_mib"]
    run.write_text(to_csv([row], list(row)), encoding="utf-8")
    os.utime(collected, (1, 1))
    assert len(plan(collected.parent).sources) == 1
