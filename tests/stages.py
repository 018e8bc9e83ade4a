"""Measuring within the test's own process: one call each, without the lock and the start of a process."""

from typing import NamedTuple

from conftest import QUICK
from diffbench.catalogue.definition import STOPPING, resolve

FEWEST = {**{key: QUICK[key] for key in STOPPING}, "calls": 1, "max_calls": 1}


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


def run_stages(
    folder,
    pipeline="sd-txt2img",
    variant="eager",
    batch_size=1,
    scale="tiny",
    steps=None,
    device=None,
    report=None,
    settings=(),
    **options,
):
    """Measure a cell with random weights, by default on the CPU, its outputs in `folder`.

    `report` gets what the stages report, by default a Report each; `settings` replace those of FEWEST; `options` are of
    definition.resolve. Returns the Outcome of each stage.
    """
    import torch

    from diffbench.libraries.failure import classify
    from diffbench.measurement.measure_stage import free_stage, measure_stage
    from diffbench.mechanisms.registry import compiles

    device = device or torch.device("cpu")
    definition = resolve(pipeline, batch_size, variant, "random", scale, {**FEWEST, **dict(settings)}, **options)
    outcomes = []
    for description in definition["stages"]:
        description = {**description, "steps": steps or description["steps"]}
        kept, outcome = report or Report(), ("ok", None)
        try:
            measure_stage(description, definition, device, kept, folder, folder / f"{pipeline}-{variant}")
        except Exception as error:
            outcome = classify(error, compiles(definition["variant"]))
        outcomes.append(Outcome(*outcome, kept.columns))
        free_stage(device, compiles(definition["variant"]))
    return outcomes
