"""
The plan: the config, checked and resolved, the matrix of cells and the paths of its runs.

Makes no file. PLAN, RESULTS and RUNS are what the other rules use.
"""

import re
import time

from measurement.definition import read_yaml

from matrix import CELL, NAME_PATTERN, RUN, Plan, installed_versions

try:
    PLAN = Plan(config)
except DiffbenchError as error:
    sys.exit(f"error: {error}")

RESULTS = Path("results") / PLAN.config["name"]
RUNS = Paramspace(PLAN.runs[RUN], filename_params=[])


STARTED = time.time()
PUBLISHED = sorted(path.stem for path in Path(workflow.basedir).glob("resources/published/*.csv"))
FIGURES = ["speedup", "speedup-by-gpu", "rates", "speedup-by-batch-size", "heatmap", "throughput"]

if PLAN.config["name"] in PUBLISHED:
    sys.exit(f"error: config: name: found {PLAN.config['name']!r}, the name of a published dataset; choose another")


wildcard_constraints:
    dataset=NAME_PATTERN,
    gpu=NAME_PATTERN,
    torch=NAME_PATTERN,
    pipeline=NAME_PATTERN,
    variant=NAME_PATTERN,
    batch_size="[1-9][0-9]*",
    round="[1-9][0-9]*",


def run_files(name):
    """The file of every run of the matrix, in the order in which they are measured."""
    return [RESULTS / "runs" / instance / name for instance in RUNS.instance_patterns]


def documented_datasets():
    """The datasets that the config's documents name, as far as there are such: the others are told when they are filled."""
    texts = [Path(path).read_text(encoding="utf-8", errors="replace") for path in DOCUMENTS if Path(path).is_file()]
    named = {name for text in texts for name in re.findall(r'diffbench:begin[^>]*\bdataset="?([^\s">]+)', text)}
    return [name for name in [*PUBLISHED, PLAN.config["name"]] if name in named]


DOCUMENTS = PLAN.config["documents"]
DOCUMENTED = documented_datasets()


def figure_files(dataset):
    """The files of every figure of a dataset."""
    return [f"results/{dataset}/figures/{name}.{kind}" for name in FIGURES for kind in ("svg", "png")]


def about_files(dataset):
    """The file that says where a published dataset comes from; none for a measured one."""
    return [Path(workflow.basedir) / "resources" / "published" / f"{dataset}.yaml"] if dataset in PUBLISHED else []


def table_options(dataset):
    """The config's options of tables; its columns are those of its own matrix, not of a published page."""
    return {key: value for key, value in PLAN.config["tables"].items() if key != "columns" or dataset not in PUBLISHED}


def baseline_of(dataset):
    """What the speed-ups of a dataset are measured against."""
    if dataset in PUBLISHED:
        return read_yaml(about_files(dataset)[0])["baseline"]
    return PLAN.config["baseline"]


def show_tables():
    """Print the tables of this dataset, if they were made just now, and where the results are."""
    if (RESULTS / "tables.md").is_file() and (RESULTS / "tables.md").stat().st_mtime >= STARTED:
        print((RESULTS / "tables.md").read_text(encoding="utf-8"))
        print(f"Results: {RESULTS}/")


def environment_of(torch):
    """The environment file of a torch build; none for the Python that runs Snakemake."""
    return None if torch == "installed" else Path(workflow.basedir) / "envs" / f"torch-{torch}.yaml"
