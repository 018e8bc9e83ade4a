"""The table of docs/measured-again.md: what makes a run be measured again, with programs that measure nothing."""

import base64
import re
import shutil

import pytest

from built import PACKAGES, write_environment
from conftest import ROOT, Project

NOTHING = """
import sys
from pathlib import Path

options = dict(argument.split("=", 1) for argument in sys.argv if argument.startswith("--") and "=" in argument)
path = Path(options["--output"])
path = path / "run.csv" if path.suffix != ".csv" else path
path.parent.mkdir(parents=True, exist_ok=True)
path.touch()
"""
ENVIRONMENTS = """
import sys
from pathlib import Path

if "--make" in sys.argv:
    folder = Path(sys.argv[sys.argv.index("--folder") + 1]) / "bin"
    folder.mkdir(parents=True)
    (folder / "python").symlink_to(sys.executable)
"""
CONFIG = {
    "name": "again",
    "gpus": ["CPU"],
    "torch": ["installed", "mine"],
    "pipelines": ["sd-txt2img", "sdxl-txt2img"],
    "batch_sizes": [1],
    "variants": ["eager", "compile", "offload-model"],
    "rounds": 1,
}
ALL, HALF, THIRD, SIXTH = 12, 6, 4, 2  # of the runs
PINS = {**dict.fromkeys(PACKAGES, "2.9.1"), "extra": "1.0"}
TINY, ENVIRONMENT = "resources/architectures/tiny/stable-diffusion-v1-5.yaml", "envs/torch-mine.yaml"


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """A project all of whose runs are done."""
    project = Project(tmp_path_factory.mktemp("again") / "project")
    for name in ("measure", "ceiling"):
        (project.folder / f"workflow/scripts/{name}.py").write_text(NOTHING, encoding="utf-8")
    (project.folder / "workflow/scripts/environment.py").write_text(ENVIRONMENTS, encoding="utf-8")
    project.configure(**CONFIG)
    write_environment(project.folder, "mine", PINS)
    project.snakemake("--until", "measure")
    assert len(run_files(project)) == ALL
    return project


def run_files(project):
    return sorted(project.folder.glob("results/again/runs/**/run.csv"))


def config(**keys):
    return lambda project: project.configure(**{**CONFIG, **keys})


def measurement(**keys):
    def change(project):
        project.edit("config/config.yaml", lambda content: content["measurement"].update(keys))

    return change


def edit(path, change):
    return lambda project: project.edit(path, change)


def replace(path, old, new):
    def change(project):
        text = (project.folder / path).read_text(encoding="utf-8")
        assert old in text
        (project.folder / path).write_text(text.replace(old, new), encoding="utf-8")

    return change


def release_of(package):
    """Another release of a package, which Python finds before the installed one."""

    def change(project):
        folder = project.folder / "first" / package
        folder.mkdir(parents=True)
        (folder / "__init__.py").write_text('__version__ = "9.9"\n', encoding="utf-8")
        project.monkeypatch.setenv("PYTHONPATH", str(folder.parent))

    return change


def delete_run(project):
    run_files(project)[0].unlink()


def interrupt_run(project):
    """As Snakemake leaves a run that it could not finish: it notes one that it starts, and removes the note at its end."""
    path = run_files(project)[0].relative_to(project.folder)
    note = base64.urlsafe_b64encode(str(path).encode()).decode()
    (project.folder / ".snakemake/incomplete").mkdir(exist_ok=True)
    (project.folder / ".snakemake/incomplete" / note).write_text("{}")


def edit_code(project):
    for path in [*project.folder.glob("workflow/**/*.py"), *project.folder.glob("workflow/rules/*.smk")]:
        path.write_text(path.read_text(encoding="utf-8") + "\n# edited\n", encoding="utf-8")


def remove_environment(project):
    shutil.rmtree(project.folder / ".environments", ignore_errors=True)


def remove_records(project):
    shutil.rmtree(project.folder / ".snakemake")


