"""Snakemake's report of the published tables, as one file and as archive; nothing is measured."""

import json
import re
import shutil
import subprocess
import zipfile

import pytest

from diffbench.figures.figures import FIGURES

pytestmark = pytest.mark.slow

GPUS = ["A100", "V100", "T4", "RTX-3090", "RTX-4090"]
TABLES = [(gpu, size, kind) for gpu in GPUS for size in ("1", "4", "16") for kind in ("table", "extended")]


@pytest.fixture(scope="module")
def reported(tmp_path_factory):
    from conftest import Project

    project = Project(tmp_path_factory.mktemp("report") / "project")
    project.snakemake("published")
    for kind in ("html", "zip"):
        project.output = project.snakemake("published", "--report", f"report.{kind}").output
        assert "ERROR" not in project.output and "WARNING" not in project.output, project.output
    return project


def results_of(page):
    """{path: result} of what a report shows."""
    return json.JSONDecoder().raw_decode(page, re.search(r"results = (?=\{)", page).end())[0]


@pytest.fixture(scope="module")
def page(reported):
    return (reported.folder / "report.html").read_text(encoding="utf-8")


def labels_in(results, folder):
    """The labels of the results in a folder, each as tuple without the dataset, which is the same for all."""
    labels = [result["labels"] for path, result in results.items() if folder in path]
    assert {of.pop("dataset") for of in labels} == {"pytorch2"}
    return sorted(tuple(of.values()) for of in labels)


def test_every_figure_table_and_environment_has_its_labels_and_caption(page):
    results = results_of(page)
    assert labels_in(results, "/figures/") == sorted((name, "all", "all") for name in FIGURES)
    assert labels_in(results, "/html/tables/") == sorted(TABLES)
    assert labels_in(results, "/html/environments/") == [("2.0",), ("nightly",)]
    assert len(results) == len(FIGURES) + len(TABLES) + 2
    for path, result in results.items():
        assert "<p>" in result["caption"] and "system-message" not in result["caption"], path
        assert result["data_uri"].startswith("data:"), path


def test_the_story(page):
    assert "How to read it" in page and "system-message" not in page
    assert "This run did not measure the published and committed datasets" in page
    assert "The architectures are miniatures" not in page  # the config's dataset is not in this report


def test_the_archive_holds_every_file(reported):
    with zipfile.ZipFile(reported.folder / "report.zip") as archive:
        names = set(archive.namelist())
        results = results_of(archive.read("report/report.html").decode())
    assert {f"report/{result['data_uri']}" for result in results.values()} == names - {"report/report.html"}
    assert len(results) == len(FIGURES) + len(TABLES) + 2


def test_it_is_read_without_network(reported, visit):
    view = visit(reported.folder / "report.html", width=1440)
    view.get_by_text("How to read it").wait_for()
    view.locator("svg .mark-symbol path, canvas").first.wait_for()  # the rule graph
    view.get_by_text("Tables", exact=True).first.click()
    view.locator("td a").first.click()
    view.frame_locator("iframe").get_by_text("A100 (batch size: 1)").first.wait_for()
    view.get_by_text("Results", exact=True).last.click()
    view.get_by_text("Figures", exact=True).first.click()
    view.locator("tr", has=view.get_by_text("speedup", exact=True)).locator("a").first.click()
    figure = view.locator("img:not([class*=h-4])")
    figure.wait_for()
    top, height = figure.bounding_box()["y"], figure.bounding_box()["height"]
    assert height > 900 and top >= 0  # the top of a tall figure can be reached


@pytest.mark.parametrize("option", ["--directory", "--snakefile"])
def test_a_report_of_another_folder_has_the_stylesheet(reported, tmp_path, option):
    """Asked for from the project's folder, or from the other one."""
    project = reported.copy(tmp_path / "project")
    other = tmp_path / "other"
    for part in ("config", "results", ".snakemake"):
        shutil.copytree(project.folder / part, other / part)
    report = ("published", "--report", other / "report.html")
    if option == "--directory":
        project.snakemake(*report, option, other)
    else:
        command = project.command(*report, option, project.folder / "Snakefile")
        subprocess.run(command, cwd=other, check=True, capture_output=True)
    assert "safe center" in (other / "report.html").read_text(encoding="utf-8")
