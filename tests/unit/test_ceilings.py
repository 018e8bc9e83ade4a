"""How near each cell comes to what its device can do at most, by hand; and files of ceilings that are refused."""

import numpy as np
import pandas as pd
import pytest

from ceiling_rows import ceiling_row, summary_of, write
from diffbench.data.ceilings import DEVICE, LIMITS, read_ceilings
from diffbench.data.errors import ReportError
from diffbench.statistics.ceilings import ceiling_columns
from diffbench.vocabulary.columns import CEILING_COLUMNS


def test_percent_and_bound_by_hand():
    ceilings = pd.DataFrame([ceiling_row(), ceiling_row(torch="2.0", matmul_tflops=250.0)])
    summary = summary_of(
        {},  # 2 ms of operations, 0.5 ms of bytes
        {"step_gflop": 100.0},  # 0.2 ms of operations, 0.5 ms of bytes
        {"torch": "2.0"},  # 4 ms of operations
    )
    columns = ceiling_columns(summary, ceilings)
    assert columns["ceiling_percent"] == pytest.approx([20, 5, 40])
    assert columns["achieved_tflops"] == pytest.approx([100, 10, 100])
    assert columns["matmul_tflops"] == pytest.approx([500, 500, 250])
    assert columns["copy_gib_per_second"] == pytest.approx([2000] * 3)
    assert list(columns["bound"]) == ["compute", "memory", "compute"]


def test_what_is_unknown_stays_empty():
    summary = summary_of(
        {"dtype": "float32"},
        {"torch": "2.1"},
        {"gpu": "A100"},
        {"step_gflop": np.nan},
        {"step_mib": np.nan},
        {"denoiser_calls_per_second": np.nan},
        {"dtype": np.nan},
    )
    columns = ceiling_columns(summary, pd.DataFrame([ceiling_row()]))
    assert np.isnan(columns["ceiling_percent"]).all()
    assert list(columns["bound"]) == ["", "", "", "", "", "compute", ""]
    assert list(np.isnan(columns["matmul_tflops"])) == [True, True, True, False, False, False, True]
    assert columns["achieved_tflops"][:3] == pytest.approx([100] * 3)
    for ceilings in (None, read_ceilings([])):
        columns = ceiling_columns(summary_of({}), ceilings)
        assert np.isnan(columns["ceiling_percent"]).all() and list(columns["bound"]) == [""]


def test_files_of_one_row_and_of_several_read_alike(tmp_path):
    one = write(tmp_path / "one.csv", [ceiling_row(torch="2.10")])
    several = write(tmp_path / "several.csv", [ceiling_row(), ceiling_row(dtype="float32")])
    ceilings = read_ceilings([one, several])
    assert list(ceilings["torch"]) == ["2.10", "2.13", "2.13"]
    assert list(ceilings["matmul_tflops"]) == [500] * 3


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda text: text.replace(",2.13,", ",2.1,"), "torch: found '2.1', but torch_version is '2.13.0+cu130'"),
        (lambda text: text.replace("NVIDIA H200", "NVIDIA L4"), "gpu: found 'H200', but device_name is 'NVIDIA L4'"),
        (lambda text: "", "empty or cut off in its last line; delete it"),
        (lambda text: "gpu,torch\n1,2\n", "expected the columns gpu, torch, dtype, matmul_tflops, …"),
        (lambda text: text.splitlines()[0] + "\n", "a header without rows"),
        (lambda text: text.replace(",500,", ",fast,"), "matmul_tflops: found 'fast', expected a number above 0"),
        (lambda text: text.replace(",2000,", ",0,"), "copy_gib_per_second: found '0', expected a number above 0"),
        (lambda text: text.replace(",2000,", ",inf,"), "copy_gib_per_second: found 'inf', expected a number above 0"),
        (lambda text: text.replace(",2.13,", ",../x,"), "torch: found '../x', expected a name"),
        (lambda text: text[: text.index(",500")] + "\n", "found 3 fields, expected the 10 of the header; delete it"),
        (lambda text: text[:-1], "cut off in its last line; delete it"),
    ],
)
def test_damage_is_named(tmp_path, damage, message):
    path = write(tmp_path / "ceilings.csv", [ceiling_row()])
    path.write_text(damage(path.read_text(encoding="utf-8")), encoding="utf-8")
    sound = write(tmp_path / "sound.csv", [ceiling_row(gpu="T4", device_name="Tesla T4")])
    with pytest.raises(ReportError) as caught:
        read_ceilings([sound, path])
    assert str(caught.value).startswith(str(path))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_bytes_that_are_no_text_are_refused(tmp_path):
    path = tmp_path / "ceilings.csv"
    path.write_bytes(b"\x80\xff\n")
    with pytest.raises(ReportError, match="not a text file in UTF-8: found byte 0x80 in line 1"):
        read_ceilings([path])


