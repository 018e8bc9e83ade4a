"""
Environments: one a torch build, from envs/torch-<name>.yaml, by conda (--use-conda) or else by uv.

MAKES:

    .environments/torch-<name>/                           the environment, where uv makes it; conda has a place of its own
    results/<name>/environments/torch-<name>.<pins>.txt   every package that it holds; <pins> is a hash of the file's pins

`installed` is the Python that runs Snakemake and has no environment of ours.
"""


localrules:
    environment,


rule environment:
    """Make the environment of a torch build with uv, or look at the one that conda made; write down what it holds."""
    output:
        ENVIRONMENT_RECORD,
    log:
        RESULTS / "logs" / "environment-{torch}.{pins}.log",
    # all of them first, so that the runs keep their order
    priority: len(PLAN.runs) + 2
    conda:
        lambda wildcards: environment_of(wildcards.torch)
    resources:
        build=lambda wildcards: build_command(wildcards.torch),
    message:
        "Environment of torch {wildcards.torch}"
    shell:
        "{resources.build} --record {output:q} > {log:q} 2>&1 || {{ tail -n 1 {log:q} >&2; exit 1; }}"
