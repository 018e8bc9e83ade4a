"""Python's garbage collector runs between the measured calls and never inside one; a stage's memory is freed at its end."""

import ctypes
import gc
import weakref
from types import SimpleNamespace

import psutil
import pytest
import torch

from diffbench.catalogue.definition import resolve
from diffbench.measurement.garbage import importing
from diffbench.measurement.measure_stage import free_stage, measure_calls
from diffbench.measurement.stage import Stage
from diffbench.measurement.stopping import Stopping
from diffbench.measurement.timer import CallSample
from stages import FEWEST, Report

CALLS = 20
STOPPING = Stopping({**FEWEST, "calls": CALLS, "max_calls": CALLS, "target_percent": 0}, "cpu")


class Watched:
    """A stage whose calls note the collections that begin inside them."""

    def __init__(self, work):
        self.work, self.inside, self.collections = work, False, []

    def call(self):
        self.inside = True
        self.work()
        self.inside = False
        return CallSample(latency_s=1.0, loop_s=1.0, iterations=1, denoiser_calls=1)

    def note(self, phase, info):
        if phase == "start":
            self.collections.append(self.inside)


def measured(work):
    """The Watched stage after its calls were measured."""
    stage = Watched(work)
    gc.callbacks.append(stage.note)
    try:
        measure_calls(stage, STOPPING, Report())
    finally:
        gc.callbacks.remove(stage.note)
    return stage


def test_no_collection_begins_inside_a_measured_call():
    stage = measured(lambda: [[] for _ in range(10_000)])  # enough objects for a collection a call
    assert stage.collections and not any(stage.collections)
    assert gc.isenabled()


def test_what_a_call_leaves_in_a_cycle_is_freed_before_the_next():
    alive, most = [], []

    def leave_cycle():
        most.append(sum(tensor() is not None for tensor in alive))
        cycle = SimpleNamespace(tensor=torch.ones(8))
        cycle.itself = cycle
        alive.append(weakref.ref(cycle.tensor))

    measured(leave_cycle)
    assert len(most) == CALLS and max(most) == 0


def resident_mib():
    return psutil.Process().memory_info().rss / 2**20


def test_the_collector_is_as_it_was_after_a_call_that_fails():
    def fail():
        raise ValueError

    with pytest.raises(ValueError):
        measured(fail)
    assert gc.isenabled()


def test_a_collector_that_was_off_stays_off():
    gc.disable()
    try:
        measured(lambda: None)
        with importing():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_libraries_are_imported_without_the_collector():
    collections = []
    gc.callbacks.append(lambda phase, info: collections.append(phase))
    try:
        with importing():
            [[] for _ in range(10_000)]
    finally:
        gc.callbacks.pop()
    assert not collections and gc.isenabled()


def test_what_was_there_before_the_calls_is_freed_with_its_stage():
    """A pipeline is a cycle: frozen while its calls are measured, it must not outlive its stage."""
    pipeline = SimpleNamespace(weights=torch.ones(8))
    pipeline.itself, weights = pipeline, weakref.ref(pipeline.weights)
    measured(lambda: None)
    del pipeline
    assert weights() is not None
    free_stage(torch.device("cpu"), compiled=False)
    assert weights() is None


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="the C library cannot give memory back")
def test_the_next_stage_does_not_begin_with_the_memory_of_the_one_before():
    """Small blocks stay in the heap of the C library, below one that is still used."""
    weights = [torch.ones(4000) for _ in range(8000)]  # 128 MiB
    last, full_mib = torch.ones(4000), resident_mib()
    del weights
    free_stage(torch.device("cpu"), compiled=False)
    assert resident_mib() < full_mib - 100 and last[0] == 1


def test_twenty_calls_of_a_pipeline_take_no_more_memory_than_one():
    definition = resolve("sd-txt2img", 1, "eager", "random", "tiny")
    stage = Stage({**definition["stages"][0], "steps": 2}, definition, torch.device("cpu"), torch.float32)
    for _ in range(3):
        stage.call()
    before_mib = resident_mib()
    assert len(measure_calls(stage, STOPPING, Report())) == CALLS
    assert resident_mib() - before_mib < 16
