"""Whether a hub id is a folder or a repository of the hub does not depend on the folder that one works in."""

import pytest

from diffbench.catalogue.definition import resolve
from diffbench.catalogue.sources import folder_of, with_absolute_paths
from diffbench.measurement.load import download_options
from diffbench.measurement.snapshot import find_folder
from diffbench.measurement.weights_digest import identity_of
from diffbench.vocabulary.errors import DiffbenchError, SetupError
from running import measure

COMMIT = "1" * 40


@pytest.fixture
def planted(tmp_path, monkeypatch):
    """A working folder that has folders with the names of repositories."""
    for name in ("owner/name", "name"):
        (tmp_path / "here" / name).mkdir(parents=True, exist_ok=True)
        (tmp_path / "here" / name / "model_index.json").write_text("{}", encoding="utf-8")
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    return tmp_path


@pytest.mark.parametrize("revision", [None, COMMIT])
@pytest.mark.parametrize("name", ["owner/name", "name"])
def test_a_folder_where_one_works_is_not_the_hubs(planted, name, revision):
    source = {"hub_id": name, "revision": revision}
    assert folder_of(source) is None
    assert identity_of(name, revision) == f"{name}@{revision}"
    with pytest.raises(SetupError, match="pinned revision" if revision is None else "are not on this machine"):
        find_folder(source)


def test_a_folder_is_an_absolute_path_or_one_from_the_project(planted):
    project = planted / "project"
    (project / "models/mine").mkdir(parents=True)
    assert folder_of({"hub_id": str(planted / "here/name"), "revision": COMMIT}) == planted / "here/name"
    assert folder_of({"hub_id": "models/mine", "revision": None}, project) == project / "models/mine"
    assert folder_of({"hub_id": "./models/mine"}, project) == project / "models/mine"
    assert folder_of({"hub_id": "models/mine", "revision": COMMIT}, project) is None, "it is pinned: the hub's"
    assert folder_of({"hub_id": str(planted / "nowhere")}) is None
    assert "revision" not in download_options("UNet2DModel", {"hub_id": str(project / "models/mine")}, None)


def test_a_measuring_process_gets_absolute_paths(planted):
    (planted / "models/vae").mkdir(parents=True)
    stage = {
        "hub_id": "owner/name",
        "revision": COMMIT,
        "components": {"vae": {"hub_id": "models/vae", "revision": None}},
    }
    definition = {"stages": [stage, {"architecture": {}}]}
    found = with_absolute_paths(definition, planted)
    assert found["stages"][0]["components"]["vae"]["hub_id"] == str(planted / "models/vae")
    assert found["stages"][0]["hub_id"] == "owner/name"
    assert stage["components"]["vae"]["hub_id"] == "models/vae", "what names the definition stays"


def test_a_miniature_is_not_made_of_a_folder_where_one_works(planted, project):
    def take_away(content):
        content["sd-txt2img"]["stages"][0].update(hub_id="name", revision=None)

    project.edit("config/pipelines.yaml", take_away)
    cell = ("sd-txt2img", 1, "eager", "pretrained", "tiny")
    with pytest.raises(DiffbenchError, match="pretrained weights of name are not miniature"):
        resolve(*cell, root=project.folder)
    (project.folder / "name").mkdir()
    assert resolve(*cell, root=project.folder)["stages"][0]["hub_id"] == "name"


def test_a_relative_folder_is_loaded_from_the_project_wherever_one_works(planted, project):
    """It has no pipeline: what is missing there is named by its path."""

    def take(content):
        stage = content["sd-txt2img"]["stages"][0]
        stage.update(hub_id="name", revision=None)
        del stage["architecture"]

    project.edit("config/pipelines.yaml", take)
    (project.folder / "name").mkdir()
    result = measure(planted / "out", "--root", project.folder)
    assert result.returncode == 1
    assert result.stderr.splitlines()[-1].startswith(f"error: {project.folder}/name/model_index.json: missing")
