"""The commands that are printed for a user: they plan the same as the start that prints them, and measure the same cell."""

import shlex

import pytest

from conftest import DEFAULT_CONFIG, ROOT, WHOLE_CONFIG
from diffbench.data.remeasuring import Remeasurement
from diffbench.plan.datasets import Datasets
from diffbench.plan.invocation import Invocation, describe_left_out
from diffbench.plan.matrix import Plan
from diffbench.plan.remeasuring import remeasurement_of

PATTERN = "gpu~{gpu}/pipeline~{pipeline}/round~{round}"


@pytest.mark.parametrize(
    ("invocation", "command"),
    [
        (Invocation({}, []), "snakemake --cores 1 so_far"),
        (
            Invocation({"rounds": 2, "threads": None, "torch": ["2.10"]}, ["my config.yaml"], "/a", conda=True),
            "snakemake --cores 1 so_far --use-conda --directory /a --configfile 'my config.yaml' --config rounds=2 threads= "
            "'torch=[\"2.10\"]'",
        ),
    ],
)
def test_a_command_has_the_options_of_the_start(invocation, command):
    assert invocation.command("so_far") == command


def test_left_out_cells_are_described_unless_the_user_chose_them():
    plan = Plan(DEFAULT_CONFIG)
    (line,) = describe_left_out(plan, Invocation({"rounds": 1}, []), {"rounds"})
    assert line.startswith("12 cells") and line.endswith("snakemake --cores 1 --config rounds=1 'exclude=[]'")
    assert describe_left_out(plan, Invocation({}, []), {"exclude"}) == []
    assert describe_left_out(Plan(WHOLE_CONFIG), Invocation({}, []), set()) == []


def remeasurement(dataset, configfiles=(), **keys):
    plan = Plan({**WHOLE_CONFIG, "name": "mine", **keys})
    return remeasurement_of(dataset, plan, Datasets(plan), PATTERN, configfiles)


def test_a_cell_of_the_config_is_measured_by_its_files(make_row):
    own = remeasurement(
        "mine", ["config/config.yaml", str(ROOT / "config/gpu.yaml")], pipelines=["sd-txt2img"], rounds=2
    )
    row = make_row(gpu="CPU", torch="installed", rounds="3")
    paths = [f"results/mine/runs/gpu~CPU/pipeline~sd-txt2img/round~{number}/run.csv" for number in (1, 2)]
    expected = ["snakemake", *paths, "--cores", "1", "--forcerun", "measure", "--configfile", "config/gpu.yaml"]
    assert shlex.split(own.command(row)) == expected
    other = shlex.split(own.command({**row, "gpu": "A100"}))
    assert other[:2] == ["python", "workflow/scripts/measure.py"] and other[-2:] == ["--output", "again"]
    assert other[other.index("--warmup-calls") + 1] == "3", "with the config's settings"


def test_a_committed_cell_is_measured_by_its_own_config_with_its_threads(make_row):
    words = shlex.split(remeasurement("h200-torch-2.11", rounds=9).command(make_row(rounds="2", threads="8")))
    assert words[1:3] == [f"results/gpu/runs/gpu~A100/pipeline~sd-txt2img/round~{n}/run.csv" for n in (1, 2)]
    own = "resources/measured/h200-torch-2.11/config.yaml"
    assert words[-4:] == ["--configfile", own, "--config", "threads=8"]


def test_how_a_committed_dataset_is_measured_again_does_not_depend_on_the_config():
    for dataset in ("h200-torch-2.11", "pytorch2"):
        assert remeasurement(dataset) == remeasurement(dataset, ["a.yaml"], variants=["eager"], rounds=1, threads=1)
    assert remeasurement("pytorch2") == Remeasurement()
