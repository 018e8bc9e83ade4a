"""The synchronized clock, around a call and around the denoising loop inside it."""

import time

import torch
from tqdm import tqdm


def synchronize(device):
    """Wait until the device has done all that was queued."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type != "cpu":
        getattr(torch, device.type).synchronize()


def clock_s(device):
    """Seconds on a monotonic clock, read once the device is idle."""
    synchronize(device)
    return time.perf_counter()


class LoopRecorder:
    """Counts iterations and times the denoising loop at the pipeline's own `progress_bar`, and counts denoiser calls.

    The loop lasts from the synchronized entry of the progress bar to its synchronized exit; every Diffusers release has
    one, as context manager (`with self.progress_bar(total=n) as bar`) or as iterator (`for t in self.progress_bar(ts)`).
    Of bars inside one another (Marigold: images, and the steps of each) the outermost is timed and the innermost counted.
    """

    def __init__(self, pipeline, modules, device, compiled):
        self.device, self.compiled = device, compiled
        self.reset()
        pipeline.progress_bar = self.progress_bar
        denoiser = getattr(pipeline, modules[0])
        denoiser.register_forward_pre_hook(self.count_denoiser_call)

    def reset(self):
        """Forget what was recorded, before a call."""
        self.iterations = 0
        self.denoiser_calls = 0
        self.loop_s = 0.0
        self.entered = []  # the loops, the outermost first

    def count_denoiser_call(self, module, arguments):
        self.denoiser_calls += 1

    def mark_step(self):
        """Tell CUDA graphs where a denoising step begins: then the outputs of the step before may be overwritten. Within one
        they may not: with guidance by two denoiser calls a step, the first one's output is still needed after the second."""
        begin = getattr(getattr(torch, "compiler", None), "cudagraph_mark_step_begin", None)
        # it imports inductor, whose seconds are none of a variant's that compiles nothing
        if self.compiled and begin and self.device.type == "cuda":
            begin()

    def progress_bar(self, iterable=None, total=None, **options):
        """Takes the place of `DiffusionPipeline.progress_bar`, and of those of pipelines that give tqdm more `options`."""
        return TimedLoop(self, iterable, total)


class TimedLoop(tqdm):
    """A silent progress bar that reports to a LoopRecorder."""

    def __init__(self, recorder, iterable, total):
        super().__init__(iterable, total=total, disable=True)
        self.recorder, self.has_inner, self.counted = recorder, False, 0

    def __enter__(self):
        self.recorder.mark_step()
        if self.recorder.entered:
            self.recorder.entered[-1].give_way()
        else:
            self.start_s = clock_s(self.recorder.device)
        self.recorder.entered.append(self)
        return self

    def __exit__(self, *exception):
        others = [loop for loop in self.recorder.entered if loop is not self]  # tqdm has an == of its own
        was_entered = len(others) < len(self.recorder.entered)  # else a call before has left it in the middle
        self.recorder.entered = others
        if was_entered and not others:
            self.recorder.loop_s += clock_s(self.recorder.device) - self.start_s

    def give_way(self):
        """A loop inside this one begins, whose iterations count: those of this one do not."""
        self.recorder.iterations -= self.counted
        self.has_inner, self.counted = True, 0

    def __iter__(self):
        with self:
            for item in self.iterable:
                yield item
                self.update()

    def update(self, n=1):
        if not self.has_inner:
            self.counted += n
            self.recorder.iterations += n
        self.recorder.mark_step()
