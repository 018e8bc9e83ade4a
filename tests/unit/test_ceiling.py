"""What a device can do at most: measured for real, counted right and read back. How near each cell comes to it:
test_ceilings.py."""

import os
import subprocess
import sys

import numpy as np
import pytest

from ceiling_rows import ceiling_row, summary_of, write
from conftest import ROOT, WHOLE_CONFIG
from diffbench.catalogue.definition import recipe_of, resolve
from diffbench.data.ceilings import read_ceilings
from diffbench.mechanisms.dtype import dtype_of
from diffbench.plan.matrix import Plan
from diffbench.statistics.ceilings import ceiling_columns
from diffbench.tables.recipe import write_recipe
from diffbench.vocabulary.columns import CEILING_COLUMNS
from diffbench.vocabulary.errors import SetupError
from running import rows_of


def measure_ceiling(output, *arguments):
    """Run ceiling.py as a user would. Returns the completed process."""
    command = [sys.executable, ROOT / "workflow/scripts/ceiling.py", *arguments, "--output", output]
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, env=os.environ)


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    path = tmp_path_factory.mktemp("ceiling") / "new/CPU.csv"
    result = measure_ceiling(path, "--dtypes", "bfloat16", "float32", "tf32")
    assert result.returncode == 0, result.stderr
    return path


def test_the_file_has_a_complete_row_for_each_dtype(measured):
    rows = rows_of(measured.parent, measured.name)
    assert [row["dtype"] for row in rows] == ["bfloat16", "float32", "tf32"]
    for row in rows:
        assert list(row) == CEILING_COLUMNS
        assert (row["gpu"], row["torch"], row["cuda_version"]) == ("CPU", "installed", "")
        empty = {column for column in CEILING_COLUMNS if not row[column]}
        limits = {"matmul_tflops", "copy_gib_per_second"} if row["dtype"] == "tf32" else set()
        assert empty == {"cuda_version", *limits}, "a CPU has no TF32"
    assert [path.name for path in measured.parent.iterdir()] == [measured.name]
    ceilings = read_ceilings([measured])
    assert (ceilings[["matmul_tflops", "copy_gib_per_second"]][:2] > 0).all(axis=None)


def test_a_row_is_held_to_the_ceiling_of_its_own_dtype(measured):
    (_, exact, _) = rows_of(measured.parent, measured.name)
    place = {"gpu": "CPU", "torch": "installed", "device_name": exact["device_name"]}
    summary = summary_of(*({**place, "dtype": dtype} for dtype in ("bfloat16", "float32", "tf32", "float16")))
    columns = ceiling_columns(summary, read_ceilings([measured]))
    assert list(np.isnan(columns["ceiling_percent"])) == [False, False, True, True]
    assert columns["matmul_tflops"][1] == pytest.approx(float(exact["matmul_tflops"]))


@pytest.mark.parametrize(
    ("changes", "dtypes"),
    [
        ({}, ["float16"]),
        ({"pipelines": ["sd-txt2img", "wan2.1-t2v-1.3b"]}, ["bfloat16", "float16"]),
        ({"variants": ["eager", "bf16", "tf32", "fp32"]}, ["bfloat16", "float16", "float32", "tf32"]),
        ({"gpus": ["CPU"], "variants": ["eager", "ladder-2-half"]}, ["float16", "float32"]),
    ],
)
def test_the_plan_names_every_dtype_that_the_rows_of_a_gpu_will_have(changes, dtypes):
    own = {"gpus": ["H100"], "scale": "full", "pipelines": ["sd-txt2img"], "variants": ["eager"]}
    config = {**WHOLE_CONFIG, **own, **changes}
    assert Plan(config).ceiling_dtypes(config["gpus"][0]) == dtypes


def test_a_row_of_tf32_says_so():
    """So that no share of the float32 ceiling, which TF32 passes, is printed for it."""
    (stage,) = resolve("sd-txt2img", 1, "eager", "random", "tiny")["stages"]
    assert dtype_of(stage, recipe_of("tf32"), is_cpu=False) == "tf32"
    assert "torch.tf32" not in write_recipe("sd-txt2img", 1, "tf32", "tf32")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--gpu", "A100"], "error: the run is for gpu A100, but this machine has no NVIDIA GPU"),
        (["--gpu", "B1000"], "error: unknown gpu 'B1000'"),
        (["--expect", "torch=1.13.1"], "error: the run is for torch 1.13.1, but torch"),
    ],
)
def test_a_failed_setup_is_one_line_and_no_file(tmp_path, arguments, message):
    result = measure_ceiling(tmp_path / "CPU.csv", *arguments)
    assert result.returncode == 1
    (line,) = [line for line in result.stderr.splitlines() if not line.startswith("waiting for the device")]
    assert line.startswith(message)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("output", "message"),
    [
        ("file/CPU.csv", "file: cannot be written: Not a directory; name another"),
        ("folder", "folder: found a folder, expected a file or nothing; name another --output"),
    ],
)
def test_an_output_that_cannot_be_written_is_refused_before_anything_is_measured(tmp_path, output, message):
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    result = measure_ceiling(tmp_path / output)
    assert result.returncode == 1
    assert result.stderr == f"error: {tmp_path / message}\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]