CHANGES = {  # the rows of the table: what is changed, how many runs are measured again, and the arguments
    "a run's `run.csv` is deleted": (delete_run, 1),
    "a run was interrupted": (interrupt_run, 1),
    "`--forcerun measure`": (lambda project: ["--forcerun", "measure"], ALL),
    "config: `weights`": (config(weights="pretrained", scale="full"), ALL),
    "config: `scale`": (config(scale="full"), ALL),
    "config: `threads`": (config(threads=1), ALL),
    "config: `measurement.calls`": (measurement(calls=7), ALL),
    "config: `cache`": (config(cache="fresh"), THIRD),
    "config: `measurement.time_limit_s`, `memory_limit_mib`": (measurement(time_limit_s=9, memory_limit_mib=9000), 0),
    "config: `rounds`, or values of an axis": (config(rounds=2), ALL),
    "config: `name`": (config(name="other"), ALL),
    "config: `baseline`, `seed`": (config(baseline={"variant": "compile"}, seed=3), 0),
    "config: `keep_caches`, `start_method`": (config(keep_caches=True, start_method="spawn"), 0),
    "config: `tables`, `documents`, `exclude`, `external`": (
        config(tables={"decimals": 3}, documents=["a.md"], exclude=[{"variant": "compile"}]),
        0,
    ),
    "pipelines.yaml: the `steps` or `call` of a pipeline": (
        edit(
            "config/pipelines.yaml", lambda entries: entries["sdxl-txt2img"]["stages"][0]["call"].update(prompt="other")
        ),
        HALF,
    ),
    "variants.yaml: a mechanism of a variant": (
        edit("config/variants.yaml", lambda entries: entries["compile"].update(memory_format="contiguous")),
        THIRD,
    ),
    "a `label`, `note` or `group`": (
        edit("config/variants.yaml", lambda entries: entries["compile"].update(label="x", note="y", group="z")),
        0,
    ),
    "gpus.yaml: an entry": (edit("config/gpus.yaml", lambda entries: entries["CPU"].update(memory_gib=7)), 0),
    "an architecture: a component, `steps` or `call`": (edit(TINY, lambda content: content.update(steps=3)), HALF),
    "an architecture: `parameters`": (
        edit(
            "resources/architectures/full/stable-diffusion-v1-5.yaml",
            lambda content: content["parameters"].update(unet=1),
        ),
        0,
    ),
    "envs/torch-<name>.yaml: a pin, `python` or the CUDA release": (
        replace(ENVIRONMENT, "extra==1.0", "extra==1.1"),
        HALF,
    ),
    "envs/torch-<name>.yaml: a comment, the order of the pins, `pip`": (
        replace(ENVIRONMENT, "pip=25.0.1", "pip=25.0.2  # newer"),
        0,
    ),
    "another release of torch, Diffusers or Transformers installed": (release_of("diffusers"), HALF),
    "another release of a variant's library installed": (release_of("accelerate"), SIXTH),
    "an environment is removed, or built by conda in the place of uv": (remove_environment, 0),
    "another machine, driver, number of CPUs, or `--cores`": (lambda project: ["--cores", "3"], 0),
    "the code in workflow/": (edit_code, 0),
    "`.snakemake/` is deleted": (remove_records, 0),
}


def read_table():
    """{what is changed: which runs are measured again} of the page."""
    text = (ROOT / "docs/measured-again.md").read_text(encoding="utf-8").partition("| you change |")[2]
    rows = [line.strip("|").split("|") for line in text.splitlines() if re.match(r"\| [^-]", line)]
    return {row[0].strip(): row[1].strip() for row in rows if len(row) == 3}


def test_the_page_and_the_tests_have_the_same_changes():
    table = {change: runs for change, runs in read_table().items() if change != "you change"}
    assert list(table) == list(CHANGES)
    assert {change for change, runs in table.items() if runs == "no"} == {
        change for change, (_, count) in CHANGES.items() if not count
    }


@pytest.mark.parametrize("name", CHANGES)
def test_so_many_runs_are_measured_again(name, done, tmp_path, monkeypatch):
    change, count = CHANGES[name]
    project = done.copy(tmp_path / "project")
    project.monkeypatch = monkeypatch
    arguments = change(project) or []
    assert project.planned(*arguments) == count
