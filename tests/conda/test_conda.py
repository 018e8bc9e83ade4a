"""A real conda builds the unmodified environment files and the workflow measures inside them (`--use-conda`)."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from base import make_conda

from conftest import PLAIN, QUICK, ROOT, Project, pins
from diffbench.catalogue.environments import newest_current, read_environment
from running import rows_of

pytestmark = pytest.mark.slow
BUILD = "2.13"  # its stack is not that of the Python that runs the tests
PINNED = read_environment(BUILD, ROOT)
PIP = "25.0.1"
CONFIG = {
    "name": "conda",
    "torch": [BUILD],
    "pipelines": ["sd-txt2img"],
    "batch_sizes": [1],
    "variants": ["eager", "compile"],
    "rounds": 1,
    "measurement": QUICK,
}


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """The PATH on which conda is."""
    if sys.version.split()[0] != PINNED.python:
        pytest.skip(
            f"the channel is made from the Python of the tests, {sys.version.split()[0]}; needs {PINNED.python}"
        )
    return os.pathsep.join([str(make_conda(tmp_path_factory.mktemp("conda"), PIP)), os.environ["PATH"]])


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """A Python with Snakemake and what the Snakefile imports: no torch, no seaborn, no uv."""
    folder = tmp_path_factory.mktemp("plain")
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    pip = [folder / "bin/pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, *pins(*PLAIN)], check=True)
    return folder / "bin/python"


def run(project, python, path, *arguments):
    """Run Snakemake with conda, from that Python. Returns the completed process, stdout and stderr in one."""
    command = [python, "-m", "snakemake", "--cores", "1", "--use-conda", *arguments]
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    return subprocess.run(
        list(map(str, command)),
        cwd=project.folder,
        env={**environment, "PATH": path, "NO_COLOR": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.fixture(scope="module")
def measured(tmp_path_factory, plain, path):
    project = Project(tmp_path_factory.mktemp("measured") / "project")
    project.configure(**CONFIG)
    result = run(project, plain, path)
    assert result.returncode == 0, result.stdout
    project.first = result.stdout
    return project


def conda_environments(project):
    """The environments that Snakemake had conda make, by the file that each was made from."""
    made = {
        path.with_suffix(""): path.read_text(encoding="utf-8")
        for path in project.folder.glob(".snakemake/conda/*.yaml")
    }
    files = {path.stem: path.read_text(encoding="utf-8") for path in (project.folder / "envs").glob("*.yaml")}
    return {name: folder for folder, text in made.items() for name, file in files.items() if file == text}


def test_conda_made_the_environments_and_the_runs_were_measured_in_them(measured):
    environments = conda_environments(measured)
    assert set(environments) == {f"torch-{BUILD}", "report"}
    assert (
        f"Activating conda environment: {environments[f'torch-{BUILD}'].relative_to(measured.folder)}" in measured.first
    )
    rows = rows_of(measured.folder / "results/conda", "measurements.csv")
    assert [row["status"] for row in rows] == ["ok", "ok"]
    for row in rows:
        assert row["diffusers_version"] == PINNED.packages["diffusers"]
        assert row["transformers_version"] == PINNED.packages["transformers"]
        assert row["torch_version"].split("+")[0] == PINNED.packages["torch"]
    (record,) = measured.folder.glob(f"results/conda/environments/torch-{BUILD}.*.txt")
    assert f"pip=={PIP}" in record.read_text(encoding="utf-8"), "uv's environments have no pip"
    assert not (measured.folder / ".environments").exists()


def test_the_report_was_made_without_the_packages_of_the_caller(measured):
    assert (measured.folder / "results/conda/figures/speedup.png").is_file()
    python = conda_environments(measured)["report"] / "bin/python"
    package = ROOT / "workflow/scripts/diffbench"
    folders = ("data", "statistics", "tables", "figures", "page", "documents")
    modules = [f"diffbench.{folder}.{path.stem}" for folder in folders for path in (package / folder).glob("[a-z]*.py")]
    imports = f"import {', '.join(modules)}"
    environment = {"PYTHONPATH": str(ROOT / "workflow/scripts"), "PATH": os.environ["PATH"]}
    result = subprocess.run([python, "-c", imports], env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


def test_nothing_runs_again_with_conda_or_without(measured, plain, path):
    assert "Nothing to be done" in run(measured, plain, path).stdout
    assert measured.planned() == 0, "who built an environment does not matter"


def test_auto_is_the_newest_current_environment_under_conda(plain, path, tmp_path):
    project = Project(tmp_path / "project")
    result = run(project, plain, path, "-n")
    assert result.returncode == 0, result.stdout
    assert f"on CPU, torch {newest_current(ROOT)}" in result.stdout
    assert result.stdout.count(": Run ") == 36


def test_a_package_that_cannot_be_had_is_named(plain, path, tmp_path):
    project = Project(tmp_path / "project")
    project.configure(**CONFIG)
    file = project.folder / f"envs/torch-{BUILD}.yaml"
    file.write_text(
        file.read_text(encoding="utf-8").replace("diffusers==0.31.0", "diffusers==0.31.99"), encoding="utf-8"
    )
    result = run(project, plain, path)
    assert result.returncode != 0
    assert "diffusers==0.31.99" in result.stdout
    assert not list(Path(project.folder, "results").glob("**/run.csv"))
