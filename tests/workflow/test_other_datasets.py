"""Published and committed datasets do not depend on the user's config; a name with a dot is that name alone."""

import shutil

import pytest

from conftest import Project

DATASETS = ("pytorch2", "cpu-torch-2.1-2.13")
KINDS = ("tables.md", "index.html", "html/tables", "html/environments", "figures/speedup.svg", "best.md", "ladder.md")
TARGETS = [f"results/{dataset}/{kind}" for dataset in DATASETS for kind in KINDS]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A project with all that is made of a published and of a committed dataset."""
    project = Project(tmp_path_factory.mktemp("datasets") / "project")
    project.snakemake(*TARGETS)
    return project


@pytest.mark.slow
def test_another_config_makes_none_of_them_again(made):
    made.configure(
        name="mine",
        pipelines=["sd-txt2img"],
        variants=["compile", "eager"],
        baseline={"variant": "compile"},
        rounds=1,
        seed=3,
        documents=["docs/a.md"],
        tables={"columns": [{"torch": "installed", "variant": "eager"}]},
    )
    output = made.snakemake("-n", *TARGETS).output
    assert "Nothing to be done" in output, output


def test_a_dataset_whose_name_has_a_dot_is_no_pattern(project):
    measured = project.folder / "resources/measured"
    shutil.copytree(measured / "cpu-torch-2.1-2.13", measured / "a.b")
    assert "measured_summary" in project.snakemake("-n", "results/a.b/summary.csv").output
    other = project.snakemake("-n", "results/axb/summary.csv", check=False)
    assert other.returncode != 0 and "no rule" in other.output
