"""
Environments of torch builds: what each contains. diffbench/plan/torch_builds.py says where they are and when they are built;
`snakemake --cores 1 --until environment` builds those of the config and measures nothing.

MAKES:

    results/<name>/environments/torch-<name>.<pins>.txt   every package of a torch build's environment

Pinned weights and configuration files of the hub are fetched here too, because runs are offline; they go to the hub's own cache
(HF_HOME).

`installed` is the Python that runs Snakemake. It has no environment and no record.
"""


localrules:
    environment,
    fetch_weights,


rule environment:
    """Check the environment of a torch build; write down what it contains."""
    output:
        FILES.record_pattern,
    log:
        RESULTS / "logs" / "environment-{torch}.{pins}.log",
    # all of them first, so that the runs keep their order
    priority: len(PLAN.runs) + 2
    conda:
        lambda wildcards: BUILDS.environment_file(wildcards.torch)
    params:
        job=lambda wildcards, output: JOBS.environment(wildcards.torch, output[0]),
    message:
        "What the environment of torch {wildcards.torch} contains"
    shell:
        "{params.job.check} > {log:q} 2>&1 || {{ tail -n 1 {log:q} >&2; exit 1; }}"


rule weights:
    """Fetch what the config's pipelines need of the hub, on a machine with network: pinned weights, or for random ones the
    configuration files of pipelines without an architecture."""
    input:
        FILES.fetched() if PLAN.gpus and needs_hub(PLAN.config) else [],
    message:
        f"All that {PLAN.config['weights']} weights need is there"


rule fetch_weights:
    """Fetch it with a torch build's own Diffusers, which knows what it will load."""
    output:
        # not kept: the hub's cache says what is there
        temp(touch(FILES.fetched_pattern)),
    log:
        RESULTS / "logs" / "weights-{torch}.log",
    conda:
        lambda wildcards: BUILDS.environment_file(wildcards.torch)
    params:
        pipelines=PLAN.config["pipelines"],
        weights=PLAN.config["weights"],
        job=lambda wildcards, output: JOBS.fetch_weights(wildcards.torch),
    message:
        "Fetch what {params.weights} weights need, with torch {wildcards.torch}: {params.pipelines}"
    shell:
        "{params.job.command} 2>&1 | tee {log:q}"