def test_of_two_devices_of_one_name_the_larger_ceiling_stands(tmp_path):
    one = write(tmp_path / "one.csv", [ceiling_row(matmul_tflops=400.0, copy_gib_per_second=2100.0)])
    two = write(tmp_path / "two.csv", [ceiling_row(), ceiling_row(device_name="NVIDIA H200 SXM", matmul_tflops=900.0)])
    found = read_ceilings([one, two]).set_index("device_name")[["matmul_tflops", "copy_gib_per_second"]]
    assert found.loc["NVIDIA H200"].tolist() == [500, 2100]
    assert found.loc["NVIDIA H200 SXM"].tolist() == [900, 2000]
    percent = ceiling_columns(
        summary_of({"device_name": "NVIDIA H200"}, {"device_name": "NVIDIA H200; NVIDIA H200 SXM"}),
        read_ceilings([one, two]),
    )
    assert list(np.isnan(percent["ceiling_percent"])) == [False, True], "of one device, not of two in one row"


@pytest.mark.parametrize("column", DEVICE)
def test_a_ceiling_of_another_device_build_or_dtype_is_none(column):
    ceilings = pd.DataFrame([ceiling_row(), ceiling_row(**{column: "other", "matmul_tflops": 250.0})])
    columns = ceiling_columns(summary_of({}, {column: "other"}, {column: "third"}), ceilings)
    assert columns["matmul_tflops"] == pytest.approx([500, 250, np.nan], nan_ok=True)


def test_a_step_that_both_limits_bound_alike_is_bound_by_its_operations():
    """1 TFLOP at 500 TFLOP/s and 4 GiB at 2000 GiB/s: 2 ms each."""
    columns = ceiling_columns(summary_of({"step_mib": 4096.0}), pd.DataFrame([ceiling_row()]))
    assert columns["bound"].tolist() == ["compute"]
    columns = ceiling_columns(summary_of({"step_mib": 4097.0}), pd.DataFrame([ceiling_row()]))
    assert columns["bound"].tolist() == ["memory"]


@pytest.mark.parametrize("limit", LIMITS)
def test_with_one_ceiling_alone_nothing_is_bound(limit):
    columns = ceiling_columns(summary_of({}), pd.DataFrame([ceiling_row(**{limit: np.nan})]))
    assert columns["bound"].tolist() == [""] and np.isnan(columns["ceiling_percent"]).all()
    assert columns["achieved_tflops"].tolist() == [100]


def test_each_row_has_the_ceiling_of_its_own_device_whatever_their_order():
    names = ["b", "a", "c"]
    ceilings = pd.DataFrame([ceiling_row(device_name=name, matmul_tflops=ord(name)) for name in "abc"])
    columns = ceiling_columns(summary_of(*({"device_name": name} for name in names)), ceilings)
    assert columns["matmul_tflops"].tolist() == [ord(name) for name in names]


def test_nothing_read_is_an_empty_table_with_its_columns():
    found = read_ceilings([])
    assert found.empty and list(found.columns) == CEILING_COLUMNS


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("gpu", "", "gpu: found '', expected a name; delete it to measure it again"),
        ("gpu", "H200/..", "gpu: found 'H200/..', expected a name"),
        ("dtype", "-16", "dtype: found '-16', expected a name"),
        ("matmul_tflops", -1.0, "matmul_tflops: found '-1', expected a number above 0, or nothing; delete it"),
        ("matmul_tflops", "1e400", "matmul_tflops: found '1e400', expected"),
    ],
)
def test_a_value_that_no_ceiling_has_is_named(tmp_path, column, value, message):
    path = write(tmp_path / "ceilings.csv", [ceiling_row(), ceiling_row(**{column: value})])
    with pytest.raises(ReportError) as caught:
        read_ceilings([path])
    assert message in str(caught.value)


def test_unknown_ceilings_are_none_and_do_not_hide_known_ones(tmp_path):
    one = write(tmp_path / "one.csv", [ceiling_row(matmul_tflops="", copy_gib_per_second=1.5)])
    two = write(tmp_path / "two.csv", [ceiling_row(matmul_tflops=3.0, copy_gib_per_second="")])
    assert read_ceilings([one, two])[LIMITS].values.tolist() == [[3.0, 1.5]]
