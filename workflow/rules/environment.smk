"""
Environments of torch builds, and the packages in each. diffbench/plan/torch_builds.py describes where they are and when they are
built; `snakemake --cores 1 --until environment` builds those of the config and measures nothing.

MAKES:

    results/<name>/environments/torch-<name>.<pins>.txt   every package of a torch build's environment

Pinned weights and configuration files of the hub are also fetched here, because runs are offline; they are stored in the hub's
own cache (HF_HOME).

`installed` is the Python that runs Snakemake. It has no environment and no record.
"""


localrules:
    environment,
    fetch_weights,


rule environment:
    """Check the environment of a torch build, and list its packages."""
    output:
        FILES.record_pattern,
    log:
        RESULTS / "logs" / "environment-{torch}.{pins}.log",
    # before all runs, so that these keep their order
    priority: len(PLAN.runs) + 2
    conda:
        lambda wildcards: BUILDS.environment_file(wildcards.torch)
    params:
        job=lambda wildcards, output: JOBS.environment(wildcards.torch, output[0]),
    message:
        "List the packages in the environment of torch {wildcards.torch}"
    shell:
        "{params.job.check} > {log:q} 2>&1 || {{ tail -n 1 {log:q} >&2; exit 1; }}"


rule weights:
    """Fetch the files of the hub that the config's pipelines need, on a machine with network: pinned weights, or for random
    weights the configuration files of pipelines without an architecture."""
    input:
        FILES.fetched() if PLAN.gpus and needs_hub(PLAN.config) else [],
    message:
        f"All files for {PLAN.config['weights']} weights are available"


rule fetch_weights:
    """Fetch these files with the Diffusers of a torch build, which will load them."""
    output:
        # not kept: the hub's cache shows which files exist
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
        "Fetch the files for {params.weights} weights, with torch {wildcards.torch}: {params.pipelines}"
    shell:
        "{params.job.command} 2>&1 | tee {log:q}"
