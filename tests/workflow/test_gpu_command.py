"""The command that measures on a GPU, rehearsed on the CPU: it ends in time, keeps what it has, and goes on where it stopped."""

import os
import shutil
import subprocess
import sys

import pytest
import yaml
from datasets import read_archive

from conftest import QUICK, ROOT, Project

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    project = Project(tmp_path_factory.mktemp("gpu") / "project")
    for part in ("gpu", "bench"):
        shutil.copytree(ROOT / "tests" / part, project.folder / "tests" / part)
    write(project, "config.yaml", {"name": "gpu", "measurement": QUICK})
    work = [
        {"name": "ceilings", "ceilings": ["float32"]},
        {"name": "first", "pipelines": ["sd-txt2img"], "variants": ["eager", "fused"], "rounds": 1},
        {"name": "trace", "trace": ["sd-txt2img"], "variants": ["eager"]},
    ]
    write(project, "list.yaml", {"config": "config.yaml", "work": work})
    return project


def write(project, name, content):
    (project.folder / name).write_text(yaml.safe_dump(content), encoding="utf-8")


def command(project, script, *arguments):
    result = subprocess.run(
        [sys.executable, f"tests/gpu/{script}.py", *map(str, arguments)],
        cwd=project.folder,
        env={**os.environ, "NO_COLOR": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    return result.returncode, result.stdout


def rehearse(project, *arguments):
    return command(project, "run", "--rehearse", "--list", "list.yaml", "--output", "out", *arguments)


def test_without_a_gpu_it_says_so_in_one_line_and_measures_nothing(project):
    code, output = command(project, "run", "--output", "out")
    assert code == 0
    assert output.splitlines() == ["skipped: this machine has no NVIDIA GPU, so nothing was measured"]
    assert not (project.folder / "out").exists()


def test_a_folder_with_a_damaged_wheel_is_told(project):
    (project.folder / "wheels").mkdir()
    (project.folder / "wheels/broken-1.0-py3-none-any.whl").write_text("no archive", encoding="utf-8")
    code, output = command(project, "run", "--rehearse", "--wheels", "wheels")
    assert code == 1 and output.startswith("error: --wheels wheels: ") and len(output.splitlines()) == 1


def test_it_measures_what_is_missing_and_goes_on_where_it_stopped(project):
    code, output = rehearse(project, "--minutes", 0.3)
    assert code == 0 and "ceilings: 0 of 1 done" in output and "first: 0 of 2 done" in output, output
    code, output = rehearse(project, "--minutes", 9, "--copy", "copy", "--revision", "abc123")
    assert code == 0 and "measured: " in output and "first: 2 of 2 done" in output, output
    (path,) = (project.folder / "copy").glob("cpu-torch-*.zip")
    assert path.read_bytes() == (project.folder / "out" / path.name).read_bytes()
    _, found = read_archive(path)
    assert sorted((row["variant"], row["status"], row["scale"], row["code_revision"]) for row in found.rows()) == [
        ("eager", "ok", "tiny", "abc123"),
        ("fused", "ok", "tiny", "abc123"),
    ]
    assert len(found.tables["fidelity.csv"]) == 2 and len(found.tables["ceilings.csv"]) == 1
    assert found.has_passed("trace-sd-txt2img-eager")
    for row in found.tables["minutes.csv"]:
        assert min(float(row[column]) for column in ("start_s", "load_s", "calls_s")) > 0
    code, output = rehearse(project)
    assert code == 0 and "0 of 4 steps are missing" in output, "nothing is measured again"
    code, output = command(project, "merge", path.relative_to(project.folder))
    assert code == 0 and "2 new rounds" in output, output
    shutil.rmtree(project.folder / "out")
    code, output = rehearse(project, "--plan")
    assert code == 0 and "0 of 4 steps are missing" in output, "what is committed is not measured again"
    result = project.snakemake(f"results/{path.stem}/tables.md")
    assert "fused" in (project.folder / f"results/{path.stem}/tables.md").read_text(encoding="utf-8"), result.output
