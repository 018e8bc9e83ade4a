"""The synchronized clock, around a call and around the denoising loop inside it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from tqdm import tqdm

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class CallSample(NamedTuple):
    """The timings and counts of one call."""

    latency_s: float
    loop_s: float
    iterations: int
    denoiser_calls: int


def synchronize(device: torch.device) -> None:
    """Wait until the device has completed all queued work."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type != "cpu":
        getattr(torch, device.type).synchronize()


def clock_s(device: torch.device) -> float:
    """Seconds on a monotonic clock, read after synchronizing the device."""
    synchronize(device)
    return time.perf_counter()


class LoopRecorder:
    """Counts iterations and times the denoising loop at the pipeline's own `progress_bar`, and counts denoiser calls.

    The loop lasts from the synchronized entry of the progress bar to its synchronized exit; every Diffusers release has
    one, as context manager (`with self.progress_bar(total=n) as bar`) or as iterator (`for t in self.progress_bar(ts)`). Of
    nested bars (Marigold: images, and the steps of each) the outermost is timed and the innermost counted.
    """

    def __init__(self, pipeline: Any, modules: Sequence[str], device: torch.device, compiled: bool) -> None:
        self.device, self.compiled = device, compiled
        self.reset()
        pipeline.progress_bar = self.progress_bar
        denoiser = getattr(pipeline, modules[0])
        denoiser.register_forward_pre_hook(self.count_denoiser_call)

    def reset(self) -> None:
        """Clear the records before a call."""
        self.iterations = 0
        self.denoiser_calls = 0
        self.loop_s = 0.0
        self.entered: list[TimedLoop] = []  # the loops, the outermost first

    def count_denoiser_call(self, module: torch.nn.Module, arguments: Any) -> None:
        self.denoiser_calls += 1

    def mark_step(self) -> None:
        """Mark the beginning of a denoising step for CUDA graphs: the outputs of earlier steps may then be overwritten.
        Within a step they may not: guidance with two denoiser calls per step needs the first output after the second call."""
        begin = getattr(getattr(torch, "compiler", None), "cudagraph_mark_step_begin", None)
        # it imports inductor, whose import time must not count for a variant that does not compile
        if self.compiled and begin and self.device.type == "cuda":
            begin()

    def progress_bar(self, iterable: Any = None, total: int | None = None, **options: Any) -> TimedLoop:
        """Replaces `DiffusionPipeline.progress_bar`, and those of pipelines that pass more `options` to tqdm."""
        return TimedLoop(self, iterable, total)


class TimedLoop(tqdm):
    """A silent progress bar that reports to a LoopRecorder."""

    def __init__(self, recorder: LoopRecorder, iterable: Any, total: int | None) -> None:
        super().__init__(iterable, total=total, disable=True)
        self.recorder, self.has_inner, self.counted = recorder, False, 0

    def __enter__(self) -> TimedLoop:
        self.recorder.mark_step()
        if self.recorder.entered:
            self.recorder.entered[-1].give_way()
        else:
            self.start_s = clock_s(self.recorder.device)
        self.recorder.entered.append(self)
        return self

    def __exit__(self, *exception: Any) -> None:
        others = [loop for loop in self.recorder.entered if loop is not self]  # tqdm defines its own ==
        was_entered = len(others) < len(self.recorder.entered)  # else a call before has left it in the middle
        self.recorder.entered = others
        if was_entered and not others:
            self.recorder.loop_s += clock_s(self.recorder.device) - self.start_s

    def give_way(self) -> None:
        """Called when an inner loop begins: its iterations count, and those of this loop do not."""
        self.recorder.iterations -= self.counted
        self.has_inner, self.counted = True, 0

    def __iter__(self) -> Iterator[Any]:
        with self:
            for item in self.iterable:
                yield item
                self.update()

    def update(self, n: int = 1) -> None:
        if not self.has_inner:
            self.counted += n
            self.recorder.iterations += n
        self.recorder.mark_step()
