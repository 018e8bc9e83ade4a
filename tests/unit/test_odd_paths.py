"""A clone whose path has signs that shells, PYTHONPATH or YAML give a meaning: it measures, or says why not in one line."""

import sys
from pathlib import Path

import pytest

from conftest import Project
from running import measure, rows_of

FEW = ["--warmup-calls", 1, "--max-warmup-calls", 1, "--calls", 1, "--max-calls", 1]


def run(folder, variant, monkeypatch, **options):
    """measure.py of a clone in this folder, started there."""
    project = Project(folder)
    monkeypatch.chdir(project.folder)
    script = project.folder / "workflow/scripts/measure.py"
    return measure("out", *FEW, variant=variant, script=script, **options), project.folder / "out"


@pytest.mark.parametrize("name", ["2026-11-27T10:00:00+00:00", "a b$HOME'\"%s;`x`\\\u00e9", "line\nbreak"])
def test_a_clone_with_an_odd_path_measures(tmp_path, monkeypatch, name):
    result, output = run(tmp_path / name, "eager", monkeypatch)
    assert result.returncode == 0, result.stderr
    (row,) = rows_of(output)
    assert row["status"] == "ok"


@pytest.mark.slow
def test_a_clone_named_by_the_time_compiles(tmp_path, monkeypatch):
    result, output = run(tmp_path / "2026-11-27T10:00:00+00:00", "compile", monkeypatch)
    assert result.returncode == 0, result.stderr
    (row,) = rows_of(output)
    assert row["status"] == "ok"


def test_torch_in_a_folder_with_a_space_is_refused_before_anything_is_compiled(tmp_path, monkeypatch):
    (tmp_path / "my project").mkdir()
    (tmp_path / "my project/venv").symlink_to(sys.prefix)
    python = tmp_path / "my project/venv/bin" / Path(sys.executable).name
    result, output = run(tmp_path / "clone", "compile", monkeypatch, python=python)
    assert result.returncode == 1
    (line,) = result.stderr.splitlines()
    assert (
        line.startswith("error: '")
        and "my project/venv/lib" in line
        and line.endswith("; install torch in another folder")
    )
    assert not output.exists()
