"""What a trace says of a denoising loop."""

import re

import pytest
import torch
from gaps import busy_and_gaps, describe, traced_call

from diffbench.catalogue.definition import resolve
from diffbench.measurement.stage import Stage
from diffbench.measurement.timer import TimedLoop


@pytest.mark.parametrize(
    ("spans", "share", "gaps"),
    [
        ([], 0.0, []),
        ([(0, 100)], 1.0, []),
        ([(10, 20), (30, 40)], 0.2, [10]),
        ([(30, 40), (10, 20), (15, 25)], 0.25, [5]),
        ([(10, 50), (20, 30), (60, 70)], 0.5, [10]),
        ([(-20, 10), (90, 130)], 0.2, [80]),
        ([(200, 300)], 0.0, []),
    ],
)
def test_kernels_that_overlap_count_once_and_what_is_outside_the_loop_does_not(spans, share, gaps):
    assert busy_and_gaps(spans, 0, 100) == (pytest.approx(share), gaps)


def test_a_traced_call_tells_of_its_loop_and_leaves_nothing_behind():
    definition = resolve("sd-txt2img", 1, "eager", "random", "tiny")
    stage = Stage(definition["stages"][0], definition, torch.device("cpu"), torch.float32)
    before = TimedLoop.__enter__, TimedLoop.__exit__, stage.pipeline.scheduler.step
    first, waits, last = describe(traced_call(stage, [torch.profiler.ProfilerActivity.CPU]))
    loop_ms, percent = map(float, re.match(r"loop ([\d.]+) ms; scheduler ([\d.]+)% of it on the host$", first).groups())
    assert loop_ms > 0 and 0 < percent < 100
    assert waits.startswith("waits of the host: ") and last == "no kernels: this device is no GPU"
    assert (TimedLoop.__enter__, TimedLoop.__exit__, stage.pipeline.scheduler.step) == before
