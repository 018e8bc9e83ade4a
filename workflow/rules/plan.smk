"""
The plan: the config, checked and resolved, the matrix of cells, and the objects that the other rules use.

PLAN is the config and its matrix, RUNS the paths of its runs, FILES and DATASETS the files below results/ and resources/, BUILDS
the environments, JOBS the commands of jobs in them, RESOURCES the resources that jobs request. tests/unit tests all of them.
"""

from snakemake.settings.types import DeploymentMethod
from snakemake.utils import Paramspace, update_config

from diffbench.catalogue.schema_checks import with_types
from diffbench.plan.datasets import Datasets
from diffbench.plan.invocation import Invocation, describe_left_out
from diffbench.plan.jobs import Jobs, needs_hub
from diffbench.plan.matrix import AXES, Plan
from diffbench.plan.remeasuring import remeasurement_of
from diffbench.plan.resources import JobResources
from diffbench.plan.result_files import ResultFiles, figure_in_report, one_of, reporting_code
from diffbench.plan.rule_functions import of_axes, per_job
from diffbench.plan.torch_builds import TorchBuilds
from diffbench.vocabulary.columns import CELL
from diffbench.vocabulary.names import NAME_PATTERN
from diffbench.vocabulary.sizes import DIMENSIONS

CONDA = DeploymentMethod.CONDA in workflow.deployment_settings.deployment_method
OWN_KEYS = workflow.config_settings.overwrite_config.keys()  # from --config and --configfile
INVOCATION = Invocation(
    workflow.config_settings.config, workflow.config_settings.configfiles, workflow.overwrite_workdir, CONDA
)

update_config(config, with_types(workflow.config_settings.config))
if "exclude" not in OWN_KEYS and not OWN_KEYS.isdisjoint(AXES.values()):
    config["exclude"] = []  # the default config's `exclude` is for the default axes

with exit_with_reason():
    PLAN = Plan(config, conda=CONDA, external=not workflow.remote_exec)
    DATASETS = Datasets(PLAN)

RUNS = Paramspace(PLAN.paths, filename_params=[])
FILES = ResultFiles(PLAN, DATASETS, RUNS)
RESULTS = FILES.folder
RESOURCES = JobResources(
    PLAN.gpus,
    # submitting jobs requires a limit of jobs
    may_submit=workflow.remote_exec or workflow.resource_settings.nodes is not None,
    on_cluster=lambda: workflow.remote_exec or not workflow.local_exec,
    cores=lambda: workflow.resource_settings.cores or 1,
)
BUILDS = TorchBuilds(
    PLAN,
    FILES.record_pattern,
    uses_conda=CONDA,
    wait_s=lambda: workflow.execution_settings.latency_wait if RESOURCES.on_cluster() else 0,
)
JOBS = Jobs(PLAN, BUILDS, RESOURCES.on_cluster)
LEFT_OUT = describe_left_out(PLAN, INVOCATION, OWN_KEYS)

with exit_with_reason():
    if (RESULTS / "cells.csv").is_file() and not workflow.remote_exec and not workflow.output_settings.dryrun:
        PLAN.write_cells(RESULTS / "cells.csv")  # see rule cells


wildcard_constraints:
    dataset=NAME_PATTERN,
    gpu=NAME_PATTERN,
    torch=NAME_PATTERN,
    pipeline=f"{NAME_PATTERN}(@{DIMENSIONS})?",
    variant=NAME_PATTERN,
    batch_size="[1-9][0-9]*",
    round="[1-9][0-9]*",
    pins="[0-9a-f]{12}",
