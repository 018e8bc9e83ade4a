"""The datasets that come with the project: what they may be called."""

import pytest

from conftest import Project
from diffbench.catalogue.datasets import find_datasets
from diffbench.vocabulary.errors import DiffbenchError


def add(root, *files):
    for name in files:
        path = root / "resources" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def test_datasets_are_found_by_their_names_sorted(tmp_path):
    add(tmp_path, "published/b.csv", "published/a-1.csv", "published/b.yaml", "measured/m.2/measurements.csv")
    add(tmp_path, "measured/none/about.yaml")
    assert find_datasets(tmp_path) == (["a-1", "b"], ["m.2"])
    assert find_datasets(tmp_path / "none") == ([], [])


@pytest.mark.parametrize("name", ["my(data", "c++", "a b", "{a}", "a|b", ".hidden", "é", "a\nb"])
@pytest.mark.parametrize("file", ["published/{}.csv", "measured/{}/measurements.csv"])
def test_a_name_that_can_be_none_is_refused_with_its_file(tmp_path, name, file):
    add(tmp_path, file.replace("{}", name))
    with pytest.raises(DiffbenchError) as error:
        find_datasets(tmp_path)
    shown = ("resources/" + file.replace("{}", name)).replace("/measurements.csv", "").replace("\n", " ")
    assert str(error.value) == (
        f"{shown}: found the name {name!r}, expected one of letters, digits, '.', '_' and '-'; rename it"
    )


def test_a_published_and_a_committed_dataset_have_different_names(tmp_path):
    add(tmp_path, "published/a.csv", "measured/a/measurements.csv")
    with pytest.raises(DiffbenchError) as error:
        find_datasets(tmp_path)
    assert str(error.value) == (
        "resources/measured/a: found the name of resources/published/a.csv, expected another; rename one of them"
    )


def test_a_start_refuses_it_with_one_line(tmp_path):
    project = Project(tmp_path / "project")
    (project.folder / "resources/published/c++.csv").touch()
    result = project.snakemake("-n", check=False)
    assert result.returncode != 0
    assert (
        result.output.rstrip().splitlines()[-1].startswith("error: resources/published/c++.csv: found the name 'c++'")
    )
