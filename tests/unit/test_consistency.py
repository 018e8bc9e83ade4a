"""Rows held against themselves, and files as spreadsheets save them."""

import pytest

from conftest import ROOT
from diffbench.data.errors import ReportError
from diffbench.data.measurements import read_measurements, read_rows
from diffbench.system.files import to_csv
from diffbench.vocabulary.columns import COLUMNS

CELL = {"gpu": "T4", "torch": "2.1", "batch_size": 4}


@pytest.fixture
def write(make_row, tmp_path):
    """Writes a CSV of a row; keys replace its columns."""

    def write(**keys):
        (tmp_path / "a.csv").write_text(to_csv([make_row(**{**CELL, **keys})], COLUMNS), encoding="utf-8")
        return tmp_path / "a.csv"

    return write


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"torch": "2.1", "torch_version": "2.10.0+cu128"}, "torch: found '2.1', but torch_version is '2.10.0+cu128'"),
        ({"torch": "nightly", "torch_version": "2.10.0"}, "torch: found 'nightly', but torch_version is '2.10.0'"),
        ({"device_name": "NVIDIA L4"}, "gpu: found 'T4', but device_name is 'NVIDIA L4'"),
        (
            {"device_memory_mib": "40000"},
            "gpu: found 'T4', but device_memory_mib is 40000; config/gpus.yaml says 16 GB",
        ),
        ({"cuda_version": "12.1"}, "cuda_version: found '12.1', but torch_version is '2.1.0+cu118'"),
        ({"started_at": "2026-02-30T10:00:00Z"}, "started_at: found '2026-02-30T10:00:00Z'"),
        ({"started_at": "11/20/2026 10:00"}, "started_at: found '11/20/2026 10:00'"),
        ({"iterations_per_second": "1e999"}, "iterations_per_second: found '1e999', expected a number such as"),
        ({"load_s": "nan"}, "load_s: found 'nan', expected a number such as"),
        ({"load_s": "2,5"}, "load_s: found '2,5', expected a number such as"),
        ({"images_per_second": "0.4"}, "images_per_second: found '0.4', but batch_size is 4 and latency_s 2.5"),
        (
            {"latency_s": "1.5", "images_per_second": ""},
            "iterations_per_second: found '20', but iterations is 50 and latency_s 1.5",
        ),
        ({"latency_q1_s": "2.6"}, "latency_s: found '2.5', but latency_q1_s is 2.6, which cannot be larger"),
        ({"denoiser_calls_per_second": "21"}, "denoiser_calls_per_second: found '21', but iterations_per_second is 20"),
        (
            {"peak_allocated_mib": 200, "peak_reserved_mib": 100},
            "peak_reserved_mib: found '100', but peak_allocated_mib is 200",
        ),
        ({"compile_s": 2, "first_call_s": 9.5}, "compile_s: found '2', but first_call_s is 9.5 and latency_s 2.5"),
    ],
)
def test_a_row_that_contradicts_itself_is_refused_with_its_place_and_both_values(write, keys, message):
    consistent = {"iterations_per_second": "20", "latency_s": "2.5", "images_per_second": "1.6"}
    with pytest.raises(ReportError) as error:
        read_rows(write(**{**consistent, **keys}))
    assert f"a.csv:2: {message}" in str(error.value)
    assert str(error.value).endswith("; get a new copy of it, or leave it out")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "keys",
    [
        {"torch": "2.10", "torch_version": "2.10.0+cu128"},
        {"torch": "2.10-mine-cu12.1", "torch_version": "2.10.1"},
        {"torch": "mine", "torch_version": "2.10.1"},
        {"torch": "nightly", "torch_version": "2.16.0.dev20261120+cu130"},
        {"torch": "installed", "torch_version": "2.16.0.dev20261120+cu130"},
        {"gpu": "NVIDIA-T1000", "device_name": "NVIDIA T1000"},
        {"device_memory_mib": "14930.6"},
        {"compile_s": "-0.0123", "first_call_s": "2.4877"},
    ],
)
def test_a_row_that_agrees_is_taken(write, keys):
    assert len(read_rows(write(**keys))) == 1


def test_what_a_spreadsheet_saves_is_read_or_named(write):
    path = write()
    text = path.read_text(encoding="utf-8")
    path.write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    assert len(read_rows(path)) == 1
    for changed, message in [
        (text.replace(",", ";").encode(), "a.csv: separated by semicolons, expected commas"),
        (text.replace(",", "\t").encode(), "a.csv: separated by tabs, expected commas"),
        (text.encode("utf-16"), "a.csv: not a text file in UTF-8: found UTF-16"),
        (
            text.replace("Tesla", "T\xe9sla").encode("latin-1"),
            "a.csv: not a text file in UTF-8: found byte 0xe9 in line 2",
        ),
    ]:
        path.write_bytes(changed)
        with pytest.raises(ReportError, match=message):
            read_rows(path)


def test_the_line_of_a_row_is_named_in_the_file_that_has_it(write, tmp_path, make_row):
    sound = write()
    rows = [make_row(**CELL, round=number, detail="two\nlines") for number in (1, 2)]
    rows.append(make_row(**CELL, round=3, device_name="NVIDIA L4"))
    (tmp_path / "b.csv").write_text(to_csv(rows, COLUMNS), encoding="utf-8")
    with pytest.raises(ReportError, match="b.csv:6: gpu: found 'T4', but device_name is 'NVIDIA L4'"):
        read_measurements([sound, tmp_path / "b.csv"])


@pytest.mark.parametrize(
    "path", sorted(ROOT.glob("resources/measured/*/measurements.csv")), ids=lambda path: path.parent.name
)
def test_what_the_project_has_measured_agrees(path):
    assert len(read_rows(path))
