"""
Measuring: one job a run, each in its own process, in the order of the plan.

MAKES:

    results/<name>/runs/gpu~…/round~…/run.csv     one row a stage
    results/<name>/runs/gpu~…/round~…/calls.csv   one row a call
    results/<name>/runs/gpu~…/round~…/outputs/    latents and image of one call a stage
    results/<name>/ceilings/gpu~…/torch~….csv     what the device can do at most

A measurement that fails is a row with its status; a job fails only if the set-up does. Editing a script re-runs nothing
(scripts are no input); editing a definition or an environment file, or changing the installed releases, re-runs what they
concern. Who built an environment, conda or uv, does not matter: both build the same file.
"""

from diffbench.system.compiler_caches import default_folder
from diffbench.system.cache_cleaning import report_cleaning
from diffbench.measurement.start_method import METHOD, OWNER

SETTINGS = PLAN.config["measurement"]
os.environ[OWNER] = str(os.getpid())  # jobs inherit both
os.environ[METHOD] = PLAN.config["start_method"]


localrules:
    clean_caches,


rule measure:
    """Measure one round of one cell in a process of its own."""
    output:
        # calls.csv and outputs/ are replaced before it is: it says that they are there
        run=RESULTS / "runs" / RUNS.wildcard_pattern / "run.csv",
    log:
        RESULTS / "runs" / RUNS.wildcard_pattern / "measure.log",
    priority: per_job(lambda wildcards: len(PLAN.runs) + 1 - PLAN.number(wildcards))
    conda:
        per_job(lambda wildcards: environment_file(wildcards.torch))
    threads: job_threads()
    resources:
        **allocation(),
    params:
        definition=per_job(lambda wildcards: PLAN.definition(wildcards)),
        environment=of_axes(expected_versions, "torch", "variant"),
        pins=of_axes(PLAN.pins, "torch"),
        threads=PLAN.config["threads"],
        weights=PLAN.config["weights"],
        scale=PLAN.config["scale"],
        stopping=" ".join(f"--{key.replace('_', '-')} {SETTINGS[key]}" for key in STOPPING),
        # a function of `output` is no reason to measure again: nothing else in it gives a finished run another meaning
        job=per_job(lambda wildcards, output: job_of_run(wildcards, output.run)),
    message:
        "{params.job.message}"
    shell:
        'log={log:q}; {params.job.look} > "$log" 2>&1 || {{ tail -n 1 "$log" >&2; exit 1; }}; {params.job.command}'
        f'{ALLOCATED} --log "$log"'


rule ceiling:
    """Measure what the device can do at most in each dtype of its runs: a large matrix product and a large copy."""
    output:
        CEILING,
    log:
        CEILING.with_suffix(".log"),
    # before the runs, so that it does not come between them
    priority: len(PLAN.runs) + 1
    conda:
        lambda wildcards: environment_file(wildcards.torch)
    threads: job_threads()
    resources:
        **allocation(),
        look=lambda wildcards: look_command(wildcards.torch),
        python=lambda wildcards: python_of(wildcards.torch),
        script=str(BASE / "workflow/scripts/ceiling.py"),
        torch_threads=lambda wildcards: PLAN.threads(wildcards.gpu, on_cluster()),
    params:
        environment=lambda wildcards: expected_versions(wildcards.torch),
        threads=PLAN.config["threads"],
        dtypes=lambda wildcards: PLAN.ceiling_dtypes(wildcards.gpu),
        pins=lambda wildcards: PLAN.pins(wildcards.torch),
    message:
        "What {wildcards.gpu} can do at most, torch {wildcards.torch}: a large matrix product and a large copy"
    shell:
        "{resources.look} > {log:q} 2>&1 || {{ tail -n 1 {log:q} >&2; exit 1; }}; {resources.python:q} {resources.script:q}"
        " --gpu {wildcards.gpu:q} --torch {wildcards.torch:q} --expect={params.environment:q} --threads {resources.torch_threads}"
        " --dtypes {params.dtypes}"
        f"{ALLOCATED} --output {{output:q}} --log {{log:q}}"


rule clean_caches:
    """Delete the compiler caches of this user on this machine, but for those that a run uses."""
    log:
        RESULTS / "logs" / "clean_caches.log",
    message:
        "Delete compiler caches"
    run:
        report_cleaning(default_folder(), log[0])
