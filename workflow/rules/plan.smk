"""
The plan: the config, checked and resolved, the matrix of cells and the paths of its runs.

Makes no file. PLAN, RESULTS and RUNS are what the other rules use.
"""

from matrix import CELL, NAME_PATTERN, RUN, Plan, installed_versions
from measurement.errors import DiffbenchError

try:
    PLAN = Plan(config)
except DiffbenchError as error:
    raise WorkflowError(str(error)) from None

RESULTS = Path("results") / PLAN.config["name"]
RUNS = Paramspace(PLAN.runs[RUN], filename_params=[])


wildcard_constraints:
    gpu=NAME_PATTERN,
    torch=NAME_PATTERN,
    pipeline=NAME_PATTERN,
    variant=NAME_PATTERN,
    batch_size="[1-9][0-9]*",
    round="[1-9][0-9]*",


def run_files(name):
    """The file of every run of the matrix, in the order in which they are measured."""
    return [RESULTS / "runs" / instance / name for instance in RUNS.instance_patterns]


def show_tables():
    """Print the tables of this dataset, if they were made, and where the results are."""
    if (RESULTS / "tables.md").is_file():
        print((RESULTS / "tables.md").read_text(encoding="utf-8"))
        print(f"Results: {RESULTS}/")


def environment_of(torch):
    """The environment file of a torch build; none for the Python that runs Snakemake."""
    return None if torch == "installed" else Path(workflow.basedir) / "envs" / f"torch-{torch}.yaml"
