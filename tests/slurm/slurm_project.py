"""Projects whose GPUs are the nodes of the tests' Slurm."""

import os
import re
import signal
import subprocess
from itertools import product

import yaml

from conftest import QUICK, Project, progress_rows

# This machine has no GPU: a node's name stands in for what the driver would report, and the CPU measures. `hang` is for a run
# that takes longer than its job; `begun-<job>` says that a job's program runs.
STAND_IN = """

import sys


def cpu_name():
    names = {"node-a": "NVIDIA A100-SXM4-40GB", "node-t": "Tesla T4", "node-v": "Tesla V100-SXM2-16GB"}
    return names[os.environ["SLURMD_NODENAME"]]


if "SLURM_JOB_ID" in os.environ:
    Path("begun-" + os.environ["SLURM_JOB_ID"]).touch()
if Path("hang").exists() and Path("hang").read_text() in " ".join(sys.argv):
    import time

    time.sleep(600)
"""
JOB = {"cpus": 2, "memory_mib": 3000, "minutes": 15}  # runs wait for those of other tests
# A site without accounting need not have sacct either; where it is, the plugin turns to it if the controller is away.
WHICH = '#!/bin/sh\n[ "$1" = sacct ] && exit 1\nexec /usr/bin/which "$@"\n'
LIMITS = ["--slurm-status-command", "squeue", "--slurm-init-seconds-before-status-checks", 5, "--latency-wait", 10]


class ClusterProject(Project):
    """A project on the cluster. Snakemake is started as the README says, with what suits a Slurm without accounting."""

    def __init__(self, folder, **config):
        super().__init__(folder)
        self.edit("config/gpus.yaml", self.stand_in)
        device = self.folder / "workflow/scripts/diffbench/catalogue/devices.py"
        device.write_text(device.read_text(encoding="utf-8") + STAND_IN, encoding="utf-8")
        which = self.folder / "bin/which"
        which.parent.mkdir()
        which.write_text(WHICH, encoding="utf-8")
        which.chmod(0o755)
        self.path = f"{which.parent}{os.pathsep}{os.environ['PATH']}"
        defaults = {"gpus": ["A100", "T4", "V100"], "pipelines": ["sd-txt2img"], "batch_sizes": [1], "rounds": 1}
        self.configure(**{**defaults, "variants": ["eager"], "measurement": QUICK, **config})

    def stand_in(self, gpus):
        for name in ("A100", "A100-40GB-SXM", "A100-80GB-SXM", "T4", "V100"):
            gpus[name].update(device="cpu", job=dict(JOB))

    def command(self, *arguments):
        command = super().command(*arguments)
        place = command.index("--cores")
        return [*command[:place], "--profile", "profiles/slurm", *map(str, LIMITS), *command[place + 2 :]]

    def snakemake(self, *arguments, check=True, environment=None):
        return super().snakemake(*arguments, check=check, environment={"PATH": self.path, **(environment or {})})

    def start(self, *arguments):
        """Start Snakemake in the background; what it prints goes to `snakemake.log`."""
        return subprocess.Popen(
            self.command(*arguments),
            cwd=self.folder,
            env={**os.environ, "PATH": self.path},
            stdin=subprocess.DEVNULL,
            stdout=open(self.folder / "snakemake.log", "w", encoding="utf-8"),
            stderr=subprocess.STDOUT,
            # a shell that starts the tests in the background has them ignore what Ctrl-C sends
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )

    def switch_on(self, *keys):
        """Uncomment keys of the profile."""
        path = self.folder / "profiles/slurm/config.yaml"
        text, count = re.subn(f"^# ({'|'.join(keys)}):", r"\1:", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
        assert count == len(keys)
        path.write_text(text, encoding="utf-8")

    def measure(self, *arguments, check=True):
        """Measure the config's runs and nothing else."""
        config = yaml.safe_load((self.folder / "config/config.yaml").read_text(encoding="utf-8"))
        cells = product(config["gpus"], config["batch_sizes"], range(1, config["rounds"] + 1))
        path = "results/{}/runs/gpu~{}/torch~installed/pipeline~sd-txt2img/batch_size~{}/variant~eager/round~{}/run.csv"
        return self.snakemake(*arguments, *(path.format(config["name"], *cell) for cell in cells), check=check)

    def finished(self):
        """(gpu, batch size) of every run that has a row in what was printed so far."""
        text = (self.folder / "snakemake.log").read_text(encoding="utf-8")
        return {(row[3], row[5]) for row in progress_rows(text)}

    def runs(self):
        """(gpu, batch size, round) of every run that is measured."""
        found = self.folder.glob("results/*/runs/**/run.csv")
        pattern = r"gpu~([^/]+)/.*batch_size~(\d+)/.*round~(\d+)/"
        return {re.search(pattern, str(path)).groups() for path in found}
