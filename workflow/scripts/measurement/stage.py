"""Measuring one stage: load, first call, warm-up, calls."""

import gc
import inspect

import numpy
import torch

from .errors import Invalid, SetupError
from .inputs import make_input
from .load import load_pipeline, native_image_size
from .memory import peaks_mib, reset_peaks
from .support import check_support
from .timer import LoopRecorder, clock_s
from .variant import apply_variant, compiled_graphs, stop_compile_workers

SEED = 0


class Stage:
    """One stage on one device: a loaded pipeline, its call's arguments and the recorder of its loop."""

    def __init__(self, description, definition, device, dtype):
        self.device = device
        self.batch_size = definition["batch_size"]
        self.pipeline = load_pipeline(description, definition["weights"], device, dtype)
        modules = description["modules"]
        check_description(self.pipeline, description)
        image_size = native_image_size(self.pipeline)
        self.arguments = {
            name: make_input(value, image_size, device, dtype) for name, value in description["call"].items()
        }
        self.arguments["num_inference_steps"] = description["steps"]
        self.arguments[description.get("batch_argument", "num_images_per_prompt")] = self.batch_size
        apply_variant(self.pipeline, modules, definition["variant"])
        self.recorder = LoopRecorder(self.pipeline, modules, device)

    def call(self, check_finite=False):
        """One call of the pipeline with the fixed seed. Returns its sample; keeps its output."""
        self.recorder.check_finite = check_finite
        generator = torch.Generator(self.device).manual_seed(SEED)
        self.recorder.reset()
        start_s = clock_s(self.device)
        output = self.pipeline(**self.arguments, generator=generator)
        latency_s = clock_s(self.device) - start_s
        self.output = output
        return {
            "latency_s": latency_s,
            "loop_s": self.recorder.loop_s,
            "iterations": self.recorder.iterations,
            "denoiser_calls": self.recorder.denoiser_calls,
        }


def check_description(pipeline, description):
    """Raises SetupError where the catalogue names a module that the pipeline lacks, or an argument that its call does."""
    missing = [name for name in description["modules"] if getattr(pipeline, name, None) is None]
    if missing:
        raise SetupError(f"config/pipelines.yaml: modules: {description['class']} has no {missing[0]!r}; mend the name")
    accepted = inspect.signature(pipeline.__call__).parameters
    unknown = [name for name in description["call"] if name not in accepted]
    if unknown and not any(parameter.kind is parameter.VAR_KEYWORD for parameter in accepted.values()):
        raise SetupError(f"config/pipelines.yaml: call: {description['class']} takes no {unknown[0]!r}; mend the name")


def check_output(output, finite):
    """Raises Invalid where the denoiser gave NaN or infinity, or an image of the call holds them or is the same everywhere.

    `finite` is what the recorder saw in a warm-up call: a pipeline turns NaN into black pixels, where it does not show.
    """
    if not finite:
        raise Invalid("the denoiser gave NaN or infinity")
    for image in next(iter(output.values())):
        pixels = image.float().cpu().numpy() if torch.is_tensor(image) else numpy.asarray(image)
        if not numpy.isfinite(pixels).all():
            raise Invalid("the image holds NaN or infinity")
        if pixels.min() == pixels.max():
            raise Invalid("the image is the same everywhere")


def check_graphs(warm, final):
    """Raises Invalid where a compiled variant compiled nothing, or compiled again after its warm-up."""
    if warm == 0:
        raise Invalid("the variant compiles, but no graph was compiled")
    if final > warm:
        raise Invalid(f"{final - warm} recompilation(s) after the warm-up")


def summarize_calls(samples, batch_size):
    """The rate columns of a row: medians over the measured calls.

    Raises Invalid where a call had no iterations: a pipeline that does not use its progress bar cannot be measured.
    """
    if not all(sample["iterations"] and sample["loop_s"] > 0 for sample in samples):
        raise Invalid("the pipeline's progress bar did not tick: no iterations to count")
    latencies = [sample["latency_s"] for sample in samples]
    q1, median, q3 = (float(value) for value in numpy.percentile(latencies, [25, 50, 75]))
    rate = float(numpy.median([sample["iterations"] / sample["loop_s"] for sample in samples]))
    denoiser_rate = float(numpy.median([sample["denoiser_calls"] / sample["loop_s"] for sample in samples]))
    return {
        "calls": len(samples),
        "iterations": samples[-1]["iterations"],
        "denoiser_calls": samples[-1]["denoiser_calls"],
        "iterations_per_second": rate,
        "denoiser_calls_per_second": denoiser_rate,
        "images_per_second": batch_size / median,
        "latency_s": median,
        "latency_q1_s": q1,
        "latency_q3_s": q3,
    }


def measure_stage(description, definition, device, dtype, report):
    """Measure one stage; `report` (see __main__.Report) learns of every phase, value and sample as it comes.

    Raises whatever the pipeline raises, Unsupported and Invalid.
    """
    compiles = "compile" in definition["variant"]
    reset_peaks(device)
    graphs = compiled_graphs() if compiles else 0
    report.phase("load")
    check_support(description, definition["variant"], device)
    start_s = clock_s(device)
    stage = Stage(description, definition, device, dtype)
    report.values(load_s=clock_s(device) - start_s)

    report.phase("first-call")
    first = stage.call(check_finite=True)
    report.sample("first", 1, first)
    report.values(first_call_s=first["latency_s"])
    report.phase("warmup")
    for number in range(2, definition["warmup_calls"] + 1):
        report.sample("warmup", number, stage.call())
    warm = compiled_graphs() - graphs if compiles else 0
    report.values(warmup_calls=definition["warmup_calls"], graphs=warm if compiles else None)
    if compiles:
        stop_compile_workers()

    samples = []
    for number in range(1, definition["calls"] + 1):
        report.phase(f"call-{number}")
        samples.append(stage.call())
        report.sample("call", number, samples[-1])
    report.values(**peaks_mib(device))
    if compiles:
        check_graphs(warm, compiled_graphs() - graphs)
    check_output(stage.output, stage.recorder.finite)
    rates = summarize_calls(samples, stage.batch_size)
    if compiles:
        report.values(compile_s=max(0.0, first["latency_s"] - rates["latency_s"]))
    report.values(**rates)


def release(device, compiled):
    """Give back what a stage held, so that the next one starts alone."""
    if compiled:
        torch._dynamo.reset()
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
