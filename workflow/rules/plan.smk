"""
The plan: the config, checked and resolved, the matrix of cells and the paths of its runs.

PLAN, RESULTS and RUNS are what the other rules use.
"""

import inspect
import json
import math
import os
import re
import shlex
import time
from functools import cache

from diffbench.system.compiler_caches import SHARED
from diffbench.catalogue.definition import SETTINGS as STOPPING, entry, needs_files
from diffbench.catalogue.devices import describe_passed_over
from diffbench.system.environment_variables import describe_ignored
from diffbench.catalogue.yaml_file import read_yaml

from snakemake.settings.types import DeploymentMethod
from snakemake.utils import update_config

from diffbench.catalogue.schema_checks import with_types
from diffbench.vocabulary.columns import CELL
from diffbench.vocabulary.names import NAME_PATTERN
from diffbench.catalogue.datasets import find_datasets
from diffbench.catalogue.environments import environment_path
from diffbench.plan.cluster import check_cluster, job_of, requests
from diffbench.plan.matrix import AXES, INSTALLED, Plan
from diffbench.documents.markers import named_datasets
from diffbench.vocabulary.sizes import DIMENSIONS, split_name

CONDA = DeploymentMethod.CONDA in workflow.deployment_settings.deployment_method
OWN = workflow.config_settings.overwrite_config  # what --config and --configfile say
update_config(config, with_types(workflow.config_settings.config))
if "exclude" not in OWN and not OWN.keys().isdisjoint(AXES.values()):
    config["exclude"] = []  # that of the default config is about its own axes
try:
    PUBLISHED, MEASURED = find_datasets(BASE)
    PLAN = Plan(config, conda=CONDA, external=not workflow.remote_exec)
except DiffbenchError as error:
    sys.exit(f"error: {error}")

RESULTS = Path("results") / PLAN.config["name"]
RUNS = Paramspace(PLAN.paths, filename_params=[])


STARTED = time.time()
CELLS = RESULTS / "cells.csv"
try:
    if CELLS.is_file() and not workflow.remote_exec and not workflow.output_settings.dryrun:
        PLAN.write_cells(CELLS)  # see rule cells
except DiffbenchError as error:
    sys.exit(f"error: {error}")
ENVIRONMENT_RECORD = str(RESULTS / "environments/torch-{torch}.{pins}.txt")
CEILING = RESULTS / "ceilings/gpu~{gpu}/torch~{torch}.csv"
FETCHED = RESULTS / "weights/torch~{torch}"
FIGURES = [
    "speedup",
    "speedup-by-gpu",
    "rates",
    "speedup-by-batch-size",
    "heatmap",
    "throughput",
    "breakeven",
    "roofline",
]

if PLAN.config["name"] in [*PUBLISHED, *MEASURED]:
    sys.exit(
        f"error: config: name: found {PLAN.config['name']!r}, the name of a published or committed dataset; choose another"
    )


wildcard_constraints:
    dataset=NAME_PATTERN,
    gpu=NAME_PATTERN,
    torch=NAME_PATTERN,
    pipeline=f"{NAME_PATTERN}(@{DIMENSIONS})?",
    variant=NAME_PATTERN,
    batch_size="[1-9][0-9]*",
    round="[1-9][0-9]*",
    pins="[0-9a-f]{12}",


def on_cluster():
    """Whether this process submits its jobs to a cluster, or is such a job."""
    return workflow.remote_exec or not workflow.local_exec


def may_submit():
    """Whether this process may submit its jobs to a cluster, or is such a job. Whether it does, which on_cluster() says, is
    known only after the rules are read; a cluster needs a limit of jobs."""
    return workflow.remote_exec or workflow.resource_settings.nodes is not None


def job_threads():
    """What a run takes of Snakemake's cores: all of them, so that no other runs beside it, or its job's. How many threads torch
    uses is PLAN.threads: fewer or more of these cores do not change what is measured."""
    if not may_submit():
        return workflow.resource_settings.cores or 1
    return lambda wildcards: job_of(PLAN.gpus.get(wildcards.gpu, {}))["cpus"] if on_cluster() else workflow.cores


def allocation():
    """The resources of a job that measures: the device, and on a cluster memory and run time, which grow with the attempt, and
    what to ask Slurm for."""
    if not may_submit():
        return {"device": 1}  # each further one costs time to plan

    def job(key):
        return lambda wildcards, attempt: on_cluster() * job_of(PLAN.gpus.get(wildcards.gpu, {}))[key] * attempt

    asked = {name: lambda wildcards, of=of: of.get(wildcards.gpu) for name, of in requests(PLAN.gpus).items()}
    return {"device": 1, "mem_mb": job("memory_mib"), "runtime": job("minutes"), **asked}


# of a measuring program: what its job gets; without a cluster it has no limits
ALLOCATED = " --allocated-mib {resources.mem_mb} --allocated-minutes {resources.runtime}" if may_submit() else ""


def per_job(function):
    """The function, which Snakemake calls once a job, with its signature, which it looks at several times a job."""
    function.__signature__ = inspect.signature(function)
    return function


def of_axes(function, *axes):
    """A param of a run that is a function of these axes alone: its value, where all runs have the same one."""
    cells = PLAN.cells[list(axes)].drop_duplicates().itertuples(index=False)
    values = {function(*cell) for cell in cells}
    return values.pop() if len(values) == 1 else per_job(lambda wildcards: function(*map(wildcards.get, axes)))


