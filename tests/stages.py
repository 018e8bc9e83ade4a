"""Measuring miniatures within the test's own process: one call each, without the lock and the start of a process."""

from typing import NamedTuple

from conftest import QUICK
from measurement.definition import SETTINGS, resolve

FEWEST = {**{key: QUICK[key] for key in SETTINGS}, "calls": 1, "max_calls": 1}


class Outcome(NamedTuple):
    """What became of a stage: its status and detail, and the columns that it reported."""

    status: str
    detail: str
    columns: dict


class Report:
    """Keeps what a stage reports."""

    def __init__(self):
        self.columns = {}

    def values(self, **columns):
        self.columns.update(columns)

    def phase(self, name):
        self.columns["phase"] = name

    def sample(self, kind, number, sample):
        pass

    def emit(self, event, **content):
        pass


def run_stages(folder, pipeline="sd-txt2img", variant="eager", batch_size=1, **options):
    """Measure a cell with random weights on the CPU, its outputs in `folder`; `options` are of definition.resolve. Returns the
    Outcome of each stage."""
    import torch

    from measurement.definition import compiles
    from measurement.failure import classify
    from measurement.stage import measure_stage, release

    definition = resolve(pipeline, batch_size, variant, "random", "tiny", FEWEST, **options)
    outcomes = []
    for description in definition["stages"]:
        report, outcome = Report(), ("ok", None)
        try:
            measure_stage(description, definition, torch.device("cpu"), report, folder)
        except Exception as error:
            outcome = classify(error, compiles(definition["variant"]))
        outcomes.append(Outcome(*outcome, report.columns))
        release(torch.device("cpu"), compiles(definition["variant"]))
    return outcomes
