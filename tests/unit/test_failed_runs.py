"""Runs that do not measure: what is refused in one line, what is a row with a status, and what is left behind."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from measure import parse_arguments
from running import MEASURE, kill_measuring_process, measure, measuring_processes, measuring_sessions, rows_of


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
