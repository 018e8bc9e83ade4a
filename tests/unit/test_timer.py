"""What a loop's recorder counts and when its clock is read."""

from types import SimpleNamespace

import pytest
import torch

from diffbench.measurement import timer
from diffbench.measurement.timer import LoopRecorder, clock_s, synchronize


@pytest.fixture
def seconds(monkeypatch):
    """A clock that is at 10 s, 20 s, 30 s, ... each time it is read."""
    readings = iter(range(10, 1000, 10))
    monkeypatch.setattr(timer.time, "perf_counter", lambda: next(readings))


def recorder_of(compiled=False, kind="cpu"):
    """The recorder of a pipeline with a denoiser and a VAE."""
    pipeline = SimpleNamespace(unet=torch.nn.Linear(1, 1), vae=torch.nn.Linear(1, 1))
    return LoopRecorder(pipeline, ["unet", "vae"], torch.device(kind), compiled), pipeline


def with_statement(pipeline, steps):
    with pipeline.progress_bar(total=steps) as bar:
        for _ in range(steps):
            bar.update()


def iteration(pipeline, steps):
    assert list(pipeline.progress_bar(range(steps))) == list(range(steps))


@pytest.mark.parametrize("loop", [with_statement, iteration])
def test_a_loop_is_timed_and_counted_however_it_uses_the_progress_bar(seconds, loop):
    recorder, pipeline = recorder_of()
    loop(pipeline, 3)
    assert (recorder.iterations, recorder.loop_s) == (3, 10)
    loop(pipeline, 2)
    assert (recorder.iterations, recorder.loop_s) == (5, 20), "a call may have two loops"
    recorder.reset()
    assert (recorder.iterations, recorder.loop_s, recorder.denoiser_calls) == (0, 0, 0)


def test_of_loops_inside_one_another_the_outer_one_is_timed_and_the_inner_one_counted(seconds):
    """As MarigoldDepthPipeline has them: over the images, and over the steps of each."""
    recorder, pipeline = recorder_of()
    for _ in pipeline.progress_bar(range(3), leave=True, desc="images"):
        for _ in pipeline.progress_bar(range(4), leave=False, desc="steps"):
            pass
    assert (recorder.iterations, recorder.loop_s) == (12, 10)


def test_an_outer_loop_that_counts_before_its_inner_one_begins_gives_way():
    recorder, pipeline = recorder_of()
    with pipeline.progress_bar(total=2) as outer:
        outer.update()
        for _ in pipeline.progress_bar(range(4)):
            pass
        outer.update()
    assert recorder.iterations == 4


def test_a_loop_that_a_call_has_left_in_the_middle_does_not_disturb_the_next_call():
    recorder, pipeline = recorder_of()
    left = iter(pipeline.progress_bar(range(3)))
    next(left)
    recorder.reset()
    iteration(pipeline, 2)
    left.close()
    assert (recorder.iterations, recorder.entered) == (2, [])


def test_an_update_may_be_several_steps():
    recorder, pipeline = recorder_of()
    with pipeline.progress_bar(total=4) as bar:
        bar.update(3)
    assert recorder.iterations == 3


def test_the_bar_is_silent_and_has_the_total_that_pipelines_read(capsys):
    _, pipeline = recorder_of()
    with pipeline.progress_bar(total=4) as bar:
        bar.update()
    assert (bar.total, bar.disable) == (4, True)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("name", ["compiler", "compiler.cudagraph_mark_step_begin"])
def test_a_torch_without_such_marks_is_timed_as_well(monkeypatch, name):
    monkeypatch.delattr(f"torch.{name}")
    monkeypatch.setattr(timer, "synchronize", lambda device: None)
    recorder, pipeline = recorder_of(True, "cuda")
    with_statement(pipeline, 3)
    assert recorder.iterations == 3


def test_calls_of_the_denoiser_alone_are_counted():
    recorder, pipeline = recorder_of()
    for module in (pipeline.unet, pipeline.unet, pipeline.vae):
        module(torch.ones(1))
    assert recorder.denoiser_calls == 2
    recorder.reset()
    assert recorder.denoiser_calls == 0


@pytest.mark.parametrize(("compiled", "kind", "marks"), [(True, "cuda", 4), (True, "cpu", 0), (False, "cuda", 0)])
def test_cuda_graphs_learn_where_each_step_of_compiled_code_begins(monkeypatch, compiled, kind, marks):
    seen = []
    monkeypatch.setattr(torch.compiler, "cudagraph_mark_step_begin", lambda: seen.append(1), raising=False)
    monkeypatch.setattr(timer, "synchronize", lambda device: None)
    _, pipeline = recorder_of(compiled, kind)
    with_statement(pipeline, 3)
    assert len(seen) == marks, "at the entry and after each step"


@pytest.mark.parametrize("kind", ["cuda", "mps", "xpu"])
def test_the_clock_is_read_once_the_device_is_idle(monkeypatch, kind):
    order = []
    monkeypatch.setattr(getattr(torch, kind), "synchronize", lambda *device: order.append(("idle", *device)))
    monkeypatch.setattr(timer.time, "perf_counter", lambda: order.append("read") or 7.0)
    device = torch.device(kind)
    assert clock_s(device) == 7.0
    assert order == [("idle", device) if kind == "cuda" else ("idle",), "read"]


def test_a_cpu_has_nothing_to_wait_for(monkeypatch):
    monkeypatch.setattr(torch.cuda, "synchronize", None)
    synchronize(torch.device("cpu"))
