"""Torch builds: the folders of their environments, the Python that measures in each, and how they are built.

Conda chooses the place of an environment; uv's is .environments/torch-<name>.<pins>/. <pins> is a hash of the file's pins, so
that other pins use another folder. Nothing deletes or changes a complete environment: jobs may be running in it.
"""

import shlex
import subprocess
import sys
from functools import cache
from pathlib import Path

from diffbench.catalogue.environments import COMPLETE, INSTALLED, environment_path
from diffbench.catalogue.sources import ROOT
from diffbench.vocabulary.errors import DiffbenchError

USING_RULES = (
    "environment",
    "ceiling",
    "measure",
    "fetch_weights",
)  # whose jobs run in an environment of a torch build


class TorchBuilds:
    """The environments of a Plan's torch builds; `installed`, the Python that runs Snakemake, has none.

    `record_pattern`: the path of the file that lists the packages of an environment; `uses_conda`: whether conda builds them;
    `wait_s`: returns the seconds that a job on a cluster waits for a shared disk.
    """

    def __init__(self, plan, record_pattern, uses_conda, wait_s, root=ROOT):
        self.plan, self.record_pattern, self.uses_conda, self.wait_s = plan, record_pattern, uses_conda, wait_s
        self.root, self.program = root, str(Path(root) / "workflow/scripts/environment.py")
        # asked for once per run, made once per build
        self.environment_file = cache(self.environment_file)
        self.folder = cache(self.folder)
        self.python = cache(self.python)
        self.check_command = cache(self.check_command)

    def environment_file(self, torch):
        """The environment file of a torch build, for conda; None for the Python that runs Snakemake."""
        return None if torch == INSTALLED else environment_path(torch, self.root)

    def folder(self, torch):
        """The folder of the environment that uv builds."""
        return Path(f".environments/torch-{torch}.{self.plan.pins(torch)}").absolute()

    def is_built(self, torch):
        """Whether uv has built the whole environment."""
        return (self.folder(torch) / COMPLETE).is_file()

    def record(self, torch):
        """[the file that lists the packages of the environment]; [] for the Python that runs Snakemake."""
        return [] if torch == INSTALLED else [self.record_pattern.format(torch=torch, pins=self.plan.pins(torch))]

    def records(self, runs):
        """The records to show of the plan's torch builds; `runs`: the files of all of its runs.

        A record that neither exists nor is worth making is left out: an environment that somebody removed is not built just for
        its record, but pins that differ from the recorded ones will be measured.
        """
        return [
            path for torch in self.plan.cells["torch"].unique() for path in self.record(torch) if self.has(torch, runs)
        ]

    def has(self, torch, runs):
        """Whether the record of an environment exists or is worth making."""
        recorded = Path(self.record_pattern).parent.glob(f"torch-{torch}.{'[0-9a-f]' * 12}.txt")
        if self.uses_conda or any(recorded) or self.is_built(torch):
            return True
        return not all(Path(path).is_file() for path in runs if f"/torch~{torch}/" in path)

    def python(self, torch):
        """The Python that measures a torch build: the one that conda activates, uv's, or the one that runs Snakemake."""
        if torch == INSTALLED:
            return sys.executable
        return "python" if self.uses_conda else str(self.folder(torch) / "bin" / "python")

    def check_command(self, torch, *arguments):
        """The command that checks a torch build's environment, which each of its jobs runs first."""
        if torch == INSTALLED:
            return "true"
        words = [self.program, torch, *arguments]
        if self.uses_conda:
            return shlex.join(["python", *words])
        return shlex.join([sys.executable, *words, "--folder", str(self.folder(torch)), "--wait-s", str(self.wait_s())])

    def build_missing(self, jobs, logs):
        """Build with uv the environments that jobs of this start need, before any job, as Snakemake does with conda.

        An environment is not the output of a rule. If it were, jobs would have it as an input, and Snakemake runs a job again if
        its input is missing and made again, even if it is `ancient`: after an environment was removed, everything measured in it
        would be measured again. `jobs`: Snakemake's; `logs`: the folder of logs.
        """
        needed = {job.wildcards.torch for job in jobs if job.rule.name in USING_RULES} - {INSTALLED}
        for torch in sorted(needed):
            if not self.uses_conda and not self.is_built(torch):
                self.build(torch, logs / f"build-{torch}.log")

    def build(self, torch, log):
        """Build the environment of a torch build with uv. Raises DiffbenchError with the last line of its log."""
        folder = str(self.folder(torch))
        log.parent.mkdir(parents=True, exist_ok=True)
        print(f"Environment of torch {torch}: {folder}", file=sys.stderr)
        with open(log, "w", encoding="utf-8") as file:
            words = [sys.executable, self.program, torch, "--make", "--folder", folder]
            result = subprocess.run(words, stdout=file, stderr=file)
        if result.returncode:
            reason = log.read_text(encoding="utf-8").rstrip().rpartition("\n")[2]
            raise DiffbenchError(reason.removeprefix("error: ") or f"see {log}")
