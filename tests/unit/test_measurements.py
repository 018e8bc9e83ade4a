"""Measurement CSVs that are damaged, cut off or foreign are refused with file and line."""

import pytest
from fastjsonschema import JsonSchemaValueException

from diffbench.data.errors import ReportError
from diffbench.data.measurements import read_calls, read_measurements
from diffbench.data.row_schema import SCHEMA, is_valid, row_validator
from diffbench.system.files import to_csv
from diffbench.vocabulary.columns import COLUMNS


def test_schema_and_writer_agree_on_the_columns():
    assert list(SCHEMA["properties"]) == COLUMNS


def test_a_written_row_reads_back(make_row, tmp_path):
    path = tmp_path / "run.csv"
    path.write_text(to_csv([make_row(detail='a "quoted", detail')], COLUMNS), encoding="utf-8")
    frame = read_measurements([path])
    assert frame.loc[0, "detail"] == 'a "quoted", detail'
    assert frame.loc[0, "iterations_per_second"] == 20
    assert frame.loc[0, "torch"] == "2.0"


def test_a_start_up_may_be_negative_and_nothing_else(make_row, tmp_path):
    path = tmp_path / "run.csv"
    path.write_text(to_csv([make_row(startup_s=-0.0123, compile_s="-1e-05")], COLUMNS), encoding="utf-8")
    assert read_measurements([path]).loc[0, ["startup_s", "compile_s"]].tolist() == [-0.0123, -1e-05]
    for column in ("latency_s", "load_s", "first_call_s", "images_per_second"):
        path.write_text(to_csv([make_row(**{column: -0.5})], COLUMNS), encoding="utf-8")
        with pytest.raises(ReportError, match=f"{column}: found '-0.5'"):
            read_measurements([path])


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda text: "", "empty or cut off"),
        (lambda text: text[:-30], "empty or cut off"),
        (lambda text: text.splitlines()[0] + "\n", "a header without rows"),
        (lambda text: "a,b\n1,2\n", "not a measurement CSV"),
        (lambda text: text.replace(",ok,", ",fine,"), "status: found 'fine', expected one of"),
        (lambda text: text.replace(",20,", ",fast,"), "iterations_per_second: found 'fast'"),
        (lambda text: text.replace("sd-txt2img", "../x"), "pipeline: found '../x'"),
        (lambda text: text.replace(",ok,", ",oom,"), "a failed measurement has no number"),
        (lambda text: text.replace(",20,", ",,"), "iterations_per_second: found ''"),
        (lambda text: text[:-1] + ",more\n", "expected a complete row"),
    ],
)
def test_damage_is_named(make_row, tmp_path, damage, message):
    path = tmp_path / "run.csv"
    path.write_text(damage(to_csv([make_row()], COLUMNS)), encoding="utf-8")
    with pytest.raises(ReportError) as caught:
        read_measurements([path])
    assert str(caught.value).startswith(str(path))
    assert message in str(caught.value)


def test_bytes_that_are_no_text_are_refused(tmp_path):
    path = tmp_path / "run.csv"
    path.write_bytes(b"\x80\xff\n")
    with pytest.raises(ReportError, match="not a text file"):
        read_measurements([path])


VALUES = [
    "",
    "0",
    "1",
    "-1",
    "1.5",
    "1e3",
    "x",
    "a b",
    "ok",
    "oom",
    "warm",
    "0123456789ab",
    "native",
    "8x8",
    "power cap",
    "tiny",
]


@pytest.mark.parametrize("column", COLUMNS)
def test_a_column_takes_what_a_whole_row_of_the_schema_takes(make_row, column):
    validate = row_validator()
    for value in VALUES:
        row = {name: str(text) for name, text in make_row(**{column: value}).items()}
        try:
            validate(row)
            wanted = True
        except JsonSchemaValueException:
            wanted = False
        assert is_valid({name: (text,) for name, text in row.items()}) == wanted, value