def lift_rate_limit():
    """Lift Snakemake's limit of jobs a second, where jobs run one after the other on this machine.

    With a limit, Snakemake looks for jobs again a second after each look, for each job that has ended: in a long matrix many
    times a second, next to what is measured.
    """
    if not on_cluster():
        workflow.scheduler.job_rate_limiter = None


def refuse_cluster():
    """Stop where a cluster is asked for what it cannot measure."""
    arrays = getattr(workflow.executor_settings, "array_jobs", None)
    try:
        if on_cluster():
            check_cluster(config["gpus"], PLAN.gpus, arrays, PLAN.config["threads"])
    except DiffbenchError as error:
        sys.exit(f"error: {error}")


def report_ignored():
    """Print once which environment variables the runs do not get, and which GPU `auto` does not take."""
    is_cpu = "auto" in config["gpus"] and "CPU" in PLAN.config["gpus"]
    for line in filter(None, [describe_ignored(os.environ), is_cpu and describe_passed_over("CPU")]):
        if not workflow.remote_exec:
            print(line, file=sys.stderr)


@cache
def run_files(name):
    """The file of every run of the matrix, in the order of its cells and rounds.

    Rules ask for it when a job of theirs is planned: a job on a cluster reads this file too, and needs none of the other runs.
    """
    return [f"{RESULTS}/runs/{instance}/{name}" for instance in RUNS.instance_patterns]


def external_files(kind):
    """The files of one kind (`rows`, `calls`, `fidelity`, `ceilings`) that other machines have sent."""
    files = [getattr(source, kind) for source in PLAN.sources]
    return files if kind == "rows" else list(dict.fromkeys(path for paths in files for path in paths))


def needs_hub():
    """Whether a pipeline of the config is made from files of the hub."""
    stages = [stage for name in PLAN.config["pipelines"] for stage in entry("pipelines", name)["stages"]]
    return any(needs_files(stage, PLAN.config["weights"]) for stage in stages)


def ceiling_files():
    """The file of what the device can do at most, for every device and torch build of the matrix."""
    pairs = PLAN.cells[["gpu", "torch"]].drop_duplicates()
    return [str(CEILING).format(gpu=gpu, torch=torch) for gpu, torch in pairs.itertuples(index=False)]


DOCUMENTS = PLAN.config["documents"]
NAMED = named_datasets(DOCUMENTS)
DOCUMENTED = [name for name in [*PUBLISHED, *MEASURED, PLAN.config["name"]] if name in NAMED]


def figure_files(dataset):
    """The files of every figure of a dataset."""
    return [f"results/{dataset}/figures/{name}.{kind}" for name in FIGURES for kind in ("svg", "png")]


def about_files(dataset):
    """The file that says where a published or committed dataset comes from; none for the config's own."""
    if dataset in PUBLISHED:
        return [BASE / "resources" / "published" / f"{dataset}.yaml"]
    return [BASE / "resources" / "measured" / dataset / "about.yaml"] if dataset in MEASURED else []


def committed_files(dataset, name):
    """A file of a committed dataset, if it has it."""
    path = BASE / "resources" / "measured" / dataset / name
    return [path] if path.is_file() else []


ABOUTS = {name: str(path) for name in DOCUMENTED for path in about_files(name)}
MINUTES = {name: str(path) for name in DOCUMENTED for path in committed_files(name, "minutes.csv")}


def table_options(dataset):
    """The config's options of tables; its columns are those of its own matrix, not of another dataset."""
    own = dataset == PLAN.config["name"]
    return {key: value for key, value in PLAN.config["tables"].items() if key != "columns" or own}


def baseline_of(dataset):
    """What the speed-ups of a dataset are measured against."""
    about = about_files(dataset)
    return read_yaml(about[0])["baseline"] if about else PLAN.config["baseline"]


def spell(value):
    """A value as `--config` takes it."""
    if value is None:
        return ""
    return str(value) if isinstance(value, (str, bool)) else json.dumps(value)


def own_command(*targets, **keys):
    """A command that plans the same as this start of Snakemake, for other targets, with `keys` set in its config in addition."""
    asked = {**workflow.config_settings.config, **keys}
    options = {
        "--directory": filter(None, [workflow.overwrite_workdir]),
        "--configfile": workflow.config_settings.configfiles,
        "--config": [f"{key}={spell(value)}" for key, value in asked.items()],
    }
    words = ["snakemake", "--cores", "1", *targets, *(["--use-conda"] if CONDA else [])]
    for name, values in options.items():
        texts = list(map(str, values))
        words += [name, *texts] if texts else []
    return shlex.join(words)


def describe_left_out():
    """A line about the cells that the default config leaves out; none for who has chosen them."""
    left_out = math.prod(len(PLAN.config[key]) for key in AXES.values()) - len(PLAN.cells)
    if left_out and "exclude" not in OWN:
        command = own_command(exclude=[])
        yield f"{left_out} cells of this config are left out (no row or a dash in the tables). All: {command}"


def show_tables():
    """Print the tables of this dataset, if they were made just now, and where the results are."""
    if (RESULTS / "tables.md").is_file() and (RESULTS / "tables.md").stat().st_mtime >= STARTED:
        print((RESULTS / "tables.md").read_text(encoding="utf-8"))
        print(*describe_left_out(), f"Results: {RESULTS}/", sep="\n")
