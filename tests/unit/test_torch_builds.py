"""Where the environments of torch builds are, which Python measures in each, and the commands of their jobs."""

import shlex
import sys
from types import SimpleNamespace

import pytest

from conftest import ROOT, WHOLE_CONFIG
from diffbench.catalogue.environments import COMPLETE
from diffbench.plan.cluster import job_of as job_of_gpu
from diffbench.plan.jobs import Jobs, needs_hub
from diffbench.plan.matrix import Plan
from diffbench.plan.rule_functions import of_axes
from diffbench.plan.torch_builds import TorchBuilds
from diffbench.vocabulary.errors import DiffbenchError

BUILD = "2.1"
CELL = {"gpu": "CPU", "torch": BUILD, "pipeline": "if", "batch_size": "4", "variant": "eager", "round": "2"}


@pytest.fixture
def builds(tmp_path, monkeypatch):
    """Makes the builds of a plan in an empty working folder."""
    monkeypatch.chdir(tmp_path)

    def make(uses_conda=False, **keys):
        plan = Plan({**WHOLE_CONFIG, "torch": ["installed", BUILD], **keys})
        return TorchBuilds(plan, "results/a/torch-{torch}.{pins}.txt", uses_conda, wait_s=lambda: 7)

    return make


def job_of(torch, rule="measure"):
    return SimpleNamespace(rule=SimpleNamespace(name=rule), wildcards=SimpleNamespace(torch=torch))


def test_the_python_that_runs_snakemake_has_no_environment(builds):
    build = builds()
    assert build.environment_file("installed") is None and build.record("installed") == []
    assert (build.python("installed"), build.check_command("installed")) == (sys.executable, "true")


def test_uv_has_a_folder_for_the_pins_and_conda_its_own(builds, tmp_path):
    build, conda = builds(), builds(uses_conda=True)
    folder = tmp_path / f".environments/torch-{BUILD}.{build.plan.pins(BUILD)}"
    assert build.folder(BUILD) == folder
    assert build.python(BUILD) == str(folder / "bin/python")
    assert shlex.split(build.check_command(BUILD))[-4:] == ["--folder", str(folder), "--wait-s", "7"]
    assert conda.python(BUILD) == "python"
    assert conda.check_command(BUILD) == shlex.join(["python", str(ROOT / "workflow/scripts/environment.py"), BUILD])


def test_an_environment_without_its_last_file_is_built_again(builds, tmp_path):
    build = builds()
    build.folder(BUILD).mkdir(parents=True)
    assert not build.is_built(BUILD)
    (build.folder(BUILD) / COMPLETE).touch()
    assert build.is_built(BUILD)
    build.build_missing([job_of(BUILD), job_of("installed")], tmp_path / "logs")
    assert not (tmp_path / "logs").exists()


def test_one_that_cannot_be_built_stops_with_its_last_line(builds, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("UV_OFFLINE", "1")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "none"))
    with pytest.raises(DiffbenchError) as caught:
        builds().build_missing([job_of(BUILD, "ceiling")], tmp_path / "logs")
    last = (tmp_path / f"logs/build-{BUILD}.log").read_text(encoding="utf-8").splitlines()[-1]
    assert f"error: {caught.value}" == last
    builds().build_missing([job_of(BUILD, "tables")], tmp_path / "logs")  # no job in an environment


def test_a_record_is_made_for_runs_to_come_and_for_no_environment_that_was_removed(builds, tmp_path):
    run = f"results/a/runs/gpu~CPU/torch~{BUILD}/round~1/run.csv"
    records = builds().record(BUILD)
    assert builds().records([run]) == records
    (tmp_path / run).parent.mkdir(parents=True)
    (tmp_path / run).touch()
    assert builds().records([run]) == []
    assert builds(uses_conda=True).records([run]) == records


def test_the_command_of_a_run_has_its_cell_and_its_definition(builds):
    build = builds()
    wildcards = type("Wildcards", (dict,), {"__getattr__": dict.__getitem__})(CELL)
    job = Jobs(build.plan, build, on_cluster=lambda: False).measure(wildcards, SimpleNamespace(run="a folder/run.csv"))
    words = shlex.split(job.command)
    assert words[:2] == [build.python(BUILD), str(ROOT / "workflow/scripts/measure.py")]
    options = dict(word[2:].split("=", 1) for word in words[2:])
    assert options["output"] == "a folder" and options["round"] == "2"
    assert options["definition"] == build.plan.definition(wildcards)
    assert options["expect"] == build.plan.expected(BUILD, "eager")
    assert job.check == build.check_command(BUILD)
    assert "if, batch size 4, eager, round 2, on CPU, torch 2.1" in job.message


def test_a_job_on_a_cluster_has_the_threads_of_its_cpus(builds):
    build = builds(gpus=["A100"])
    jobs = Jobs(build.plan, build, on_cluster=lambda: True)
    assert f"--threads={job_of_gpu(build.plan.gpus['A100'])['cpus']}" in shlex.split(
        jobs.ceiling("A100", BUILD, "c.csv").command
    )


def test_a_param_that_all_runs_share_is_a_value(builds):
    plan = builds().plan
    assert of_axes(plan.cells, lambda gpu: f"on {gpu}", "gpu") == "on CPU"
    pins = of_axes(plan.cells, plan.pins, "torch")
    assert pins({"torch": BUILD}) == plan.pins(BUILD) and pins({"torch": "installed"}) == ""


def test_weights_are_fetched_where_the_config_needs_the_hub():
    config = {**WHOLE_CONFIG, "weights": "random"}
    assert not needs_hub(config) and needs_hub({**config, "weights": "pretrained"})
