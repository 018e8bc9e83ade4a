"""Environments that uv builds: who builds them, who only looks, and what happens to measurements when one is gone or broken."""

import re
import shutil

import pytest

from built import make_index, use_index, write_environment
from conftest import QUICK, Project, progress_rows
from running import rows_of

pytestmark = pytest.mark.slow

CONFIG = {
    "name": "built",
    "torch": ["mine"],
    "pipelines": ["sd-txt2img"],
    "batch_sizes": [1],
    "variants": ["eager"],
    "rounds": 2,
    "measurement": QUICK,
}


@pytest.fixture(scope="module")
def pins(tmp_path_factory):
    """What the build pins; its packages are in an index."""
    index = tmp_path_factory.mktemp("index") / "simple"
    versions = make_index(index)
    with pytest.MonkeyPatch.context() as patch:
        use_index(patch, index)
        yield {**versions, "extra": "1.0"}


@pytest.fixture(scope="module")
def measured(tmp_path_factory, pins):
    """A project that built its environment and measured two runs in it."""
    project = Project(tmp_path_factory.mktemp("built") / "project")
    project.configure(**CONFIG)
    write_environment(project.folder, "mine", pins)
    project.first = project.snakemake().output
    return project


@pytest.fixture
def copy(measured, tmp_path):
    """A copy of the project, to be changed; its environment is at another place but of the same use."""
    return measured.copy(tmp_path / "project")


def environment(project):
    (folder,) = (path for path in project.folder.glob(".environments/torch-mine*") if path.is_dir())
    return folder


def run_files(project):
    return sorted(project.folder.glob("results/built/runs/**/run.csv"))


def jobs(project, *arguments):
    """{rule: jobs} that a dry run plans."""
    output = project.snakemake("-n", *arguments).output
    return {rule: int(count) for rule, count in re.findall(r"^(\w+) +(\d+)$", output, re.MULTILINE)}


def touch_reporting(project):
    script = project.folder / "workflow/scripts/report_pages.py"
    script.write_text(script.read_text(encoding="utf-8") + "\n# edited\n", encoding="utf-8")


def test_the_environment_is_built_once_and_measured_in(measured):
    assert measured.first.count("Environment of torch mine") == 1
    rows = [row for path in run_files(measured) for row in rows_of(path.parent)]
    assert [(row["torch"], row["status"]) for row in rows] == [("mine", "ok")] * 2
    (record,) = measured.folder.glob("results/built/environments/torch-mine.*.txt")
    assert "extra==1.0\n" in record.read_text(encoding="utf-8")
    assert jobs(measured) == {}


def test_other_pins_are_another_folder_and_other_runs(copy, pins):
    write_environment(copy.folder, "mine", {**pins, "extra": "1.1"})
    assert jobs(copy)["measure"] == 2
    before = environment(copy)
    copy.snakemake("--until", "environment")
    made = list(copy.folder.glob(".environments/torch-mine.*/.complete"))
    assert len(made) == 2 and before / ".complete" in made
    assert jobs(copy)["measure"] == 2


@pytest.mark.parametrize("gone", [["results/built/environments"], ["results/built/environments", ".environments"]])
def test_removing_what_can_be_made_again_measures_nothing_again(copy, gone):
    for folder in gone:
        shutil.rmtree(copy.folder / folder)
    touch_reporting(copy)
    planned = jobs(copy)
    assert "report_pages" in planned and not {"measure", "ceiling"} & set(planned)
    copy.configure(rounds=3)
    planned = jobs(copy)
    assert (planned["measure"], "ceiling" in planned) == (1, False)


def test_a_job_refuses_a_broken_environment_and_one_that_was_removed_is_built_again(copy):
    folder = environment(copy)
    (folder / "bin/python").unlink()
    (folder / "mark").touch()
    kept, lost = run_files(copy)
    lost.unlink()
    before = kept.stat().st_mtime_ns
    result = copy.snakemake(check=False)
    assert result.returncode != 0 and not lost.exists()
    line = next(line for line in result.output.splitlines() if line.startswith("error: "))
    assert line.startswith("error: envs/torch-mine.yaml: its Python does not start")
    assert line.endswith(f"the environment is broken: remove {folder} and start Snakemake again")
    assert (folder / "mark").is_file(), "other jobs may run in it"
    shutil.rmtree(folder)
    output = copy.snakemake().output
    assert output.count("Environment of torch mine") == 1 and len(progress_rows(output)) == 1
    assert lost.is_file() and kept.stat().st_mtime_ns == before
