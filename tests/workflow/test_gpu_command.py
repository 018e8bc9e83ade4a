"""The command that measures on a GPU, rehearsed on the CPU: it ends in time, packs what it has, and goes on where it stopped."""

import os
import shutil
import subprocess
import sys
import zipfile

import pytest
import yaml

from conftest import QUICK, ROOT, Project
from running import rows_of

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    project = Project(tmp_path_factory.mktemp("gpu") / "project")
    for part in ("gpu", "bench"):
        shutil.copytree(ROOT / "tests" / part, project.folder / "tests" / part)
    config = {"pipelines": ["sd-txt2img"], "measurement": QUICK}
    (project.folder / "mine.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    return project


def command(project, *arguments):
    result = subprocess.run(
        [sys.executable, "tests/gpu/run.py", *map(str, arguments)],
        cwd=project.folder,
        env={**os.environ, "NO_COLOR": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    return result.returncode, result.stdout


def rehearse(project, minutes):
    return command(project, "--rehearse", "--configfile", "mine.yaml", "--minutes", minutes, "--output", "out")


def test_without_a_gpu_it_says_so_in_one_line_and_measures_nothing(project):
    code, output = command(project, "--output", "out")
    assert code == 0
    assert output.splitlines() == ["skipped: torch sees no CUDA device here, so nothing was measured"]
    assert not (project.folder / "results").exists() and not (project.folder / "out").exists()


def test_a_folder_of_wheels_that_lacks_what_is_needed_is_told(project):
    (project.folder / "wheels").mkdir()
    (project.folder / "wheels/broken-1.0-py3-none-any.whl").write_text("no archive", encoding="utf-8")
    code, output = command(project, "--rehearse", "--wheels", "wheels")
    assert code == 1 and "Traceback" not in output
    assert output.startswith("error: --wheels wheels: ") and len(output.splitlines()) == 1


def test_it_measures_packs_and_goes_on_where_it_stopped(project):
    code, output = rehearse(project, 0.1)
    assert code == 0 and output.endswith("no time left: start the command again to go on\n")
    code, output = rehearse(project, 9)
    assert code == 0 and "all is done" in output, output
    with zipfile.ZipFile(project.folder / "out/rehearsal.zip") as archive:
        assert {"rehearsal/measurements.csv", "rehearsal/calls.csv", "rehearsal/config.yaml"} <= set(archive.namelist())
        archive.extractall(project.folder / "unpacked")
    rows = rows_of(project.folder / "unpacked/rehearsal", "measurements.csv")
    assert [(row["variant"], row["status"], row["scale"]) for row in rows] == [
        ("eager", "ok", "tiny"),
        ("regional", "ok", "tiny"),
    ]
    code, output = rehearse(project, 9)
    assert code == 0 and ": Run " not in output, "nothing is measured again"
    for folder in ("results", ".snakemake"):
        shutil.rmtree(project.folder / folder)
    code, output = rehearse(project, 9)
    assert code == 0 and ": Run " not in output, "another machine goes on from the output folder"
    assert (project.folder / "results/rehearsal/summary.csv").is_file()