def test_a_measurement_that_dies_is_a_failed_setup(tmp_path, monkeypatch):
    from diffbench.commands import ceiling

    monkeypatch.setattr(ceiling, "TIME_LIMIT_S", 0.0)
    with pytest.raises(SetupError, match="the ceilings of gpu CPU: stopped at the time limit of 0 s"):
        ceiling.measure_ceiling(ceiling.parse_arguments(["--output", str(tmp_path / "CPU.csv")]))
    assert not list(tmp_path.iterdir())


@pytest.fixture
def ceiling(monkeypatch):
    """The module, on matrices and copies that take no time."""
    from diffbench.measurement import ceiling

    monkeypatch.setattr(ceiling, "SIZES", {"cpu": (4, 8)})
    monkeypatch.setattr(ceiling, "COPY_BYTES", {"cpu": 2**20})
    return ceiling


def test_a_product_counts_as_torch_counts_it(ceiling):
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        torch.mm(torch.ones(48, 48), torch.ones(48, 48))
    assert ceiling.matmul_flop(48) == counter.get_total_flops()


@pytest.mark.parametrize(("seconds", "tflops"), [([0.1, 0.1], 1024e-11), ([0.1, 2.0], 128e-11), ([0.2], 64e-11)])
def test_the_rate_is_that_of_the_best_size_that_does_not_take_too_long(ceiling, monkeypatch, seconds, tflops):
    taken = iter(seconds)
    monkeypatch.setattr(ceiling, "median_s", lambda work, device: (work(), next(taken))[1])
    import torch

    assert ceiling.matmul_tflops(torch.device("cpu"), torch.float32) == pytest.approx(tflops)
    assert not list(taken)


def test_a_copy_counts_what_is_read_and_what_is_written(ceiling, monkeypatch):
    import torch

    copied = []
    monkeypatch.setattr(ceiling, "median_s", lambda work, device: copied.append(work().nbytes) or 0.5)
    assert ceiling.copy_gib_per_second(torch.device("cpu"), torch.float16) == pytest.approx(2 * 2 / 1024)
    assert copied == [2**20]


def test_the_median_is_that_of_a_second_of_repetitions_after_a_warm_up(ceiling, monkeypatch):
    now, steps = [0.0], iter([50, 0.3, 0.1, 0.2, 0.9, 9])

    def work():
        now[0] += next(steps)

    monkeypatch.setattr(ceiling, "clock_s", lambda device: now[0])
    assert ceiling.median_s(work, None) == pytest.approx(0.25)  # of 0.3, 0.1, 0.2 and 0.9
    steps = iter([50, 3, 2, 1, 9])
    assert ceiling.median_s(work, None) == pytest.approx(2)  # three at the least


def test_what_a_device_cannot_do_is_no_ceiling_and_stops_nothing(monkeypatch, tmp_path):
    """As where a torch build has no kernel for the GPU: its cells say so themselves."""
    import torch

    from diffbench.measurement import ceiling

    def refuse(*arguments):
        raise RuntimeError("no kernel image is available for execution on the device")

    monkeypatch.setattr(ceiling, "matmul_tflops", refuse)
    monkeypatch.setattr(ceiling, "COPY_BYTES", {"cpu": 2**20})
    columns = ceiling.ceiling_columns(torch.device("cpu"), "float32")
    assert columns["matmul_tflops"] is None
    assert columns["copy_gib_per_second"] > 0
    assert ceiling.ceiling_columns(torch.device("cpu"), "tf32") == {
        "dtype": "tf32",
        "matmul_tflops": None,
        "copy_gib_per_second": None,
    }
    path = write(tmp_path / "ceilings.csv", [ceiling_row(matmul_tflops="")])
    found = read_ceilings([path])
    assert found["matmul_tflops"].isna().all()
