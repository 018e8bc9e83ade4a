"""Sizes through the real workflow: what is measured, where it lies, how it prints."""

import re

import pytest

from conftest import QUICK, Project
from running import rows_of

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """A project that has measured a pipeline at its own size, and then at another one too."""
    project = Project(tmp_path_factory.mktemp("sizes") / "project")
    project.configure(
        name="sizes", pipelines=["sd-txt2img"], batch_sizes=[1], variants=["eager"], rounds=1, measurement=QUICK
    )
    project.first = project.snakemake().output
    project.configure(sizes=["native", "32x32"])
    project.more = project.planned()
    project.second = project.snakemake().output
    return project


def test_a_size_that_is_added_measures_nothing_again(measured):
    assert measured.more == 1
    assert "1 of 2 runs are measured already" in measured.second
    assert measured.planned() == 0
    for name, size, side in (("sd-txt2img", "native", None), ("sd-txt2img@32x32", "32x32", (32, 32))):
        folder = measured.folder / measured.run_folder(name)
        assert [row["size"] for row in rows_of(folder)] == [size]
        if side:
            from PIL import Image

            assert Image.open(folder / "outputs/stage-1.png").size == side


def test_the_table_has_a_row_a_size(measured):
    table = (measured.folder / "results/sizes/tables.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| +(SD - txt2img[^|]*?) +\| +[0-9.]+ +\|", table, re.MULTILINE)
    assert rows == ["SD - txt2img", "SD - txt2img, 32 x 32"]
    assert "32 x 32" not in measured.first
    results = measured.folder / "results/sizes"
    assert {row["size"] for row in rows_of(results, "summary.csv")} == {"native", "32x32"}
    assert len(list((results / "strips").glob("*.png"))) == 2


def test_what_was_measured_so_far_has_the_sizes_too(measured):
    assert "2 of 2 runs are measured" in measured.snakemake("so_far").output
    folder = measured.folder / "results/sizes/so_far"
    assert "SD - txt2img, 32 x 32" in (folder / "tables.md").read_text(encoding="utf-8")
    assert {row["pipeline"] for row in rows_of(folder, "summary.csv")} == {"sd-txt2img"}
