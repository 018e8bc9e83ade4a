"""The checks and messages of a start, after its jobs are known and before the first one runs."""

import os

from diffbench.catalogue.devices import describe_passed_over
from diffbench.catalogue.environments import INSTALLED
from diffbench.system.environment_variables import describe_ignored

from .cluster import check_cluster
from .matrix import check_installed
from .packages import check_packages

MEASURING_RULES = ("ceiling", "measure")


def check_jobs(jobs, asked, report_environment, conda):
    """Raises DiffbenchError if the Python that runs Snakemake lacks something that a job needs: torch, or packages for tables
    and figures. `jobs`: Snakemake's; `asked`: the config before `auto` is resolved; `report_environment`: the packages' file."""
    if any(job.rule.name in MEASURING_RULES and job.wildcards.torch == INSTALLED for job in jobs):
        check_installed(asked["torch"])
    if not conda and any(job.rule.script for job in jobs):
        check_packages(report_environment)


def check_submission(asked, plan, array_jobs):
    """Raises DiffbenchError if a cluster cannot measure what the config asks for."""
    check_cluster(asked["gpus"], plan.gpus, array_jobs, plan.config["threads"])


def describe_start(asked, plan):
    """Lines about environment variables that runs do not get, and about a GPU that `auto` did not choose."""
    is_cpu = "auto" in asked["gpus"] and "CPU" in plan.config["gpus"]
    return list(filter(None, [describe_ignored(os.environ), is_cpu and describe_passed_over("CPU")]))
