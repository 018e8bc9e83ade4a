"""What the hub has: fetched once with network, measured without; the hub is a stand-in on this machine."""

import pytest

from conftest import QUICK, Project
from hub import Hub
from running import rows_of

pytestmark = pytest.mark.slow

REVISION = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    """A hub with a miniature pipeline, its ControlNet in a repository of its own, and files that nobody needs."""
    import torch

    from diffbench.catalogue.definition import resolve
    from diffbench.measurement.load import create_pipeline

    folder = tmp_path_factory.mktemp("hub")
    (stage,) = resolve("sd-controlnet", 1, "eager", "random", "tiny")["stages"]
    pipeline = create_pipeline(stage, torch.device("cpu"), torch.float32)
    pipeline.save_pretrained(folder / "pipeline", safe_serialization=True)
    pipeline.controlnet.save_pretrained(folder / "controlnet", safe_serialization=True)
    (folder / "pipeline/unet/diffusion_pytorch_model.bin").write_bytes(b"a pickle")
    (folder / "pipeline/photograph.png").write_bytes(b"large")
    hub = Hub()
    hub.add("mini/pipeline", folder / "pipeline", REVISION)
    hub.add("mini/controlnet", folder / "controlnet", REVISION, gated=True)
    yield hub
    hub.shutdown()


@pytest.fixture
def pretrained(hub, tmp_path):
    """A project with pretrained weights of that hub, and an environment whose cache is empty."""
    project = Project(tmp_path / "project")

    def point(pipelines):
        stage = pipelines["sd-controlnet"]["stages"][0]
        stage.update(hub_id="mini/pipeline", revision=REVISION, steps=2)
        stage["call"]["image"]["size"] = 64
        stage["components"]["controlnet"].update(hub_id="mini/controlnet", revision=REVISION, gated=True)

    project.edit("config/pipelines.yaml", point)
    project.configure(
        name="pretrained", weights="pretrained", scale="full", pipelines=["sd-controlnet"], batch_sizes=[1],
        variants=["eager"], rounds=1, measurement=QUICK,
    )  # fmt: skip
    project.environment = {"HF_HOME": str(tmp_path / "cache"), "HF_ENDPOINT": hub.url, "HF_TOKEN": ""}
    hub.asked.clear()
    return project


def test_weights_are_fetched_once_and_measured_offline(pretrained, hub):
    run = pretrained.run_folder("sd-controlnet")
    early = pretrained.snakemake(run / "run.csv", check=False, environment=pretrained.environment)
    assert early.returncode != 0
    assert "`snakemake --cores 1 weights` fetches them" in early.output
    assert hub.asked == [], "a run asks no network"

    without = pretrained.snakemake("weights", check=False, environment=pretrained.environment)
    assert without.returncode != 0
    assert "error: mini/controlnet is gated: accept its licence on the hub, and set HF_TOKEN" in without.output

    environment = {**pretrained.environment, "HF_TOKEN": hub.token}
    pretrained.snakemake("weights", environment=environment)
    fetched = {path.rpartition("/")[2] for path in hub.asked if "/resolve/" in path}
    assert "diffusion_pytorch_model.safetensors" in fetched
    assert not fetched & {"diffusion_pytorch_model.bin", "photograph.png"}

    hub.asked.clear()
    pretrained.snakemake(run / "run.csv", environment=pretrained.environment)
    assert hub.asked == []
    (row,) = rows_of(pretrained.folder / run)
    assert (row["status"], row["weights"], row["revision"]) == ("ok", "pretrained", REVISION)


def test_a_hub_that_cannot_be_reached_is_reported(pretrained):
    environment = {**pretrained.environment, "HF_TOKEN": "x", "HF_ENDPOINT": "http://127.0.0.1:9"}
    result = pretrained.snakemake("weights", check=False, environment=environment)
    assert result.returncode != 0
    assert f"error: weights of mini/controlnet at revision {REVISION[:12]} cannot be fetched: " in result.output
    assert "Traceback" not in result.output


def test_random_weights_of_an_architecture_need_nothing(project):
    output = project.snakemake("weights").output
    assert "All files for random weights are available" in output
    assert "Fetch" not in output


def test_random_weights_without_an_architecture_need_configuration_files_alone(pretrained, hub):
    pretrained.edit("config/pipelines.yaml", lambda entries: entries["sd-controlnet"]["stages"][0].pop("architecture"))
    pretrained.configure(name="configured", weights="random")
    run = pretrained.run_folder("sd-controlnet")
    early = pretrained.snakemake(run / "run.csv", check=False, environment=pretrained.environment)
    assert early.returncode != 0
    missing = "are not on this machine; `snakemake --cores 1 weights` fetches them, on a machine with network"
    assert f"error: configuration files of mini/pipeline at revision {REVISION} {missing}" in early.output
    assert hub.asked == [], "a run asks no network"

    environment = {**pretrained.environment, "HF_TOKEN": hub.token}
    pretrained.snakemake("weights", environment=environment)
    fetched = {path.partition("/resolve/")[2].partition("/")[2] for path in hub.asked if "/resolve/" in path}
    assert {"model_index.json", "unet/config.json", "tokenizer/tokenizer_config.json", "config.json"} <= fetched
    assert {name.rpartition(".")[2] for name in fetched} <= {"json", "txt"}

    hub.asked.clear()
    pretrained.snakemake(run / "run.csv", environment=pretrained.environment)
    assert hub.asked == []
    (row,) = rows_of(pretrained.folder / run)
    assert (row["status"], row["weights"], row["scale"], row["revision"]) == ("ok", "random", "full", REVISION)


def test_configuration_files_of_the_hub_are_no_miniature(pretrained):
    pretrained.edit("config/pipelines.yaml", lambda entries: entries["sd-controlnet"]["stages"][0].pop("architecture"))
    pretrained.configure(weights="random", scale="tiny")
    result = pretrained.snakemake("-n", check=False)
    assert result.returncode != 0
    reason = "sd-controlnet has no architecture, and the files of mini/pipeline are not miniature: set 'scale: full'"
    assert result.output.endswith(f"\nerror: weights: {reason}\n")
