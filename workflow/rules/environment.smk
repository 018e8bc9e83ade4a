"""
Environments: what they hold. builds.smk says where they are and when they are built; `snakemake --until environment` builds those of the
config and measures nothing.

MAKES:

    results/<name>/environments/torch-<name>.<pins>.txt   every package of a torch build's environment

Pinned weights and configuration files of the hub are fetched here too, because runs are offline; they go to the hub's own cache
(HF_HOME).

`installed` is the Python that runs Snakemake. It has no environment here.
"""


localrules:
    environment,
    fetch_weights,


rule environment:
    """Look at the environment of a torch build; write down what it holds."""
    output:
        ENVIRONMENT_RECORD,
    log:
        RESULTS / "logs" / "environment-{torch}.{pins}.log",
    # all of them first, so that the runs keep their order
    priority: len(PLAN.runs) + 2
    conda:
        lambda wildcards: environment_file(wildcards.torch)
    resources:
        look=lambda wildcards: look_command(wildcards.torch),
    message:
        "What the environment of torch {wildcards.torch} holds"
    shell:
        "{resources.look} --record {output:q} > {log:q} 2>&1 || {{ tail -n 1 {log:q} >&2; exit 1; }}"


rule weights:
    """Fetch what the config's pipelines need of the hub, on a machine with network: pinned weights, or for random ones the
    configuration files of pipelines without an architecture."""
    input:
        [str(FETCHED).format(torch=torch) for torch in PLAN.config["torch"] if PLAN.gpus and needs_hub()],
    message:
        f"All that {PLAN.config['weights']} weights need is there"


rule fetch_weights:
    """Fetch it with a torch build's own Diffusers, which knows what it will load."""
    output:
        # not kept: the hub's cache says what is there
        temp(touch(FETCHED)),
    log:
        RESULTS / "logs" / "weights-{torch}.log",
    conda:
        lambda wildcards: environment_file(wildcards.torch)
    resources:
        python=lambda wildcards: python_of(wildcards.torch),
        script=str(BASE / "workflow/scripts/fetch_weights.py"),
    params:
        pipelines=PLAN.config["pipelines"],
        weights=PLAN.config["weights"],
        dtypes=PLAN.dtypes(),
    message:
        "Fetch what {params.weights} weights need, with torch {wildcards.torch}: {params.pipelines}"
    shell:
        "{resources.python:q} {resources.script:q} {params.pipelines:q} --weights {params.weights}"
        " --dtypes {params.dtypes:q} 2>&1 | tee {log:q}"
