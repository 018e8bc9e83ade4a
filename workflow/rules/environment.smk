"""
Environments: one a torch build, from envs/torch-<name>.yaml, by conda (--use-conda) or else by uv.

MAKES:

    .environments/torch-<name>/               the environment, where uv makes it; conda has a place of its own
    .environments/torch-<name>.request        what is asked for: the pins
    results/environments/torch-<name>.txt     every package that it holds

`installed` is the Python that runs Snakemake and has no environment of ours.
"""


localrules:
    environment,


rule environment:
    """Make the environment of a torch build with uv, or look at the one that conda made; write down what it holds."""
    input:
        REQUEST,
    output:
        ENVIRONMENT_RECORD,
    log:
        "results/environments/torch-{torch}.log",
    # all of them first, so that the runs keep their order
    priority: len(PLAN.runs) + 2
    conda:
        lambda wildcards: environment_of(wildcards.torch)
    resources:
        python="python" if CONDA else sys.executable,
        script=str(BASE / "workflow/scripts/build.py"),
        make=lambda wildcards: "" if CONDA else f"--make {UV_ENVIRONMENT.format(torch=wildcards.torch)}",
    message:
        "Environment of torch {wildcards.torch}"
    shell:
        "{resources.python:q} {resources.script:q} {wildcards.torch:q} {resources.make} --record {output:q} > {log:q} 2>&1"
        " || {{ tail -n 1 {log:q} >&2; exit 1; }}"
