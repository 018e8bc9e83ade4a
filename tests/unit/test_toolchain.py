"""What torch.compile needs is built and loaded for real, before anything is measured."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import ROOT
from diffbench.measurement import toolchain
from diffbench.measurement.toolchain import (
    check_toolchain,
    compiler_version,
    find_c_compiler,
    find_compiler,
    torch_libraries,
)
from diffbench.system.environment_variables import inherit_variables
from diffbench.vocabulary.errors import SetupError
from mounts import mounted


@pytest.fixture(autouse=True)
def unset(monkeypatch):
    for name in ("CXX", "CC"):
        monkeypatch.delenv(name, raising=False)


def program(path, text):
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize("name", ["cache", "a:b", "2026-11-27T10:00:00+00:00", "a$HOME", "50%", "\u00e9"])
def test_a_library_is_built_and_loaded_in_the_folder_which_is_left_empty(tmp_path, name):
    check_toolchain(tmp_path / name)
    assert not list((tmp_path / name).iterdir())
    assert (torch_libraries() / "libc10.so").is_file(), "it is linked, as what torch compiles is"


def test_a_compiler_speaks_english_whatever_the_users_language(tmp_path, monkeypatch):
    said = 'test "$LC_ALL$LANGUAGE$LC_MESSAGES" = C && echo "No space left on device" || echo "Kein Platz"; exit 1'
    monkeypatch.setenv("CXX", str(program(tmp_path / "c++", said)))
    for name, value in {"LC_ALL": "de_DE.UTF-8", "LANGUAGE": "de", "LC_MESSAGES": "de_DE.UTF-8"}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SetupError, match="No space left on device; set DIFFBENCH_CACHE"):
        check_toolchain(tmp_path / "cache")


def test_nothing_that_is_compiled_can_be_loaded_from_a_folder_without_exec(tmp_path):
    with mounted(tmp_path / "noexec", "size=100m,noexec") as folder:
        problem = "libraries that are compiled there cannot be loaded: .*noexec.*"
        expected = f"{folder}/cache: {problem}; set DIFFBENCH_CACHE or --cache-folder"
        with pytest.raises(SetupError, match=expected):
            check_toolchain(folder / "cache")


def test_a_folder_with_a_space_is_refused_by_its_name(tmp_path, monkeypatch):
    with pytest.raises(SetupError, match="a b'.*; set DIFFBENCH_CACHE or --cache-folder to another folder"):
        check_toolchain(tmp_path / "a b")
    (tmp_path / "t p").mkdir()
    monkeypatch.setattr(toolchain.tempfile, "tempdir", str(tmp_path / "t p"))
    with pytest.raises(SetupError, match="t p'.*; set TMPDIR to another folder"):
        check_toolchain(tmp_path / "cache")
    monkeypatch.undo()
    monkeypatch.setattr(toolchain, "torch_libraries", lambda: Path("/opt/my torch/lib"))
    with pytest.raises(SetupError, match="'/opt/my torch/lib'.*; install torch in another folder"):
        check_toolchain(tmp_path / "cache")


@pytest.mark.parametrize(
    ("script", "message"),
    [
        (
            "echo '/x/y.cpp:1: note: hm'; echo 'y.cpp:2:10: fatal error: omp.h: No such file'; exit 1",
            "y.cpp:2:10: fatal error: omp.h",
        ),
        (
            "echo 'ld: cannot find -lc10'; echo 'collect2: error: ld returned 1 exit status'; exit 1",
            "ld: cannot find -lc10",
        ),
        ("echo 'licence expired'; exit 3", "licence expired"),
        ("exit 1", "no message"),
    ],
)
def test_a_compiler_that_fails_is_quoted_with_the_line_that_matters(tmp_path, monkeypatch, script, message):
    monkeypatch.setenv("CXX", str(program(tmp_path / "c++", script)))
    with pytest.raises(SetupError) as caught:
        check_toolchain(tmp_path / "cache")
    assert f"{tmp_path}/c++ cannot build a C++ library with OpenMP: {message}" in str(caught.value)
    assert str(caught.value).endswith("; apt install build-essential")


@pytest.mark.parametrize(
    ("said", "advice"),
    [
        ("collect2: fatal error: ld terminated with signal 25 [File size limit exceeded]", "raise `ulimit -f`"),
        (
            "x.s: fatal error: cannot write: Disk quota exceeded",
            "set DIFFBENCH_CACHE or --cache-folder to another folder",
        ),
        (
            "cc1plus: out of memory allocating 65536 bytes",
            "too little memory is free: raise `ulimit -v`, or end other programs",
        ),
        ("c++: fatal error: cannot execute 'cc1plus': vfork: Resource temporarily unavailable", "or end others"),
    ],
)
def test_a_compiler_that_meets_a_limit_is_no_compiler_to_install(tmp_path, monkeypatch, said, advice):
    monkeypatch.setenv("CXX", str(program(tmp_path / "c++", f'echo "{said}"; exit 1')))
    with pytest.raises(SetupError, match=f"{re.escape(said)}; .*{re.escape(advice)}$"):
        check_toolchain(tmp_path / "cache")


def test_the_compilers_are_those_that_torch_and_triton_take(tmp_path, monkeypatch):
    names = ("g++", "clang++", "gcc", "clang", "mine")
    for name in names:
        program(tmp_path / name, "exit 0")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert (find_compiler(), find_c_compiler()) == (f"{tmp_path}/g++", f"{tmp_path}/gcc")
    monkeypatch.setenv("CXX", "mine")
    monkeypatch.setenv("CC", f"{tmp_path}/mine")
    assert (find_compiler(), find_c_compiler()) == (f"{tmp_path}/mine", f"{tmp_path}/mine")
    for value in ("ccache g++", "/no/where"):
        monkeypatch.setenv("CXX", value)
        advice = "unset CXX, or set it to the path of one, without wrapper or options"
        with pytest.raises(SetupError, match=re.escape(f"and '{value}' cannot be found; {advice}") + "$"):
            find_compiler()
    monkeypatch.setenv("CXX", "")
    monkeypatch.setenv("CC", "")
    assert (find_compiler(), find_c_compiler()) == (f"{tmp_path}/g++", f"{tmp_path}/gcc")
    assert not {"CC", "CXX"} & set(inherit_variables(os.environ)), (
        "torch and Triton would start a program without a name"
    )
    monkeypatch.delenv("CXX")
    (tmp_path / "g++").unlink()
    with pytest.raises(SetupError, match=f"and 'g\\+\\+' cannot be found; set CXX={tmp_path}/clang\\+\\+"):
        find_compiler()
    monkeypatch.delenv("CC")
    (tmp_path / "gcc").unlink()
    assert find_c_compiler() == f"{tmp_path}/clang"


@pytest.mark.parametrize(
    ("script", "version"),
    [
        ("echo 'g++ (mine; patched) 99.1'; echo 'Copyright'", "g++ (mine, patched) 99.1"),
        ("echo 'g++ 1'; exit 1", None),
        ("true", None),
    ],
)
def test_the_version_of_the_compiler_on_the_path_is_one_line(tmp_path, monkeypatch, script, version):
    program = tmp_path / ("clang++" if sys.platform == "darwin" else "g++")
    program.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    assert compiler_version() == version


def test_a_gpu_needs_a_c_compiler_too(tmp_path, monkeypatch):
    monkeypatch.setenv("CC", "/no/where")
    check_toolchain(tmp_path / "cache")
    with pytest.raises(
        SetupError, match="torch.compile needs a C compiler for Triton, and '/no/where' cannot be found"
    ):
        check_toolchain(tmp_path / "cache", is_cuda=True)


def test_headers_that_are_missing_are_named_with_their_package(tmp_path, monkeypatch):
    monkeypatch.setattr(toolchain.sysconfig, "get_paths", lambda: {"include": str(tmp_path)})
    with pytest.raises(SetupError, match=f"{tmp_path}/Python.h is missing; install them: apt install python3-dev"):
        check_toolchain(tmp_path / "cache")


def test_it_is_a_program_that_needs_no_package(tmp_path):
    python = shutil.which("python3", path="/usr/bin:/usr/local/bin") or sys.executable
    command = [python, "-S", "-m", "diffbench.measurement.toolchain"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "workflow/scripts"), "DIFFBENCH_CACHE": str(tmp_path / "a b")}
    result = subprocess.run(command, env=environment, capture_output=True, text=True)
    (line,) = result.stderr.splitlines()
    assert result.returncode == 1 and line.startswith("error: ")
    assert "a b" in line or "Python.h" in line
