# Benchmarks of Diffusers pipelines: config -> matrix -> runs -> tables and figures.
#   snakemake --cores 1              measure what config/config.yaml asks for, then tables and figures
#   snakemake --cores 1 so_far       tables and figures of what has been measured so far
#   snakemake --cores 1 ladder       each variant over the one before (with --configfile config/ladder.yaml)
#   snakemake --cores 1 best         the fastest variant at each level of fidelity, and the Python that makes it
#   snakemake --cores 1 bundle       pack what has been measured so far into one archive for another machine
#   snakemake --cores 1 weights      fetch pretrained weights, or configuration files, on a machine with network
#   snakemake --cores 1 clean_caches delete the compiler caches that no run uses
#   snakemake --cores 1 published    tables, figures and pages of the published datasets
#   snakemake --cores 1 measured     tables, figures and pages of the committed measurements
#   snakemake --cores 1 catalogue    which pipeline runs with which variant, as far as it was measured
#   snakemake --cores 1 comparison   published and measured side by side
#   snakemake --cores 1 documents    fill the marked spaces of documents; documents_check tells whether they are stale
import os
import shlex
import sys
from importlib.util import find_spec
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.logging import logger
from snakemake.utils import Paramspace, min_version

try:
    min_version("9.17")
except WorkflowError as error:
    sys.exit(f"error: {error}; `pip install -r requirements.txt` installs one")

BASE = Path(workflow.basedir)
if not (BASE / "workflow/scripts/checking.py").is_file():
    sys.exit(
        f"error: {Path(workflow.main_snakefile).name}: diffbench cannot be a module or be included; start it by itself, and take "
        "its results/<name>/summary.csv as an input"
    )
if set("{}") & set(str(BASE)):
    sys.exit(f"error: {BASE}: Snakemake cannot use a path with braces; move the project to another folder")
sys.path.insert(0, str(BASE / "workflow" / "scripts"))

from measurement.errors import DiffbenchError, describe_missing

if not find_spec("pandas"):
    sys.exit(f"error: {describe_missing('pandas', sys.executable)}")

import ending
from measurement.printing import print_anywhere

print_anywhere()
ENDING = ending.watch(
    logger,
    verbose=workflow.output_settings.verbose,
    main=workflow.is_main_process or workflow.remote_exec,
    rules=lambda: [rule.name for rule in workflow.rules],
)
if workflow.is_main_process:
    ending.interruptible()

from checking import check_config_file
from measurement.environment_variables import PYTHON_BREAKS

for name in PYTHON_BREAKS:
    os.environ.pop(name, None)  # so that no job inherits it
if not Path("config/config.yaml").is_file():
    sys.exit(f"error: no config/config.yaml in the working folder; add `--directory {shlex.quote(str(BASE))}`")
try:  # names file and line, which `configfile` does not
    for path in [Path("config/config.yaml"), *workflow.config_settings.configfiles]:
        check_config_file(path)
except DiffbenchError as error:
    sys.exit(f"error: {error}")


configfile: "config/config.yaml"


report: "report/workflow.rst"


include: "workflow/rules/plan.smk"
include: "workflow/rules/builds.smk"
include: "workflow/rules/shown.smk"
include: "workflow/rules/environment.smk"
include: "workflow/rules/measure.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/html.smk"
include: "workflow/rules/page.smk"
include: "workflow/rules/rank.smk"
include: "workflow/rules/documents.smk"
include: "workflow/rules/progress.smk"


rule all:
    """Measure the whole matrix; make its tables and figures (the default)."""
    default_target: True
    input:
        lambda wildcards: run_files("run.csv"),  # also where all that is made of them is there: a deleted run is measured again
        # each is made again if somebody deletes it, as an error may ask for
        [RESULTS / f"{name}.csv" for name in ("measurements", "calls", "fidelity", "summary")],
        RESULTS / "tables.md",
        figure_files(PLAN.config["name"]),
        RESULTS / "strips",
        RESULTS / "index.html",
        html_folders(PLAN.config["name"]),
    message:
        "All is measured, tables and figures are made"


onstart:
    lift_rate_limit()
    refuse_cluster()
    refuse_missing_torch()
    refuse_missing_packages()
    report_ignored()
    build_environments()
    show_progress()


onsuccess:
    show_tables()
