"""Measuring for real, on the miniature pipelines: what is counted, what is timed, what is refused."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from conftest import ROOT
from measure import parse_arguments
from measurement.stage import startup_columns
from running import MEASURE, kill_measuring_process, measure, measuring_processes, measuring_sessions, rows_of


@pytest.fixture(scope="module")
def txt2img(tmp_path_factory):
    folder = tmp_path_factory.mktemp("txt2img")
    assert measure(folder, "--cache-folder", folder.with_name("caches-of-eager")).returncode == 0
    return folder


def test_a_run_that_compiles_nothing_leaves_no_cache(txt2img):
    assert not list(txt2img.with_name("caches-of-eager").iterdir())


def test_row_has_rate_provenance_and_no_number_where_nothing_was_measured(txt2img):
    (row,) = rows_of(txt2img)
    assert row["status"] == "ok"
    assert row["gpu"] == "CPU"
    assert (row["scale"], row["weights"], row["dtype"]) == ("tiny", "random", "float32")
    assert row["compile_s"] == row["cache"] == row["peak_allocated_mib"] == ""
    assert float(row["latency_q1_s"]) <= float(row["latency_s"]) <= float(row["latency_q3_s"])
    import torch

    assert row["torch_version"] == torch.__version__


def test_pndm_ticks_once_less_than_it_calls_the_denoiser(txt2img):
    (row,) = rows_of(txt2img)
    assert (row["steps"], row["iterations"], row["denoiser_calls"]) == ("6", "6", "7")


def test_every_call_is_kept_with_its_kind(txt2img):
    calls = rows_of(txt2img, "calls.csv")
    assert [call["kind"] for call in calls] == ["first", "warmup", "warmup"] + ["call"] * 6
    for call in calls:
        assert 0 < float(call["loop_s"]) < float(call["latency_s"])


def test_rate_is_the_median_over_the_measured_calls(txt2img):
    rates = sorted(
        float(call["iterations"]) / float(call["loop_s"])
        for call in rows_of(txt2img, "calls.csv")
        if call["kind"] == "call"
    )
    median = (rates[2] + rates[3]) / 2
    assert float(rows_of(txt2img)[0]["iterations_per_second"]) == pytest.approx(median, rel=1e-4)


@pytest.mark.parametrize("target_percent", [2, 100])
def test_the_row_says_what_ended_the_calls_and_how_well_their_median_is_known(txt2img, tmp_path, target_percent):
    folder = txt2img
    if target_percent != 2:  # the default on a CPU
        folder = tmp_path
        assert measure(folder, "--target-percent", target_percent).returncode == 0
    (row,) = rows_of(folder)
    calls = [call for call in rows_of(folder, "calls.csv") if call["kind"] == "call"]
    rates = [float(call["iterations"]) / float(call["loop_s"]) for call in calls]
    half_width = 100 * (max(rates) - min(rates)) / 2 / float(row["iterations_per_second"])
    assert float(row["half_width_percent"]) == pytest.approx(half_width, rel=1e-3)
    assert row["stopped_by"] == ("target" if half_width <= target_percent else "max-calls")


def test_start_up_is_what_the_calls_before_took_beyond_as_many_of_those_measured(txt2img):
    (row,) = rows_of(txt2img)
    before = [float(call["latency_s"]) for call in rows_of(txt2img, "calls.csv") if call["kind"] != "call"]
    assert row["warmup_calls"] == "3"
    startup_s = sum(before) - 3 * float(row["latency_s"])
    assert float(row["startup_s"]) == pytest.approx(startup_s, abs=1e-4)
    assert float(row["first_call_s"]) == pytest.approx(before[0], rel=1e-4)


def test_a_start_that_was_faster_than_the_measured_calls_is_negative():
    before = [{"latency_s": 1.25}, {"latency_s": 0.5}]
    assert startup_columns(before, 1.0, compiled=True) == {"startup_s": -0.25, "compile_s": 0.25}
    assert startup_columns(before, 1.5, compiled=True) == {"startup_s": -1.25, "compile_s": -0.25}
    assert startup_columns(before, 1.0, compiled=False)["compile_s"] is None


def test_the_work_of_a_step_is_counted(txt2img, tmp_path):
    """Twice the batch is twice the operations, but not twice the weights."""
    (row,) = rows_of(txt2img)
    assert measure(tmp_path, batch_size=2).returncode == 0
    (double,) = rows_of(tmp_path)
    assert float(double["step_gflop"]) == pytest.approx(2 * float(row["step_gflop"]), rel=1e-3)
    assert float(row["step_mib"]) < float(double["step_mib"]) < 2 * float(row["step_mib"])


def test_the_work_of_a_step_is_counted_once_a_cell(tmp_path):
    caches = tmp_path / "caches"
    options = ("--rounds", "2", "--cache-folder", caches, "--round")
    assert measure(tmp_path / "one", *options, "1").returncode == 0
    (kept,) = caches.rglob("work-1.json")
    kept.write_text('{"step_gflop": 12.5, "step_mib": 2.5}')
    assert measure(tmp_path / "two", *options, "2").returncode == 0
    (row,) = rows_of(tmp_path / "two")
    assert (float(row["step_gflop"]), float(row["step_mib"])) == (12.5, 2.5)
    assert not list(caches.iterdir()), "the last round deletes what is kept"


def test_every_run_keeps_latents_and_image_of_its_call(txt2img, tmp_path):
    import numpy
    from PIL import Image

    assert measure(tmp_path).returncode == 0
    files = [folder / "outputs" / "stage-1" for folder in (txt2img, tmp_path)]
    first, second = (numpy.load(file.with_suffix(".npy"), allow_pickle=False) for file in files)
    assert first.shape[0] == 4
    assert numpy.isfinite(first).all() and first.std() > 0
    assert numpy.allclose(first, second), "the seed is the same"
    assert Image.open(files[0].with_suffix(".png")).mode == "RGB"


def test_img2img_counts_the_steps_that_run_not_those_asked_for(tmp_path):
    assert measure(tmp_path, "--calls", 1, pipeline="sd-img2img").returncode == 0
    (row,) = rows_of(tmp_path)
    assert (row["steps"], row["iterations"]) == ("6", "4")


def test_if_has_a_row_a_stage_and_only_the_first_above_batch_size_1(tmp_path):
    assert measure(tmp_path / "1", "--calls", 1, pipeline="if").returncode == 0
    assert [row["stage"] for row in rows_of(tmp_path / "1")] == ["1", "2", "3"]
    assert measure(tmp_path / "4", "--calls", 1, pipeline="if", batch_size=4).returncode == 0
    assert [row["stage"] for row in rows_of(tmp_path / "4")] == ["1"]


@pytest.mark.parametrize("pipeline", ["sd-inpaint", "sd-controlnet", "sdxl-txt2img"])
def test_the_other_pipelines_run(tmp_path, pipeline):
    assert measure(tmp_path, "--calls", 1, "--warmup-calls", 1, pipeline=pipeline).returncode == 0
    assert [row["status"] for row in rows_of(tmp_path)] == ["ok"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--gpu", "A100"], "the run is for gpu A100, but this machine has no NVIDIA GPU"),
        (["--gpu", "B1000"], "unknown gpu 'B1000'"),
        (["--expect", "torch=1.13.1"], "the run is for torch 1.13.1, but torch"),
        (["--torch", "2.4"], "the run is for torch 2.4.1, but torch"),
        (["--torch", "2.99"], "envs/torch-2.99.yaml: missing"),
        (["--definition", "0123456789ab"], "the catalogues changed since it started"),
        (["--weights", "pretrained", "--scale", "full"], "cannot be loaded as safetensors from this machine"),
        (["--weights", "pretrained"], "are no miniature: set 'scale: full'"),
    ],
)
def test_a_failed_setup_is_one_line_and_no_row(tmp_path, arguments, message):
    result = measure(tmp_path, *arguments)
    assert result.returncode == 1
    assert message in result.stderr
    told = [line for line in result.stderr.splitlines() if not line.startswith("waiting for the device")]
    assert len(told) == 1, result.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("value", ["0", "1.5", "four", "-1"])
def test_a_bad_batch_size_is_refused(tmp_path, value):
    result = measure(tmp_path, batch_size=value)
    assert result.returncode == 2
    assert "expected an integer of 1 or more" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--memory-limit-mib", "-1"], "argument --memory-limit-mib: found '-1', expected a number above 0"),
        (["--memory-limit-mib", "nan"], "argument --memory-limit-mib: found 'nan', expected a number above 0"),
        (["--time-limit-s", "0"], "argument --time-limit-s: found '0', expected a number above 0"),
        (["--time-limit-s", "inf"], "argument --time-limit-s: found 'inf', expected a number above 0"),
        (["--calls", "5", "--max-calls", "3"], "--max-calls: found 3, fewer than the 5 of --calls; raise it"),
        (["--max-warmup-calls", "2"], "--max-warmup-calls: found 2, fewer than the 3 of --warmup-calls; raise it"),
        (["--target-percent", "0"], "argument --target-percent: found '0', expected a number above 0"),
        (["--target-percent", "101"], "expected a number above 0 and of 100 at most, or none"),
        (["--threads", "0"], "argument --threads: found '0', expected an integer of 1 or more"),
        (["--allocated-mib", "-5"], "argument --allocated-mib: found '-5', expected an integer of 0 or more"),
        (["--cache", "none"], "argument --cache: invalid choice: 'none'"),
    ],
)
def test_the_command_line_is_checked_as_the_config_is(capsys, arguments, message):
    command = ["--pipeline=sd-txt2img", "--batch-size=1", "--variant=eager", "--output=none"]
    with pytest.raises(SystemExit) as caught:
        parse_arguments([*command, *(f"{name}={value}" for name, value in zip(arguments[::2], arguments[1::2]))])
    assert caught.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ") and message in line


def test_a_missing_compiler_is_a_setup_error_that_names_the_package(tmp_path):
    path = str(Path(sys.executable).parent)
    result = measure(tmp_path, variant="compile", environment={"PATH": path})
    assert result.returncode == 1
    assert "apt install build-essential" in result.stderr
    assert not list(tmp_path.iterdir())


def test_a_time_limit_is_a_row(tmp_path):
    assert measure(tmp_path, "--time-limit-s", 1, fork=False).returncode == 0
    (row,) = rows_of(tmp_path)
    assert (row["status"], row["phase"]) == ("timeout", "load")
    assert row["iterations_per_second"] == ""


def test_a_memory_limit_is_a_row(tmp_path):
    assert measure(tmp_path, "--memory-limit-mib", 150).returncode == 0
    (row,) = rows_of(tmp_path)
    assert row["status"] == "oom"
    assert "memory limit of 150 MiB" in row["detail"]


def test_a_killed_process_is_a_row(tmp_path):
    kill_measuring_process()
    assert measure(tmp_path, fork=False).returncode == 0
    (row,) = rows_of(tmp_path)
    assert row["status"] == "crashed"
    assert "SIGKILL" in row["detail"]


def test_an_interrupted_run_writes_nothing_and_leaves_no_process(tmp_path):
    command = [sys.executable, str(MEASURE), "--pipeline", "sd-txt2img", "--batch-size", "1", "--variant", "eager"]
    process = subprocess.Popen([*command, "--output", str(tmp_path)], stderr=subprocess.PIPE, text=True)
    while not list(measuring_processes()):
        time.sleep(0.1)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=30) == 130
    assert "interrupted" in process.stderr.read()
    assert not list(tmp_path.iterdir())
    assert not list(measuring_processes())


def test_runs_wait_for_each_other_on_one_device(tmp_path):
    command = [sys.executable, str(MEASURE), "--pipeline", "sd-txt2img", "--batch-size", "1", "--variant", "eager"]
    processes = [subprocess.Popen([*command, "--calls", "1", "--output", str(tmp_path / str(n))]) for n in range(2)]
    most = 0
    while any(process.poll() is None for process in processes):
        most = max(most, len(measuring_sessions()))
        time.sleep(0.05)
    assert most == 1
    assert all((tmp_path / str(n) / "run.csv").is_file() for n in range(2))


def test_a_full_disk_is_one_line_and_leaves_nothing(tmp_path):
    folder = tmp_path / "small"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4k", "tmpfs", folder], capture_output=True).returncode:
        pytest.skip("mounting a small file system needs root")
    try:
        result = measure(folder, "--calls", 200, "--max-calls", 200, "--warmup-calls", 1)
        assert result.returncode == 1
        assert "No space left on device" in result.stderr
        assert "Traceback" not in result.stderr
        assert not list(folder.iterdir())
    finally:
        subprocess.run(["umount", folder], check=True)


def test_pretrained_weights_load_from_a_folder_as_safetensors_only(tmp_path):
    """The real loading code, on a miniature pipeline saved to disk by Diffusers itself."""
    import torch
    import yaml

    from measurement.definition import resolve
    from measurement.load import load_pipeline

    stage = resolve("sd-txt2img", 1, "eager", "random", "tiny")["stages"][0]
    saved = tmp_path / "saved"
    load_pipeline(stage, "random", torch.device("cpu"), torch.float32).save_pretrained(saved, safe_serialization=True)

    root = tmp_path / "root"
    for folder in ("config", "resources"):
        (root / folder).symlink_to(ROOT / folder) if folder == "resources" else (root / folder).mkdir(parents=True)
    for kind in ("gpus", "variants"):
        (root / "config" / f"{kind}.yaml").write_text((ROOT / "config" / f"{kind}.yaml").read_text())
    pipelines = yaml.safe_load((ROOT / "config/pipelines.yaml").read_text(encoding="utf-8"))
    pipelines["sd-txt2img"]["stages"][0].update(hub_id=str(saved), revision=None, steps=4)
    (root / "config/pipelines.yaml").write_text(yaml.safe_dump(pipelines))

    options = ["--weights", "pretrained", "--root", root, "--calls", 1]
    result = measure(tmp_path / "out", *options)
    assert result.returncode == 0, result.stderr
    (row,) = rows_of(tmp_path / "out")
    assert (row["status"], row["weights"], row["iterations"]) == ("ok", "pretrained", "4")

    weights = saved / "unet/diffusion_pytorch_model.safetensors"
    weights.rename(weights.with_name("diffusion_pytorch_model.bin"))
    result = measure(tmp_path / "pickled", *options)
    assert result.returncode == 1
    assert "cannot be loaded as safetensors" in result.stderr


def test_components_do_not_depend_on_each_other_and_controlnet_has_an_effect():
    import torch

    from measurement.definition import resolve
    from measurement.load import load_pipeline

    def load(pipeline):
        stage = resolve(pipeline, 1, "eager", "random", "tiny")["stages"][0]
        return load_pipeline(stage, "random", torch.device("cpu"), torch.float32)

    plain, controlled = load("sd-txt2img"), load("sd-controlnet")
    first, second = (next(pipeline.unet.parameters()) for pipeline in (plain, controlled))
    assert torch.equal(first, second)
    for name, layer in controlled.controlnet.named_modules():
        if isinstance(layer, torch.nn.Conv2d):
            assert layer.weight.any(), name


def test_measurement_code_is_python_3_8_and_needs_no_reporting():
    import ast

    files = [MEASURE, MEASURE.with_name("ceiling.py"), *(ROOT / "workflow/scripts/measurement").glob("*.py")]
    for file in files:
        tree = ast.parse(file.read_text(encoding="utf-8"), feature_version=(3, 8))
        imported = {
            (name.name if isinstance(node, ast.Import) else node.module or "").split(".")[0]
            for node in ast.walk(tree)
            if isinstance(node, (ast.Import, ast.ImportFrom))
            for name in node.names
        }
        assert not imported & {"pandas", "snakemake", "reporting", "seaborn"}, file


def test_reporting_never_imports_torch():
    modules = "reporting.tables, reporting.figures, reporting.read, reporting.summary"
    code = f"import sys, json, {modules}; print(json.dumps('torch' in sys.modules))"
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "workflow/scripts")}
    output = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert json.loads(output.stdout) is False
