"""Runs that do not measure: what is refused in one line, what is a row with a status, and what is left behind."""

import contextlib
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from diffbench.commands.measure import measure as run_measurement
from diffbench.commands.measure import parse_arguments
from diffbench.system.program_end import run_program
from mounts import mounted
from running import (
    MEASURE,
    kill_measuring_process,
    measure,
    measuring_processes,
    measuring_sessions,
    once_measuring,
    rows_of,
)


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
        (["--weights", "pretrained"], "are not miniature: set 'scale: full'"),
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
        (["--memory-limit-mib", "-1"], "argument --memory-limit-mib: found '-1', expected an integer of 1 or more"),
        (["--memory-limit-mib", "nan"], "argument --memory-limit-mib: found 'nan', expected an integer of 1 or more"),
        (["--memory-limit-mib", "0.5"], "argument --memory-limit-mib: found '0.5', expected an integer of 1 or more"),
        (["--time-limit-s", "0"], "argument --time-limit-s: found '0', expected an integer of 1 or more"),
        (["--time-limit-s", "1_0"], "argument --time-limit-s: found '1_0', expected an integer of 1 or more"),
        (
            ["--batch-size", "1" * 20],
            "argument --batch-size: found '11111111111111111111', expected an integer of 1 or more",
        ),
        (["--batch-size", "\u0663"], "argument --batch-size: found '\u0663', expected an integer of 1 or more"),
        (["--round", "0x1"], "argument --round: found '0x1', expected an integer of 1 or more"),
        (["--target-percent", "\u0663"], "argument --target-percent: found '\u0663', expected a number above 0"),
        (["--target-percent", "inf"], "argument --target-percent: found 'inf', expected a number above 0"),
        (
            ["--expect", "torch"],
            "argument --expect: found 'torch', expected versions such as torch=2.13.0,diffusers=0.42.1",
        ),
        (["--output", ""], "argument --output: found '', expected the path of a file or folder"),
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


MANY = ["--warmup-calls", 1, "--calls", 1000, "--max-calls", 1000]  # a run that does not end by itself


def test_a_time_limit_is_a_row(tmp_path):
    result = measure(tmp_path, "--time-limit-s", 30, *MANY, "--max-seconds", 1000)
    assert result.returncode == 0, result.stderr
    (row,) = rows_of(tmp_path)
    assert row["status"] == "timeout" and "time limit of 30 s" in row["detail"]
    assert row["iterations_per_second"] == ""


def test_a_memory_limit_is_a_row(tmp_path):
    result = measure(tmp_path, "--memory-limit-mib", 450, batch_size=256, fork=False)
    assert result.returncode == 0, result.stderr
    (row,) = rows_of(tmp_path)
    assert row["status"] == "oom"
    assert "memory limit of 450 MiB" in row["detail"]


@pytest.mark.parametrize(("number", "status"), [(signal.SIGKILL, "crashed"), (signal.SIGSEGV, "crashed")])
def test_a_process_that_was_killed_while_it_measured_is_a_row(tmp_path, number, status):
    kill_measuring_process(number)
    result = measure(tmp_path / "out", *MANY, fork=False)
    assert result.returncode == 0, result.stderr
    (row,) = rows_of(tmp_path / "out")
    assert row["status"] == status
    assert number.name in row["detail"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--time-limit-s", 1], "stopped at the time limit of 1 s; raise the time limit"),
        (["--memory-limit-mib", 50], "stopped above the memory limit of 50 MiB of host memory; raise the memory limit"),
    ],
)
def test_a_limit_that_importing_reaches_is_a_failed_setup(tmp_path, arguments, message):
    result = measure(tmp_path, *arguments, fork=False)
    assert result.returncode == 1
    assert result.stderr.startswith(f"error: measuring cannot start here: {message}")
    assert not list(tmp_path.iterdir())


