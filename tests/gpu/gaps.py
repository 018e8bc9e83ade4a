"""Where the time of a denoising loop goes on a GPU: kernels, the gaps between them, waits of the host, the scheduler.

    python tests/gpu/gaps.py --pipelines sd-txt2img [--variant eager] [--batch-size 1] [--scale full]

One call under torch's profiler, after three without. Profiling slows the host, so that gaps are larger than they are without it:
shares tell causes, and no rate is to be read off them. A good trace has a scheduler below 1% of the loop (bad: above 5%) and no
gaps above 100 us between kernels (Diffusers, examples/profiling). On a CPU there are no kernels, and the host alone is told of.
"""

import argparse
import functools
import sys
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "workflow" / "scripts"))

import torch  # noqa: E402
from torch.autograd import DeviceType  # noqa: E402
from torch.profiler import ProfilerActivity, profile, record_function  # noqa: E402

from diffbench.catalogue.definition import SCALES, resolve  # noqa: E402
from diffbench.measurement.measure_stage import free_stage
from diffbench.measurement.provenance import read_device  # noqa: E402
from diffbench.measurement.stage import Stage
from diffbench.measurement.timer import TimedLoop  # noqa: E402
from diffbench.mechanisms.dtype import choose_dtype  # noqa: E402
from diffbench.mechanisms.registry import compiles  # noqa: E402

LONG_US = 100  # a gap that is bad
LOOP, SCHEDULER = "diffbench loop", "diffbench scheduler"
WAITS = ("cudaStreamSynchronize", "cudaDeviceSynchronize", "cudaEventSynchronize", "aten::_local_scalar_dense")


def busy_and_gaps(spans, start, end):
    """(share of start to end that the spans cover, lengths of what they leave between the first and the last of them), in the
    unit of the (begin, end) of the spans; spans may overlap and lie in any order."""
    inside = sorted((max(begin, start), min(stop, end)) for begin, stop in spans if stop > start and begin < end)
    covered, gaps, reached = 0.0, [], None
    for begin, stop in inside:
        if reached is not None and begin > reached:
            gaps.append(begin - reached)
        covered += max(0.0, stop - (begin if reached is None else max(begin, reached)))
        reached = stop if reached is None else max(reached, stop)
    return (covered / (end - start) if end > start else 0.0), gaps


def traced_call(stage, monitored):
    """The profiler's events of one call of the stage; loop and scheduler steps are marked in them."""
    step, enter, leave = stage.pipeline.scheduler.step, TimedLoop.__enter__, TimedLoop.__exit__
    loops = []

    @functools.wraps(step)  # pipelines ask for its signature
    def marked_step(*arguments, **keys):
        with record_function(SCHEDULER):
            return step(*arguments, **keys)

    def marked_enter(loop):
        entered = enter(loop)
        loops.append(record_function(LOOP))
        loops[-1].__enter__()
        return entered

    def marked_leave(loop, *exception):
        leave(loop, *exception)
        loops.pop().__exit__(None, None, None)

    stage.pipeline.scheduler.step = marked_step
    TimedLoop.__enter__, TimedLoop.__exit__ = marked_enter, marked_leave
    try:
        with profile(activities=monitored) as profiler:
            stage.call()
    finally:
        stage.pipeline.scheduler.step = step
        TimedLoop.__enter__, TimedLoop.__exit__ = enter, leave
    return profiler.events()


def span(event):
    return event.time_range.start, event.time_range.end


def describe(events):
    """Lines on a traced call."""
    on_host = [event for event in events if event.device_type == DeviceType.CPU]
    kernels = [event for event in events if event.device_type != DeviceType.CPU and event.name not in (LOOP, SCHEDULER)]
    start, end = span(next(event for event in on_host if event.name == LOOP))
    inside = [event for event in on_host if start <= event.time_range.start < end]
    scheduler = sum(stop - begin for begin, stop in map(span, (event for event in inside if event.name == SCHEDULER)))
    yield f"loop {(end - start) / 1000:.1f} ms; scheduler {100 * scheduler / (end - start):.1f}% of it on the host"
    waits = Counter(event.name for event in inside if event.name in WAITS)
    yield f"waits of the host: {', '.join(f'{count} x {name}' for name, count in waits.items()) or 'none'}"
    if not kernels:
        yield "no kernels: this device is no GPU"
        return
    share, gaps = busy_and_gaps(list(map(span, kernels)), start, end)
    long = [gap for gap in gaps if gap > LONG_US]
    told = f"{len(gaps)} gaps, {sum(gaps) / 1000:.1f} ms in all; {len(long)} above {LONG_US} us, {sum(long) / 1000:.1f} ms in all"
    yield f"kernels: {len(kernels)}, running {100 * share:.1f}% of the loop; {told}"
    taken = Counter()
    for event in kernels:
        taken[event.name] += event.time_range.end - event.time_range.start
    for name, microseconds in taken.most_common(8):
        yield f"  {microseconds / 1000:8.1f} ms  {name[:110]}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pipelines", nargs="+", required=True, help="names of config/pipelines.yaml")
    parser.add_argument("--variant", default="eager", help="a name of config/variants.yaml")
    parser.add_argument("--batch-size", type=int, default=1)
    parser.add_argument("--scale", choices=SCALES, default="full")
    arguments = parser.parse_args()
    device = torch.device("cuda", 0) if torch.cuda.is_available() else torch.device("cpu")
    monitored = [ProfilerActivity.CPU] + [ProfilerActivity.CUDA] * (device.type == "cuda")
    print(
        f"{read_device(device)['device_name']}, torch {torch.__version__}, scale {arguments.scale}, {arguments.variant}"
    )
    for name in arguments.pipelines:
        definition = resolve(name, arguments.batch_size, arguments.variant, "random", arguments.scale)
        for description in definition["stages"]:
            dtype = choose_dtype(description, definition["variant"], device)
            stage = Stage(description, definition, device, dtype)
            for _ in range(3):
                stage.call()
            print(f"{name}, stage {description['number']}, batch size {arguments.batch_size}:")
            for line in describe(traced_call(stage, monitored)):
                print(f"  {line}", flush=True)
            del stage
            free_stage(device, compiles(definition["variant"]))


if __name__ == "__main__":
    main()
