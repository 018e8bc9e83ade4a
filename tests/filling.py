"""A table that fills while runs are measured, without a workflow: its runs, and what becomes of them."""

import csv

from diffbench.terminal.estimate import key_of
from diffbench.terminal.progress import Progress
from diffbench.vocabulary.columns import COLUMNS

BASELINE = {"variant": "eager"}


def run_of(variant="eager", round_number=1, pipeline="sd-txt2img", batch_size=1, gpu="CPU", torch="installed"):
    """A run's wildcards."""
    return {
        "gpu": gpu,
        "torch": torch,
        "pipeline": pipeline,
        "batch_size": str(batch_size),
        "variant": variant,
        "round": str(round_number),
    }


class Table:
    """A table whose run.csv are in a folder; its clock starts at 100 s."""

    def __init__(self, folder, make_row, runs, measured=0, baseline=BASELINE, cache="shared"):
        self.folder, self.make_row = folder, make_row
        self.progress = Progress({"baseline": baseline, "cache": cache}, runs, measured, self.path_of, 100)

    def path_of(self, run):
        return self.folder / ("-".join(key_of(run)) + ".csv")

    def write(self, run, *stages):
        """Write the run.csv of a run: columns of each stage."""
        with open(self.path_of(run), "w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS)
            writer.writeheader()
            writer.writerows(self.make_row(stage=number, **stage) for number, stage in enumerate(stages, start=1))

    def measure(self, run, start, end, *stages):
        """The lines that are printed when this run ends; by default it has one stage of 20 it/s."""
        self.progress.start(run, start)
        self.write(run, *(stages or [{}]))
        return self.progress.finish(run, end)
