"""Every way to fail, provoked for real in one workflow, and seen in its table."""

import re

import pytest
import yaml

from conftest import QUICK
from running import kill_measuring_process, rows_of

CELLS = ["sd-txt2img", "breaks", "too-slow", "too-big", "killed", "lacks-a-class"]


@pytest.fixture(scope="module")
def failed(tmp_path_factory):
    """A project in which each pipeline but the first fails in its own way."""
    from conftest import Project

    project = Project(tmp_path_factory.mktemp("statuses") / "project")

    def add_pipelines(pipelines):
        original = pipelines["sd-txt2img"]
        for name in CELLS[1:]:
            pipelines[name] = {"label": name, "stages": [{**original["stages"][0]}]}
        # Diffusers' attention warns of an argument that it does not know: inside the denoiser, under fullgraph, a graph break
        pipelines["breaks"]["stages"][0]["call"] = {
            **original["stages"][0]["call"],
            "cross_attention_kwargs": {"unexpected": 1},
        }
        pipelines["lacks-a-class"]["stages"][0]["class"] = "PipelineOfTomorrow"

    project.edit("config/pipelines.yaml", add_pipelines)
    # a compilation that is switched off compiles nothing: the variant has no effect
    idle = {"label": "idle", "compile": {"disable": True}}
    project.edit("config/variants.yaml", lambda variants: variants.update(idle=idle))
    limits = {**QUICK, "calls": 1, "max_calls": 1}
    project.configure(
        name="statuses", pipelines=CELLS, batch_sizes=[1], rounds=1, variants=["compile", "idle"], measurement=limits,
        baseline={"variant": "compile"},
        exclude=[{"pipeline": name, "variant": "idle"} for name in CELLS[1:]],
    )  # fmt: skip

    def run(pipeline, **settings):
        overlay = project.folder / "overlay.yaml"
        overlay.write_text(yaml.safe_dump({"measurement": settings}))
        project.snakemake(project.run_folder(pipeline, variant="compile") / "run.csv", "--configfile", overlay)

    run("too-slow", time_limit_s=15)
    run("too-big", memory_limit_mib=470)
    thread = kill_measuring_process()
    run("killed")
    thread.join()
    project.output = project.snakemake().output
    return project


@pytest.mark.parametrize(
    ("pipeline", "status", "phase", "detail"),
    [
        ("breaks", "compile-error", "first-call", ""),
        ("too-slow", "timeout", None, "time limit of 15 s"),
        ("too-big", "oom", None, "memory limit of 470 MiB"),
        ("killed", "crashed", None, "SIGKILL"),
        ("lacks-a-class", "unsupported", "load", "has no class PipelineOfTomorrow"),
    ],
)
def test_a_failure_is_a_row_with_status_phase_and_reason(failed, pipeline, status, phase, detail):
    (row,) = rows_of(failed.folder / failed.run_folder(pipeline, variant="compile"))
    assert row["status"] == status
    assert phase in (None, row["phase"])
    assert detail in row["detail"]
    assert row["iterations_per_second"] == ""


def test_the_table_shows_each_failure_and_says_why(failed):
    table = (failed.folder / "results/statuses/tables.md").read_text(encoding="utf-8")
    lines = [line for line in table.splitlines() if line.startswith("| ")]
    cells = {row[0]: row[1] for row in ([cell.strip() for cell in line.strip("|").split("|")] for line in lines)}
    assert float(cells["SD - txt2img"]) > 0
    assert "| invalid <sup>" in re.sub(" +", " ", table)
    assert cells["breaks"] == "❌"
    assert cells["too-big"].startswith("OOM <sup>"), "host memory, not the device's"
    assert cells["too-slow"].startswith("timeout <sup>")
    assert cells["killed"].startswith("crashed <sup>")
    assert cells["lacks-a-class"].startswith("n/a <sup>")
    for reason in (
        "time limit of 15 s",
        "no graph was compiled",
        "SIGKILL",
        "has no class PipelineOfTomorrow",
        "❌ breaks: ",
    ):
        assert reason in table


def test_compiling_is_measured_cold(failed):
    (row,) = rows_of(failed.folder / failed.run_folder("sd-txt2img", variant="compile"))
    assert (row["status"], row["cache"], row["graphs"]) == ("ok", "cold", "1")
    assert (row["graph_breaks"], row["recompilations"]) == ("0", "0")
    assert float(row["compile_s"]) > float(row["latency_s"])
