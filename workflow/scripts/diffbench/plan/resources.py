"""The resources that measuring jobs request from Snakemake, and through it from a cluster."""

from .cluster import job_of, requests


class JobResources:
    """The threads and resources of jobs on the GPUs of a Plan.

    `may_submit`: whether this process may submit its jobs to a cluster, or is such a job; `on_cluster`: returns whether it does,
    which is known only after the rules are read; `cores`: returns Snakemake's cores.
    """

    def __init__(self, gpus, may_submit, on_cluster, cores):
        self.gpus, self.may_submit, self.on_cluster, self.cores = gpus, may_submit, on_cluster, cores

    def job(self, gpu):
        """{cpus, memory_mib, minutes} of a job on this GPU."""
        return job_of(self.gpus.get(gpu, {}))

    def threads(self):
        """The `threads` of a rule that measures: all of Snakemake's cores, so that no other job runs at the same time, or the
        CPUs of its job on a cluster. They do not change the measurement: Plan.threads is the number of torch's threads."""
        if not self.may_submit:
            return self.cores()
        return lambda wildcards: self.job(wildcards.gpu)["cpus"] if self.on_cluster() else self.cores()

    def requests(self):
        """The `resources` of a rule that measures: the device, and on a cluster also memory and run time, which grow with the
        attempt, and the resources requested from Slurm."""
        if not self.may_submit:
            return {"device": 1}  # every other resource would make planning slower
        slurm = {
            name: lambda wildcards, values=values: values.get(wildcards.gpu)
            for name, values in requests(self.gpus).items()
        }
        return {"device": 1, "mem_mb": self.of_attempt("memory_mib"), "runtime": self.of_attempt("minutes"), **slurm}

    def of_attempt(self, key):
        """A resource that grows with the attempt; 0 without a cluster."""
        return lambda wildcards, attempt: self.on_cluster() * self.job(wildcards.gpu)[key] * attempt

    def allocated(self):
        """The options that pass a job's allocated memory and time to a measuring program; none if no job is submitted."""
        return " --allocated-mib {resources.mem_mb} --allocated-minutes {resources.runtime}" if self.may_submit else ""
