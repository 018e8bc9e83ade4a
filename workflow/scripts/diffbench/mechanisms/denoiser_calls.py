"""Calls of the pipeline that end after the first call of one of its modules, and torch's profile of that first call."""

import contextlib

from .torch_modules import removing


class StepDone(Exception):
    """Ends a call of the pipeline after its first denoiser call."""


def nothing():
    pass


def run_step(module, call, before=nothing):
    """Call the pipeline until the end of the module's first call; `before` is called just before that call."""

    def begin(module, arguments):
        before()

    def end(module, arguments, output):
        raise StepDone

    handles = [module.register_forward_pre_hook(begin), module.register_forward_hook(end)]
    with removing(handles), contextlib.suppress(StepDone):
        call()


def profile_step(module, call):
    """Torch's profile of the module's first call in a call of the pipeline, which then ends."""
    import torch
    from torch.profiler import ProfilerActivity, profile

    gpu = [ProfilerActivity.CUDA] if torch.cuda.is_available() else []
    profiler = profile(activities=[ProfilerActivity.CPU, *gpu])
    started = []

    def start():
        profiler.start()
        started.append(True)

    try:
        run_step(module, call, start)
    finally:
        if started:  # otherwise stopping it would fail, and hide the error
            profiler.stop()
    if not started:
        raise RuntimeError("the denoiser is not called")
    return profiler
