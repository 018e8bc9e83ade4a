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

from measurement.caches import default_folder, describe_cleaning
from measurement.forked import OWNER

SETTINGS = PLAN.config["measurement"]
os.environ.pop(OWNER, None)
if PLAN.config["start_method"] == "forkserver":
    os.environ[OWNER] = str(os.getpid())  # jobs inherit it


localrules:
    clean_caches,


rule measure:
    """Measure one round of one cell in a process of its own."""
    output:
        run=RESULTS / "runs" / RUNS.wildcard_pattern / "run.csv",
        calls=RESULTS / "runs" / RUNS.wildcard_pattern / "calls.csv",
        outputs=directory(RESULTS / "runs" / RUNS.wildcard_pattern / "outputs"),
    log:
        RESULTS / "runs" / RUNS.wildcard_pattern / "measure.log",
    priority: lambda wildcards: len(PLAN.runs) + 1 - PLAN.number(wildcards)
    conda:
        lambda wildcards: environment_file(wildcards.torch)
    threads: job_threads
    resources:
        **allocation(),
        # here and not among the params: none of these gives a finished run another meaning
        look=lambda wildcards: look_command(wildcards.torch),
        python=lambda wildcards: python_of(wildcards.torch),
        script=str(BASE / "workflow/scripts/measure.py"),
        time_limit_s=SETTINGS["time_limit_s"],
        memory_limit_mib=str(SETTINGS.get("memory_limit_mib")),
        run=lambda wildcards: PLAN.number(wildcards),
        rounds=str(None if PLAN.config["keep_caches"] else PLAN.config["rounds"]),
        cache=PLAN.config["cache"],  # of a cell that compiles its definition has it
        # what null stands for depends on where Snakemake is started: no reason to measure again
        torch_threads=lambda wildcards: PLAN.threads(wildcards.gpu, on_cluster()),
        pipeline=lambda wildcards: split_name(wildcards.pipeline)[0],
        size=lambda wildcards: split_name(wildcards.pipeline)[1],
    params:
        definition=lambda wildcards: PLAN.definition(wildcards),
        environment=lambda wildcards: PLAN.expected(wildcards.torch, wildcards.variant),
        pins=lambda wildcards: PLAN.pins(wildcards.torch),
        threads=PLAN.config["threads"],
        folder=subpath(output.run, parent=True),
        weights=PLAN.config["weights"],
        scale=PLAN.config["scale"],
        stopping=" ".join(f"--{key.replace('_', '-')} {SETTINGS[key]}" for key in STOPPING),
    message:
        f"Run {{resources.run}} of {len(PLAN.runs)}: "
        "{wildcards.pipeline}, batch size {wildcards.batch_size}, {wildcards.variant}, round {wildcards.round}, on {wildcards.gpu}, torch {wildcards.torch}, "
        "{resources.torch_threads} CPU thread(s)"
    shell:
        "{resources.look} > {log:q} 2>&1 || {{ tail -n 1 {log:q} >&2; exit 1; }}; {resources.python:q} {resources.script:q}"
        " --pipeline {resources.pipeline:q} --batch-size {wildcards.batch_size} --size {resources.size} --variant {wildcards.variant:q}"
        " --gpu {wildcards.gpu:q} --torch {wildcards.torch:q} --round {wildcards.round}"
        " --rounds {resources.rounds} --cache {resources.cache} --threads {resources.torch_threads}"
        " --weights {params.weights:q} --scale {params.scale:q}"
        " {params.stopping}"
        " --time-limit-s {resources.time_limit_s} --memory-limit-mib {resources.memory_limit_mib}"
        " --allocated-mib {resources.mem_mb} --allocated-minutes {resources.runtime}"
        " --definition={params.definition:q} --expect={params.environment:q}"
        " --output {params.folder:q} --log {log:q}"


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
    threads: job_threads
    resources:
        **allocation(),
        look=lambda wildcards: look_command(wildcards.torch),
        python=lambda wildcards: python_of(wildcards.torch),
        script=str(BASE / "workflow/scripts/ceiling.py"),
        torch_threads=lambda wildcards: PLAN.threads(wildcards.gpu, on_cluster()),
    params:
        environment=lambda wildcards: PLAN.expected(wildcards.torch),
        threads=PLAN.config["threads"],
        dtypes=lambda wildcards: PLAN.ceiling_dtypes(wildcards.gpu),
        pins=lambda wildcards: PLAN.pins(wildcards.torch),
    message:
        "What {wildcards.gpu} can do at most, torch {wildcards.torch}: a large matrix product and a large copy"
    shell:
        "{resources.look} > {log:q} 2>&1 || {{ tail -n 1 {log:q} >&2; exit 1; }}; {resources.python:q} {resources.script:q}"
        " --gpu {wildcards.gpu:q} --torch {wildcards.torch:q} --expect={params.environment:q} --threads {resources.torch_threads}"
        " --dtypes {params.dtypes}"
        " --allocated-mib {resources.mem_mb} --allocated-minutes {resources.runtime}"
        " --output {output:q} --log {log:q}"


rule clean_caches:
    """Delete the compiler caches of this user on this machine, but for those that a run uses."""
    log:
        RESULTS / "logs" / "clean_caches.log",
    message:
        "Delete compiler caches"
    run:
        text = describe_cleaning(default_folder())
        print(text)
        Path(log[0]).write_text(text + "\n", encoding="utf-8")
