"""
Measuring: one job per run, each in its own process, in the order of the plan.

MAKES:

    results/<name>/runs/gpu~…/round~…/run.csv     one row per stage
    results/<name>/runs/gpu~…/round~…/calls.csv   one row per call
    results/<name>/runs/gpu~…/round~…/outputs/    latents and image of one call per stage
    results/<name>/ceilings/gpu~…/torch~….csv     the device's ceilings: its highest measured rates

A measurement that fails is a row with its status; a job fails only if its set-up fails. A run is measured again only if a
param of rule `measure` changes; docs/measured-again.md lists the reasons.
"""

import os

from diffbench.catalogue.definition import STOPPING, command_line_option
from diffbench.measurement.start_method import METHOD_VARIABLE, OWNER_VARIABLE
from diffbench.system.cache_cleaning import report_cleaning
from diffbench.system.compiler_caches import default_folder

# jobs inherit both variables
os.environ[OWNER_VARIABLE] = str(os.getpid())
os.environ[METHOD_VARIABLE] = PLAN.config["start_method"]

# the command of a job that measures; its log has the output of both programs
MEASURE = (
    'log={log:q}; {params.job.check} > "$log" 2>&1 || {{ tail -n 1 "$log" >&2; exit 1; }}; {params.job.command}'
    f'{RESOURCES.allocated()} --log "$log"'
)


localrules:
    clean_caches,


rule measure:
    """Measure one round of one cell in its own process."""
    output:
        # written after calls.csv and outputs/: if it exists, so do they
        run=FILES.run_pattern,
    log:
        RESULTS / "runs" / RUNS.wildcard_pattern / "measure.log",
    priority: per_job(lambda wildcards: len(PLAN.runs) + 1 - PLAN.number(wildcards))
    conda:
        per_job(lambda wildcards: BUILDS.environment_file(wildcards.torch))
    threads: RESOURCES.threads()
    resources:
        **RESOURCES.requests(),
    # A run is measured again when one of these changes, except `job` (plan/jobs.py): docs/measured-again.md lists what changes them.
    params:
        definition=per_job(lambda wildcards: PLAN.definition(wildcards)),
        environment=of_axes(PLAN.cells, JOBS.expected, "torch", "variant"),
        pins=of_axes(PLAN.cells, PLAN.pins, "torch"),
        threads=PLAN.config["threads"],
        weights=PLAN.config["weights"],
        scale=PLAN.config["scale"],
        stopping=" ".join(f"{command_line_option(key)} {PLAN.config['measurement'][key]}" for key in STOPPING),
        job=per_job(lambda wildcards, output: JOBS.measure(wildcards, output)),
    message:
        "{params.job.message}"
    shell:
        MEASURE


rule ceiling:
    """Measure the device's ceilings in each dtype of its runs: the rates of a large matrix product and of a large copy."""
    output:
        FILES.ceiling_pattern,
    log:
        FILES.ceiling_pattern.with_suffix(".log"),
    # before the runs, so that it does not run between them
    priority: len(PLAN.runs) + 1
    conda:
        lambda wildcards: BUILDS.environment_file(wildcards.torch)
    threads: RESOURCES.threads()
    resources:
        **RESOURCES.requests(),
    # it is measured again when one of these changes, except `job`
    params:
        environment=lambda wildcards: PLAN.expected(wildcards.torch),
        threads=PLAN.config["threads"],
        dtypes=lambda wildcards: PLAN.ceiling_dtypes(wildcards.gpu),
        pins=lambda wildcards: PLAN.pins(wildcards.torch),
        job=lambda wildcards, output: JOBS.ceiling(wildcards.gpu, wildcards.torch, output[0]),
    message:
        "Measure the ceilings of {wildcards.gpu}, torch {wildcards.torch}: a large matrix product and a large copy"
    shell:
        MEASURE


rule clean_caches:
    """Delete the compiler caches of this user on this machine, except those that a run uses."""
    log:
        RESULTS / "logs" / "clean_caches.log",
    message:
        "Delete compiler caches"
    run:
        report_cleaning(default_folder(), log[0])
