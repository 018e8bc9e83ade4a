"""The commands of jobs that run in a torch build's environment.

A rule has its Job as a param that is a function of `output`: `job=lambda wildcards, output: JOBS.measure(wildcards, output)`.
Snakemake does not record such a param (Rule._is_deriving_function and Persistence._params in its source). A finished job
therefore does not run again if its command changes because of another folder, Python or time limit. It runs again if one of
the other params changes: docs/measured-again.md.
"""

import shlex
from functools import cache
from pathlib import Path
from typing import NamedTuple

from diffbench.catalogue.definition import STOPPING, command_line_option, entry, needs_files
from diffbench.catalogue.sources import ROOT
from diffbench.vocabulary.sizes import split_name

from .matrix import PATH


class Job(NamedTuple):
    """`check`: the shell command that checks its environment; `command`: the one that does the work; `message`: of the job."""

    check: str = "true"
    command: str = "true"
    message: str = ""


class Jobs:
    """The jobs of a Plan in the environments of its TorchBuilds; `on_cluster`: says whether they run on a cluster."""

    def __init__(self, plan, builds, on_cluster, root=ROOT):
        self.plan, self.builds, self.on_cluster = plan, builds, on_cluster
        self.scripts = Path(root) / "workflow/scripts"
        self.cell_command = cache(self.cell_command)
        self.expected = cache(plan.expected)

    def environment(self, torch, record):
        """Check the environment of a torch build, and write down what it contains."""
        return Job(self.builds.check_command(torch, "--record", str(record)))

    def measure(self, wildcards, output):
        """Measure the run that makes `output.run`. The command that all rounds of a cell share is made once."""
        cell = [wildcards[axis] for axis in PATH if axis != "round"]
        gpu, torch, pipeline, batch_size, variant = cell
        command = self.cell_command(*cell, self.plan.definition(wildcards))
        return Job(
            self.builds.check_command(torch),
            f"{command} --round={wildcards.round} --output={shlex.quote(str(Path(output.run).parent))}",
            f"Run {self.plan.number(wildcards)} of {len(self.plan.runs)}: {pipeline}, batch size {batch_size}, {variant}, "
            f"round {wildcards.round}, on {gpu}, torch {torch}, {self.threads(gpu)} CPU thread(s)",
        )

    def cell_command(self, gpu, torch, pipeline, batch_size, variant, definition):
        """The command of a cell's runs, without what a round and its allocation add."""
        name, size = split_name(pipeline)
        config, settings = self.plan.config, self.plan.config["measurement"]
        options = {
            "--pipeline": name,
            "--batch-size": batch_size,
            "--size": size,
            "--variant": variant,
            "--gpu": gpu,
            "--torch": torch,
            "--rounds": None if config["keep_caches"] else config["rounds"],
            "--cache": config["cache"],  # also part of the definition of a cell that compiles
            "--threads": self.threads(gpu),
            "--weights": config["weights"],
            "--scale": config["scale"],
            **{command_line_option(key): settings[key] for key in STOPPING},
            "--time-limit-s": settings["time_limit_s"],
            "--memory-limit-mib": settings.get("memory_limit_mib"),
            "--definition": definition,
            "--expect": self.expected(torch, variant),
        }
        words = [f"{name}={value}" for name, value in options.items()]
        return shlex.join([self.builds.python(torch), str(self.scripts / "measure.py"), *words])

    def ceiling(self, gpu, torch, output):
        """Measure the ceilings of a device in each dtype of its runs; `output`: the file that it makes."""
        options = {
            "--gpu": gpu,
            "--torch": torch,
            "--expect": self.expected(torch),
            "--threads": self.threads(gpu),
            "--output": output,
        }
        words = [*(f"{name}={value}" for name, value in options.items()), "--dtypes", *self.plan.ceiling_dtypes(gpu)]
        command = shlex.join([self.builds.python(torch), str(self.scripts / "ceiling.py"), *words])
        return Job(self.builds.check_command(torch), command)

    def fetch_weights(self, torch):
        """Fetch what the config's pipelines need of the hub, with the Diffusers that will load it."""
        config = self.plan.config
        words = [*config["pipelines"], "--weights", config["weights"], "--dtypes", *self.plan.dtypes()]
        program = [self.builds.python(torch), str(self.scripts / "fetch_weights.py"), *words]
        return Job(command=shlex.join(program))

    def threads(self, gpu):
        """CPU threads of torch in a run; the meaning of null depends on where jobs run."""
        return self.plan.threads(gpu, self.on_cluster())


def needs_hub(config):
    """Whether a pipeline of the config is made from files of the hub."""
    stages = [stage for name in config["pipelines"] for stage in entry("pipelines", name)["stages"]]
    return any(needs_files(stage, config["weights"]) for stage in stages)
