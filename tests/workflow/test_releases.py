"""Two real torch releases side by side, each in an environment that uv makes; the oldest stack and the newest.

They take gigabytes of packages: uv's cache keeps them.
"""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from conftest import PLAIN, QUICK, ROOT, Project, pins
from diffbench.catalogue.environments import newest_current, read_environment
from diffbench.commands.environment import find_uv, make_environment, python_of
from diffbench.vocabulary.errors import DiffbenchError
from running import measure, rows_of

pytestmark = pytest.mark.slow
OLD, NEW = "2.1", "2.13"
MEASURING = [f"tests/unit/test_{name}.py" for name in ("measurement", "failed_runs", "load", "imports")]
CONFIG = {
    "name": "releases",
    "torch": [OLD, NEW],
    "pipelines": ["sd-txt2img"],
    "batch_sizes": [1],
    "variants": ["eager", "compile"],
    "rounds": 1,
    "measurement": QUICK,
}


@pytest.fixture(scope="module", autouse=True)
def wheels():
    """uv looks where pip does, and for the Pythons that pyenv has."""
    with pytest.MonkeyPatch.context() as patch:
        links = [os.environ.get("PIP_FIND_LINKS", ""), os.environ.get("UV_FIND_LINKS", "")]
        patch.setenv("UV_FIND_LINKS", ",".join(filter(None, links)))
        pythons = [str(path) for path in Path.home().glob(".pyenv/versions/*/bin")]
        patch.setenv("PATH", os.pathsep.join([os.environ["PATH"], *pythons]))
        patch.setenv("UV_HTTP_TIMEOUT", "300")
        yield


@pytest.fixture(scope="module")
def releases(tmp_path_factory):
    """A project that measured two releases in one run of the workflow."""
    project = Project(tmp_path_factory.mktemp("releases") / "project")
    project.configure(**CONFIG)
    project.first = project.snakemake().output
    return project


def rows_by_cell(project):
    rows = rows_of(project.folder / "results/releases", "measurements.csv")
    return {(row["torch"], row["pipeline"], row["variant"]): row for row in rows}


def test_two_releases_fill_two_pairs_of_columns(releases):
    header, _, *lines = [line for line in releases.first.splitlines() if line.startswith("|")]
    columns = re.findall(r"\*\*(.*?)\*\*", header)
    assert columns == [
        "Pipeline",
        *(f"torch {torch} - <br>{variant}" for variant in ("no compile", "compile") for torch in (OLD, NEW)),
    ]
    assert [line.split("|")[1].strip() for line in lines] == ["SD - txt2img"]
    numbers = re.findall(r"\d+\.\d\d", "".join(lines))
    assert len(numbers) == len(set(numbers)) == 4
    assert "Python 3.11.7" in releases.first


def test_every_row_states_the_release_of_its_column(releases):
    rows = rows_by_cell(releases)
    assert {row["status"] for row in rows.values()} == {"ok"}
    for (torch, *_), row in rows.items():
        pinned = read_environment(torch, ROOT).packages
        assert row["torch_version"].split("+")[0] == pinned["torch"]
        assert (row["diffusers_version"], row["transformers_version"]) == ("0.31.0", "4.46.3")
        assert row["python_version"] == "3.11.7"
    (record,) = releases.folder.glob(f"results/releases/environments/torch-{OLD}.*.txt")
    record = record.read_text(encoding="utf-8")
    assert "torch==2.1.2" in record and "diffusers==0.31.0" in record


def test_nothing_runs_again_and_a_comment_is_no_change(releases):
    assert releases.planned() == 0
    file = releases.folder / f"envs/torch-{OLD}.yaml"
    before = file.read_text(encoding="utf-8")
    file.write_text("# a comment\n" + before, encoding="utf-8")
    assert releases.planned() == 0
    file.write_text(before.replace("tqdm==4.70.1", "tqdm==4.67.1"), encoding="utf-8")
    assert releases.planned() == 2, "a pin that changed concerns its own release"
    file.write_text(before, encoding="utf-8")
    assert releases.planned() == 0


def test_no_column_shows_another_releases_number(releases, tmp_path):
    """An environment that holds another torch than its name says is refused, with what to remove."""
    (made,) = releases.folder.glob(f".environments/torch-{NEW}.*/")
    expected = read_environment(OLD, ROOT).expected()
    command = [python_of(made), ROOT / "workflow/scripts/measure.py", "--pipeline", "sd-txt2img", "--batch-size", "1"]
    command += ["--variant", "eager", "--torch", OLD, "--expect", expected, "--output", tmp_path / "run"]
    result = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    assert result.returncode == 1
    assert re.search(r"the run is for torch 2\.1\.2, but torch 2\.13\.0\S* was imported; .*remove /", result.stderr)
    assert not (tmp_path / "run").exists()


