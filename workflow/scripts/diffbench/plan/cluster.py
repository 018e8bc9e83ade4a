"""The resources that a job on a cluster requests for its GPU: `slurm` and `job` of config/gpus.yaml."""

from diffbench.vocabulary.errors import DiffbenchError

JOB = {"cpus": 4, "memory_mib": 32000, "minutes": 60}  # if an entry does not say


def job_of(entry):
    """{cpus, memory_mib, minutes} of the job of a run on this GPU."""
    return {**JOB, **entry.get("job", {})}


def requests(entries):
    """The resources that jobs on these GPUs request from the Slurm plugin: {resource: {gpu: value}}.

    Every resource has a value for every GPU, None if that GPU does not request it.
    """
    asked = {
        name: {**({"gpu": 1} if "gpu_model" in slurm or is_gpu and "gres" not in slurm else {}), **slurm}
        for name, entry in entries.items()
        for slurm, is_gpu in [(entry.get("slurm", {}), entry.get("device") != "cpu")]
    }
    resources = dict.fromkeys(resource for request in asked.values() for resource in request)
    return {resource: {name: request.get(resource) for name, request in asked.items()} for resource in resources}


def check_cluster(gpus, entries, array_jobs, threads=None):
    """Raises DiffbenchError if a cluster cannot measure this. `gpus`: as in the config; `entries`: those of the resolved GPUs;
    `array_jobs`: as given to the Slurm plugin; `threads`: as in the config."""
    if array_jobs:
        raise DiffbenchError(
            f"slurm-array-jobs: found {array_jobs!r}, expected none: the plugin gives every task of an array the first one's "
            "resources, so that runs would land on another GPU type; remove the option"
        )
    if "auto" in gpus:
        raise DiffbenchError(
            "config: gpus: auto is the device of the machine that submits, and jobs run on others; name the GPUs, as in "
            "gpus: [A100]"
        )
    for name, entry in entries.items():
        if entry.get("device") != "cpu" and "slurm" not in entry:
            raise DiffbenchError(
                f"config/gpus.yaml: {name} does not say what to ask Slurm for; add `slurm`, as in {{gpu_model: a100}}"
            )
        cpus = job_of(entry)["cpus"]
        if threads and threads > cpus:
            raise DiffbenchError(
                f"config: threads: found {threads}, but a job on {name} gets {cpus} CPU(s); raise its `job.cpus` in "
                "config/gpus.yaml, or lower threads"
            )