def test_a_process_that_somebody_stopped_is_a_failed_setup(tmp_path):
    kill_measuring_process(signal.SIGTERM)
    result = measure(tmp_path / "out", *MANY, fork=False)
    assert result.returncode == 1
    assert re.match(
        r"error: the measuring process ended in phase [\w-]+: killed by signal 15 \(SIGTERM\); .*\n\Z", result.stderr
    )
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (
            "raise ImportError('libcudnn.so.9: cannot open shared object file')",
            "ImportError: libcudnn.so.9: cannot open",
        ),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "killed by signal 9 (SIGKILL); see the log"),
        (
            "import os; os.write(2, b'undefined symbol: x\\n'); os._exit(127)",
            "its work was done: undefined symbol: x; see the log",
        ),
    ],
)
def test_a_library_that_cannot_be_imported_is_a_failed_setup(tmp_path, code, message):
    (tmp_path / "path").mkdir()
    (tmp_path / "path/diffusers.py").write_text(code + "\n")
    result = measure(tmp_path / "out", environment={"PYTHONPATH": str(tmp_path / "path")})
    assert result.returncode == 1
    (line,) = result.stderr.splitlines()
    assert line.startswith("error: measuring cannot start here: ") and message in line
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--output", "{0}/file/below"], "{0}/file/below: cannot be written: Not a directory; name another"),
        (
            ["--events", "{0}/none/events"],
            "{0}/none/events: cannot be written: No such file or directory; make the folder",
        ),
        (["--log", "{0}/none/log"], "{0}/none/log: cannot be written: No such file or directory; make the folder"),
        (["--root", "{0}"], "{0}/config/gpus.yaml: no such file"),
        (["--variant", "compile", "--cache-folder", "{0}/a b"], "a b': torch.compile cannot use a path with a space"),
        (
            ["--cache-folder", "{0}/file"],
            "{0}/file: cannot be written: File exists; set DIFFBENCH_CACHE or --cache-folder",
        ),
    ],
)
def test_a_place_that_cannot_be_used_is_one_line_before_anything_is_measured(tmp_path, capsys, arguments, message):
    (tmp_path / "file").touch()
    command = ["--pipeline=sd-txt2img", "--batch-size=1", "--variant=eager", f"--output={tmp_path / 'out'}"]
    arguments = parse_arguments([*command, *(argument.format(tmp_path) for argument in arguments)])
    assert run_program(lambda: run_measurement(arguments), arguments.log) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ") and message.format(tmp_path) in line
    assert {path.name for path in tmp_path.iterdir()} <= {"file", "a b"}


def test_an_interrupted_run_writes_nothing_and_leaves_no_process(tmp_path):
    command = [sys.executable, str(MEASURE), "--pipeline", "sd-txt2img", "--batch-size", "1", "--variant", "eager"]
    process = subprocess.Popen([*command, "--output", str(tmp_path)], stderr=subprocess.PIPE, text=True)
    while not list(measuring_processes()):
        time.sleep(0.1)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=30) == 128 + signal.SIGTERM
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


def test_a_full_disk_is_one_line_before_anything_is_measured(tmp_path):
    with mounted(tmp_path / "small", "size=1m") as folder:
        result = measure(folder)
        assert result.returncode == 1
        expected = f"error: {folder}: found 1 MiB free, expected 64 MiB or more; make room, or name another --output\n"
        assert result.stderr == expected
        assert not list(folder.iterdir())


def test_a_disk_that_fills_while_it_is_measured_loses_nothing(tmp_path):
    with mounted(tmp_path / "small", "size=70m") as folder:
        thread = once_measuring(lambda pid: fill(folder / "other"))
        result = measure(folder / "out", fork=False)
        thread.join()
        assert result.returncode == 1
        line = result.stderr.splitlines()[-1]
        assert line.startswith(f"error: {folder}/out: cannot be written: No space left on device; make room; ")
        kept = Path(re.search("move the files there from (.*)$", line).group(1))
        (row,) = rows_of(kept)
        assert row["status"] == "ok" and (kept / "outputs/stage-1.npy").is_file()
        shutil.rmtree(kept)
        assert not list((folder / "out").iterdir())


def fill(path):
    """Write to a file until its file system is full."""
    with contextlib.suppress(OSError), open(path, "wb", buffering=0) as file:
        while file.write(bytes(4096)):
            pass