def test_what_a_release_cannot_do_is_unsupported_with_its_reason(tmp_path_factory):
    """The published page's stack on a Python that torch 2.0 cannot compile on."""
    environment = read_environment("2.0-paper", ROOT)._replace(python="3.11.7")
    folder = tmp_path_factory.mktemp("python311") / "made"
    make_environment(environment, folder)
    for pipeline, variant, reason in (
        ("sd-txt2img", "compile", "torch 2.0.1+cu117 cannot compile on Python 3.11.7: Python 3.11+ not yet supported"),
        ("sdxl-txt2img", "eager", "diffusers 0.17.1 has no class StableDiffusionXLPipeline"),
    ):
        output = folder.parent / pipeline
        result = measure(output, pipeline=pipeline, variant=variant, python=python_of(folder))
        assert result.returncode == 0, result.stderr
        (row,) = rows_of(output)
        assert (row["status"], row["phase"]) == ("unsupported", "load")
        assert reason in row["detail"]
        assert row["peak_rss_mib"] == "", "found before anything was loaded"


@pytest.mark.parametrize("name", ["2.0-paper", newest_current(ROOT)])
def test_the_measuring_program_passes_its_tests_with_the_oldest_stack_and_the_newest(name, tmp_path):
    environment = read_environment(name, ROOT)
    try:
        make_environment(environment, tmp_path / "made")
    except DiffbenchError as error:
        if f"Python {environment.python}" not in str(error):
            raise
        pytest.skip(str(error))
    tools = ["pip", "install", "--quiet", "--python", python_of(tmp_path / "made"), f"pytest=={pytest.__version__}"]
    subprocess.run([find_uv(), *map(str, tools)], check=True)
    command = [python_of(tmp_path / "made"), "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    # the newest stack has the Diffusers of the requirements, with which the variants' tests run anyway
    variants = ["tests/unit/test_variants.py"] if name == "2.0-paper" else []
    command += [*MEASURING, *variants, "-k", f"not reporting and {lacking(name)}"]
    # one thread: those of torch wait for each other where other tests are on
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    result = subprocess.run(list(map(str, command)), cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
    assert result.returncode == 0, result.stdout
    assert int(re.search(r"(\d+) passed", result.stdout).group(1)) >= 20


def lacking(name):
    """Which tests a stack is for: Diffusers 0.17 loads no SDXL, and torch 2.0 counts no operations; how a run is supervised hangs
    on Python alone, and the newest stack has that of the requirements."""
    supervised = "limit or killed or interrupted or wait or full_disk or batch_size_is or compiler"
    return "not sdxl and not work_of_a_step" if name == "2.0-paper" else f"not ({supervised})"


def test_the_plain_command_needs_no_torch(tmp_path):
    """Planning and rendering work in an environment that holds Snakemake and what the Snakefile imports; measuring with the torch
    of that environment is refused in one line before any job."""
    python = tmp_path / "plain" / "bin" / "python"
    subprocess.run([find_uv(), "venv", "--quiet", "--python", sys.executable, tmp_path / "plain"], check=True)
    subprocess.run([find_uv(), "pip", "install", "--quiet", "--python", python, *pins(*PLAIN, "uv")], check=True)
    project = Project(tmp_path / "project")
    for arguments, found in (([], "torch installed"), (["--use-conda"], f"torch {newest_current(ROOT)}")):
        command = [python, "-m", "snakemake", "--cores", "1", "-n", *arguments]
        result = subprocess.run(list(map(str, command)), cwd=project.folder, capture_output=True, text=True)
        output = result.stdout + result.stderr
        if not arguments or shutil.which("conda"):
            assert result.returncode == 0, output
            assert f"on CPU, {found}" in output
    assert not Path(sysconfig.get_path("purelib", vars={"base": str(tmp_path / "plain")}), "torch").exists()
    command = [python, "-m", "snakemake", "--cores", "1"]
    result = subprocess.run(list(map(str, command)), cwd=project.folder, capture_output=True, text=True)
    assert result.returncode == 1
    last = result.stderr.splitlines()[-1]
    assert last.startswith("error: torch is not installed in ") and "; or add --use-conda" in last
    assert "measure:" not in result.stderr and "Error in rule" not in result.stderr
