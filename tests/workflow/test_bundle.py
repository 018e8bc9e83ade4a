"""From one machine to another: measured here, packed, unpacked and named as `external` there."""

import csv
import zipfile

import pytest
import yaml

from conftest import QUICK, Project
from running import rows_of

pytestmark = pytest.mark.slow

CONFIG = {"pipelines": ["sd-txt2img"], "batch_sizes": [1], "variants": ["eager"], "rounds": 1, "measurement": QUICK}


@pytest.fixture(scope="module")
def sent(tmp_path_factory):
    """The archive of a project of which one of two runs is measured, and what packing it printed."""
    project = Project(tmp_path_factory.mktemp("sender") / "project")
    project.configure(name="sender", **{**CONFIG, "rounds": 2})
    project.empty = project.snakemake("bundle", check=False)
    project.archive = project.folder / "results/sender/sender.zip"
    project.snakemake(project.run_folder("sd-txt2img") / "run.csv")
    project.snakemake("bundle")
    with zipfile.ZipFile(project.archive) as archive:
        project.without_ceilings = archive.namelist()
    project.snakemake("results/sender/ceilings/gpu~CPU/torch~installed.csv")
    project.output = project.snakemake("bundle").output
    return project


def test_a_bundle_holds_what_was_measured_and_how(sent):
    assert "results/sender/sender.zip: 1 of 2 runs" in sent.output
    with zipfile.ZipFile(sent.archive) as archive:
        files = {name: archive.read(name).decode() for name in archive.namelist()}
    assert set(files) == {
        f"sender/{name}"
        for name in ("measurements.csv", "calls.csv", "fidelity.csv", "ceilings.csv", "config.yaml", "about.yaml")
    }
    assert set(sent.without_ceilings) == set(files) - {"sender/ceilings.csv"}
    (row,) = csv.DictReader(files["sender/measurements.csv"].splitlines())
    assert row == rows_of(sent.folder / sent.run_folder("sd-txt2img"))[0], "as it was measured, digit by digit"
    assert len(files["sender/calls.csv"].splitlines()) == 1 + 1 + 2, "header, warm-up, calls"
    assert yaml.safe_load(files["sender/config.yaml"])["gpus"] == ["CPU"]
    assert "1 of 2 runs" in yaml.safe_load(files["sender/about.yaml"])["source"]


def test_nothing_measured_is_told(sent):
    assert sent.empty.returncode != 0
    assert "error: sender: none of its own 2 runs is measured; measure first" in sent.empty.output


def test_another_machine_reports_it_beside_its_own(sent, tmp_path):
    project = Project(tmp_path / "project")
    with zipfile.ZipFile(sent.archive) as archive:
        archive.extractall(tmp_path)
    project.configure(name="receiver", **{**CONFIG, "gpus": ["T4"], "external": ["../sender"]})
    assert project.planned() == 1, "the T4's run alone"
    output = project.snakemake("so_far").output
    assert "0 of 1 runs are measured" in output
    tables = (project.folder / "results/receiver/so_far/tables.md").read_text(encoding="utf-8")
    assert "### T4 (batch size: 1)" in tables
    assert "### CPU (batch size: 1)" in tables
    summary = rows_of(project.folder / "results/receiver/so_far", "summary.csv")
    assert [(row["gpu"], row["status"]) for row in summary] == [("T4", "open"), ("CPU", "ok")]
    assert summary[1]["ceiling_percent"], "its ceilings came along"
    project.configure(gpus=[])
    assert project.planned() == 0
    assert "### CPU (batch size: 1)" in project.snakemake().output
    assert "### T4" not in (project.folder / "results/receiver/tables.md").read_text(encoding="utf-8")
    project.configure(gpus=["CPU"])
    refused = project.snakemake("-n", check=False)
    assert refused.returncode != 0
    assert "is also a run of this config, so it would have two sources" in refused.output
    assert "Traceback" not in refused.output


def test_a_bundle_is_a_committed_dataset_once_it_lies_among_them(sent, tmp_path):
    project = Project(tmp_path / "project")
    with zipfile.ZipFile(sent.archive) as archive:
        archive.extractall(project.folder / "resources/measured")
    project.snakemake("results/sender/tables.md")
    text = (project.folder / "results/sender/tables.md").read_text(encoding="utf-8")
    assert text.startswith("Source: measured with diffbench")
    assert "| SD - txt2img" in text.replace("|  SD", "| SD")
