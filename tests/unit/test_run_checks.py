"""Run folders whose rows are of another run or of another definition than the plan's."""

import csv
from types import SimpleNamespace

import pytest

import bundle
import measurements
from diffbench.data.errors import ReportError
from diffbench.data.measurements import read_calls, read_files
from diffbench.data.outputs import read_runs
from diffbench.data.run_checks import check_calls
from diffbench.system.files import to_csv
from diffbench.vocabulary.columns import CALL_COLUMNS, COLUMNS

PLACE = "runs/gpu~T4/torch~2.1/pipeline~sd-txt2img{size}/batch_size~4/variant~{variant}/round~{round}/run.csv"
ROW = {"gpu": "T4", "torch": "2.1", "batch_size": 4, "definition": "0123456789ab"}
CELL = ["T4", "2.1", "sd-txt2img", 4, "native", "eager"]
AGAIN = "; delete it to measure its run again"


@pytest.fixture
def write(tmp_path, make_row):
    """Writes a run.csv in the folder of a run, with the calls beside it; keys replace its columns."""

    def write(keys, variant="eager", size="", round_number=1):
        path = tmp_path / PLACE.format(variant=variant, size=size, round=round_number)
        path.parent.mkdir(parents=True)
        row = make_row(**{**ROW, **keys})
        path.write_text(to_csv([row], COLUMNS), encoding="utf-8")
        call = {**{column: row.get(column, "1") for column in CALL_COLUMNS}, "kind": "call"}
        calls = [{**call, "kind": "warmup"}, *({**call, "call": str(number)} for number in range(1, 6))]
        path.with_name("calls.csv").write_text(to_csv(calls, CALL_COLUMNS), encoding="utf-8")
        return path

    return write


def start(folder, paths, definition, rows=(), calls=()):
    """Start rule `measurements` of a plan of one cell; `rows` and `calls` are files of another machine."""
    output = SimpleNamespace(rows=folder / "measurements.csv", calls=folder / "calls.csv")
    found = SimpleNamespace(runs=list(map(str, paths)), rows=list(rows), calls=list(calls))
    params = SimpleNamespace(cells=[[*CELL, definition]])
    measurements.main(SimpleNamespace(input=found, output=output, params=params))
    return output


def test_rows_of_another_definition_are_not_collected(write, tmp_path):
    paths = [write({}), write({"round": 2, "definition": "0123456789ac"}, round_number=2)]
    with pytest.raises(ReportError) as error:
        start(tmp_path, paths, ROW["definition"])
    assert str(error.value) == f"{paths[1]}: has another definition{AGAIN}"
    assert start(tmp_path, paths[:1], ROW["definition"]).rows.is_file()
    with pytest.raises(ReportError) as error:
        start(tmp_path, paths, "0123456789ad")
    assert str(error.value) == f"{paths[0]}: has another definition, and 1 more file(s) too{AGAIN}"


@pytest.mark.parametrize(
    ("place", "keys", "message"),
    [
        ({"variant": "contiguous"}, {}, "has variant 'eager', unlike its folder"),
        ({"round_number": 2}, {}, "has round '1', unlike its folder"),
        ({"size": "@512x512"}, {}, "has pipeline 'sd-txt2img', unlike its folder"),
        ({}, {"batch_size": 1}, "has batch_size '1', unlike its folder"),
        ({}, {"gpu": "A100"}, "has gpu 'A100', unlike its folder"),
        ({}, {"torch": "2.2"}, "has torch '2.2', unlike its folder"),
    ],
)
@pytest.mark.parametrize("read", [read_files, read_runs])
def test_a_row_of_another_run_than_its_folder_is_refused(write, read, place, keys, message):
    sound, path = write({"round": 3}, round_number=3), write(keys, **place)
    with pytest.raises(ReportError) as error:
        read([sound, path])
    assert str(error.value) == f"{path}: {message}{AGAIN}"


