"""What is measured does not depend on the folder, the shell and the switches of Python of who measures: real runs, in a folder
and an environment in which everything is hostile."""

import os
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import pytest

from conftest import ROOT
from running import MEASURE, rows_of

FEW = ["--warmup-calls", "1", "--max-warmup-calls", "1", "--calls", "1", "--max-calls", "1", "--threads", "1"]
# modules of Python, of packages and of the project, and what Python runs when it starts
MODULES = (
    "profile copy random types enum json signal argparse tempfile subprocess runpy ctypes yaml psutil torch numpy diffusers PIL "
    "measurement columns sizes search_path sitecustomize"
)
COMPARED = [
    "start_method",
    "status",
    "detail",
    "definition",
    "weights_digest",
    "evidence",
    "attention_kernels",
    "environment_variables",
]
SWITCHES = {
    "SAFEPATH": "1",
    "OPTIMIZE": "2",
    "INSPECT": "1",
    "STARTUP": "random.py",
    "MALLOC": "debug",
    "HASHSEED": "1",
    "DONTWRITEBYTECODE": "1",
    "TRACEMALLOC": "1",
    "PROFILEIMPORTTIME": "1",
    "DEVMODE": "1",
    "WARNINGS": "error",
    "BREAKPOINT": "profile.run",
    "COERCECLOCALE": "0",
}
HOSTILE = {
    **{f"PYTHON{name}": value for name, value in SWITCHES.items()},
    "DIFFUSERS_ATTN_BACKEND": "_native_math",
    "TORCH_COMPILE_DISABLE": "1",
    "TORCH_LOGS": "+all",
    "ATEN_CPU_CAPABILITY": "default",
    "ONEDNN_MAX_CPU_ISA": "SSE41",
    "MKL_ENABLE_INSTRUCTIONS": "SSE4_2",
    "NPY_DISABLE_CPU_FEATURES": "AVX2",
    "ACCELERATE_USE_CPU": "1",
    "OMP_NUM_THREADS": "7",
    "OMP_THREAD_LIMIT": "1",
    "OMP_MAX_ACTIVE_LEVELS": "0",
    "OMP_NUM_THREADS_ALL": "7",
    "NUMEXPR_MAX_THREADS": "1",
    "USE_TF": "1",
    "USE_TORCH": "0",
    "RANK": "1",
    "WORLD_SIZE": "2",
    "LOCAL_RANK": "1",
    "HF_ENABLE_PARALLEL_LOADING": "1",
    "LOCAL_KERNELS": "all",
    "GIT_DIR": "/nowhere",
    "COLUMNS": "1",
    "MAX_JOBS": "1",
    "CI": "1",
}


@pytest.fixture
def hostile_folder(tmp_path):
    """A folder in which no module can be imported, nor a program, library or setting be taken from."""
    for name in MODULES.split():
        (tmp_path / f"{name}.py").write_text("import os\nos.write(2, b'run: ' + __file__.encode())\nos._exit(3)\n")
    for name in ("g++", "gcc", "cc", "ld", "git", "nvidia-smi"):
        (tmp_path / name).write_text("#!/bin/sh\nexit 3\n")
        (tmp_path / name).chmod(0o755)
    (tmp_path / "config").mkdir()
    for name in ("pipelines", "variants", "gpus"):
        (tmp_path / f"config/{name}.yaml").write_text("{}\n")
    (tmp_path / "pyproject.toml").write_text("[tool.torch]\n")
    (tmp_path / "tunableop_results0.csv").write_text("Validator,PT_VERSION,0\n")
    return tmp_path


def run(folder, *, variant="eager", owner="none", output, environment):
    """A run as a user starts it in `folder`, with no other environment."""
    cell = ["--pipeline", "flux.1-schnell", "--batch-size", "1", "--variant", variant, *FEW]
    command = [sys.executable, str(MEASURE), *cell, "--owner", str(owner), "--output", str(output)]
    result = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL
    )
    assert result.returncode == 0, result.stderr
    assert "run: " not in result.stderr
    (row,) = rows_of(output)
    image = sha256((output / "outputs/stage-1.png").read_bytes()).hexdigest()
    return {**{column: row[column] for column in COMPARED}, "image": image}


@pytest.mark.parametrize("owner", ["none", os.getpid()], ids=["spawned", "forked"])
def test_nothing_of_who_measures_changes_a_run(tmp_path_factory, hostile_folder, owner):
    out = tmp_path_factory.mktemp("out")
    clean = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "DIFFBENCH_LOCKS")}
    path = os.pathsep.join([".", "", str(clean["PATH"])])
    hostile = {**clean, **HOSTILE, "PATH": path, "LD_LIBRARY_PATH": "", "CPATH": ":", "PYTHONPATH": "config"}
    expected = run(ROOT, owner=owner, output=out / "clean", environment=clean)
    assert (expected["status"], expected["start_method"]) == ("ok", "spawn" if owner == "none" else "forkserver")
    assert run(hostile_folder, owner=owner, output=out / "hostile", environment=hostile) == expected
    left = {path.name for path in hostile_folder.iterdir()} - {f"{name}.py" for name in MODULES.split()}
    assert left == {"g++", "gcc", "cc", "ld", "git", "nvidia-smi", "config", "pyproject.toml", "tunableop_results0.csv"}


def test_the_folder_and_pythonpath_hide_no_module_of_python(hostile_folder, tmp_path_factory):
    """The working folder, as an empty and as a relative entry, and another folder whose modules have names of Python's own."""
    out, other = tmp_path_factory.mktemp("out"), tmp_path_factory.mktemp("other")
    (hostile_folder / "sitecustomize.py").unlink()  # which Python imports before a program begins
    for name in ("profile", "random", "copy"):
        (other / f"{name}.py").write_text("raise SystemExit(3)\n")
    (other / "added.py").touch()
    named = os.pathsep.join(["", ".", str(other), str(hostile_folder)])
    environment = {**os.environ, "PYTHONPATH": named}
    assert run(hostile_folder, output=out, environment=environment)["status"] == "ok"


def test_what_pythonpath_adds_is_found_by_a_measuring_process(tmp_path, monkeypatch):
    """The user's packages come before the installed ones, and after Python's own; what Python runs when it starts does not."""
    from diffbench.measurement.child_environment import child_environment

    for name in ("added", "yaml", "random", "sitecustomize"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit(3)\n" if name == "sitecustomize" else "")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    environment = child_environment(tmp_path / "cache", "cpu", 1)
    (tmp_path / "cache").mkdir()
    program = ROOT / "workflow/scripts/measuring_process.py"
    code = f"import runpy; runpy.run_path({str(program)!r}, run_name='looked_at'); import added, yaml, random; "
    code += "print(added.__file__, yaml.__file__, random.__file__, sep='\\n')"
    result = subprocess.run(
        [sys.executable, "-c", code],
        env=environment,
        cwd=tmp_path / "cache",
        capture_output=True,
        text=True,
        check=True,
    )
    added, package, standard = map(Path, result.stdout.split())
    assert added.parent == package.parent == tmp_path
    assert standard.parent == Path(os.__file__).parent