@pytest.mark.parametrize(
    ("beside", "name", "remedy"),
    [
        ("run.csv", "run.csv", "delete it to measure its run again"),
        ("run.csv", "calls.csv", "delete the run.csv next to it to measure its run again"),
        ("runs/one", "measurements.csv", "delete it to have it made again"),
        ("runs/one", "calls.csv", "delete it to have it made again"),
        ("about.yaml", "measurements.csv", "get a new copy of it, or leave it out"),
        ("about.yaml", "calls.csv", "get a new copy of it, or leave it out"),
    ],
)
def test_what_to_do_about_a_damaged_file_depends_on_what_makes_it(tmp_path, beside, name, remedy):
    (tmp_path / beside).parent.mkdir(exist_ok=True)
    (tmp_path / beside).write_text("\n", encoding="utf-8")
    (tmp_path / name).write_text("gpu,torch", encoding="utf-8")
    with pytest.raises(ReportError) as error:
        (read_calls if name == "calls.csv" else read_measurements)([tmp_path / name])
    assert str(error.value) == f"{tmp_path / name}: empty or cut off in its last line; {remedy}"


def test_files_of_several_releases_are_read_as_one_and_the_damaged_one_is_named(make_row, tmp_path):
    older = [column for column in COLUMNS if column not in ("size", "step_mib")]
    paths = [tmp_path / f"{number}.csv" for number in range(4)]
    for number, (path, columns) in enumerate(zip(paths, [COLUMNS, older, older, COLUMNS]), start=1):
        row = make_row(round=number, step_mib=7)
        path.write_text(to_csv([{column: row[column] for column in columns}], columns), encoding="utf-8")
    frame = read_measurements(paths)
    assert frame["round"].tolist() == [1, 2, 3, 4]
    assert frame["step_mib"].isna().tolist() == [False, True, True, False]
    paths[2].write_text(paths[2].read_text(encoding="utf-8").replace(",ok,", ",fine,"), encoding="utf-8")
    with pytest.raises(ReportError, match=f"^{paths[2]}:2: status: found 'fine'"):
        read_measurements(paths)


MEMBERS = {
    "phase": ["", "load", "first-call", "warmup", "call-1", "call-12", "evidence"],
    "stopped_by": ["", "target", "max-calls", "max-seconds"],
    "cache": ["", "cold", "warm"],
    "scale": ["tiny", "full"],
    "weights": ["random", "pretrained"],
}


@pytest.fixture
def write(make_row, tmp_path):
    """Writes a row with these columns; returns its file."""

    def write(**columns):
        (tmp_path / "run.csv").write_text(to_csv([make_row(**columns)], COLUMNS), encoding="utf-8")
        return [tmp_path / "run.csv"]

    return write


@pytest.mark.parametrize(("column", "value"), [(column, value) for column in MEMBERS for value in MEMBERS[column]])
def test_what_a_run_may_say_is_read(write, column, value):
    assert read_measurements(write(**{column: value})).loc[0, column] == value


@pytest.mark.parametrize("column", MEMBERS)
@pytest.mark.parametrize("value", ["call-0", "Target", "warmup-2"])
def test_what_no_run_says_is_refused(write, column, value):
    with pytest.raises(ReportError, match=f"{column}: found '{value}'"):
        read_measurements(write(**{column: value}))


@pytest.mark.parametrize("status", ["oom", "compile-error", "unsupported", "invalid", "timeout", "crashed"])
def test_every_status_is_read_and_has_a_reason_and_no_rate(write, status):
    assert read_measurements(write(status=status)).loc[0, "status"] == status
    (path,) = write(status=status)
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace(f",{status},,why,", f",{status},,,"), encoding="utf-8")
    with pytest.raises(ReportError, match="detail"):
        read_measurements([path])
    path.write_text(text.replace(",50,51,,", ",50,51,20,"), encoding="utf-8")
    with pytest.raises(ReportError, match="a failed measurement has no number"):
        read_measurements([path])