def test_a_run_at_another_size_is_in_the_folder_of_that_size(write):
    assert read_files([write({"size": "512x512"}, size="@512x512")])


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda text: text[:-1], "calls.csv: empty or cut off in its last line; delete the run.csv next to it"),
        (
            lambda text: text[: text.rindex(",")] + "\n",
            "calls.csv:7: found 14 fields, expected the 15 of the header; delete",
        ),
        (
            lambda text: text[: text[:-1].rindex("\n") + 1],
            "calls.csv: found 4 calls for sd-txt2img, batch size 4, eager, stage 1, round 1, expected 5 as in run.csv; d",
        ),
    ],
)
def test_calls_that_are_cut_off_are_not_collected(write, tmp_path, damage, message):
    path = write({}).with_name("calls.csv")
    path.write_text(damage(path.read_text(encoding="utf-8")), encoding="utf-8")
    with pytest.raises(ReportError, match=message):
        start(tmp_path, [path.with_name("run.csv")], ROW["definition"])
    assert not (tmp_path / "measurements.csv").exists()
    config = {"name": "mine", "baseline": {"variant": "eager"}}
    cells = [[*CELL, ROW["definition"]]]
    with pytest.raises(ReportError, match=message):
        bundle.collect(SimpleNamespace(runs=[path.with_name("run.csv")], cells=cells, config=config, ceilings=[]))


def test_a_stage_whose_row_is_lost_is_told(write, tmp_path):
    path = write({"stage": 2})
    with pytest.raises(ReportError) as error:
        start(tmp_path, [path], ROW["definition"])
    assert str(error.value) == (
        f"{path}: found rows of stage 2 of sd-txt2img, batch size 4, eager, round 1, expected stage 1{AGAIN}"
    )


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("definition", "0123456789ac", "found 0 calls for {cell}, expected 5 as in run.csv"),
        ("round", "2", "found 0 calls for {cell}, expected 5 as in run.csv"),
        ("latency_s", "2.6", "found 2.6 s for {cell}, expected 2.5 as in run.csv"),
    ],
)
def test_calls_of_another_run_are_not_collected(write, tmp_path, column, value, message):
    path = write({})
    calls = path.with_name("calls.csv")
    rows = list(csv.DictReader(calls.read_text(encoding="utf-8").splitlines()))
    calls.write_text(to_csv([{**row, column: value} for row in rows], CALL_COLUMNS), encoding="utf-8")
    with pytest.raises(ReportError) as error:
        start(tmp_path, [path], ROW["definition"])
    said = message.format(cell="sd-txt2img, batch size 4, eager, stage 1, round 1")
    assert str(error.value) == f"{calls}: {said}; delete the run.csv next to it to measure its run again"


def test_calls_without_a_row_are_told(write, tmp_path):
    path = write({})
    calls = path.with_name("calls.csv")
    text = calls.read_text(encoding="utf-8")
    own = next(csv.DictReader(text.splitlines()))
    calls.write_text(
        text + to_csv([{**own, "stage": "2"}], CALL_COLUMNS).splitlines(keepends=True)[1], encoding="utf-8"
    )
    with pytest.raises(ReportError) as error:
        start(tmp_path, [path], ROW["definition"])
    assert str(error.value) == (
        f"{calls}: has calls of sd-txt2img, batch size 4, eager, stage 2, round 1, which has no row in run.csv; "
        "delete the run.csv next to it to measure its run again"
    )


@pytest.mark.parametrize("own", [True, False])
@pytest.mark.parametrize("calls", [True, False])
def test_rows_of_another_machine_are_collected_with_calls_and_without(write, tmp_path, own, calls):
    other = write({"round": 2}, round_number=2)
    beside = [other.with_name("calls.csv")] if calls else []
    output = start(tmp_path, [write({})] if own else [], ROW["definition"], [other], beside)
    columns, counts = read_files([output.rows])
    assert counts == [1 + own]
    found = read_calls([output.calls])
    assert len(found) == 6 * (own + calls)
    check_calls([output.rows], columns, counts, found, "", complete=False)
