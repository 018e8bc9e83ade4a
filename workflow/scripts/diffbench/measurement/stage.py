"""Measuring one stage: load, first call, warm-up, calls."""

import time

import numpy
import torch

from diffbench.catalogue.call_arguments import describe_unknown, explicit
from diffbench.catalogue.definition import compiles
from diffbench.libraries.failure import forget_failures
from diffbench.libraries.refusal import refusals
from diffbench.mechanisms.dtype import choose_dtype, precision_evidence
from diffbench.mechanisms.graph_replays import PromisedGraphs
from diffbench.vocabulary.errors import Invalid, SetupError
from diffbench.vocabulary.sizes import NATIVE, dimensions

from .cache_hits import CompilerCache
from .call_size import check_size, size_arguments
from .compile_counters import Graphs, check_graphs, compile_threads, stop_compile_workers
from .evidence_checks import Check, free_memory, verify
from .flops import WorkRecorder
from .garbage import collect_all, importing, no_collection
from .inputs import InputMaker
from .load import load_pipeline, native_image_size
from .memory import peaks_mib, reset_peaks
from .outputs import OutputRecorder, check_output, save_output
from .session import POLL_S
from .stopping import Stopping, half_width, spread_of
from .timer import LoopRecorder, clock_s
from .unsupported import check_support
from .variant import Variant
from .weights_digest import weights_digest

SEED = 0
BATCH_ARGUMENT = "num_images_per_prompt"
RUN_ARGUMENTS = ("num_inference_steps", "generator")


class Stage:
    """One stage on one device: a loaded pipeline, its call's arguments and the recorders of its loop and its output."""

    def __init__(self, description, definition, device, dtype):
        self.device = device
        self.batch_size = definition["batch_size"]
        self.size = definition.get("size", NATIVE)
        call = {**description["call"], **size_arguments(description, self.size)}
        # what is offloaded may be more than the device holds
        place = torch.device("cpu") if "offload" in definition["variant"] else device
        self.pipeline = load_pipeline(description, definition["weights"], place, dtype)
        modules = description["modules"]
        check_description(self.pipeline, description)
        images = image_size(self.pipeline, {**call, **dimensions(self.size)})
        maker = InputMaker(images, self.batch_size, device, dtype)
        self.arguments = {name: maker.make(value) for name, value in call.items()}
        self.arguments["num_inference_steps"] = description["steps"]
        batch_argument = description.get("batch_argument", BATCH_ARGUMENT)
        if batch_argument is not None:  # without one the inputs carry the batch
            self.arguments[batch_argument] = self.batch_size
        self.work = WorkRecorder(self.pipeline, modules)
        precision = precision_evidence(getattr(self.pipeline, modules[0]), definition["variant"])
        self.variant = Variant(self.pipeline, description, definition["variant"], device, self.batch_size)
        self.variant.evidence += [precision] if precision else []
        self.work.watch(self.pipeline)
        self.recorder = LoopRecorder(self.pipeline, modules, device, compiles(definition["variant"]))
        self.outputs = OutputRecorder(self.pipeline, modules)

    def call(self, record=False):
        """One call of the pipeline with the fixed seed. Returns its sample; with `record` (no measured call) what it made is
        looked at and kept."""
        self.outputs.recording = record
        generator = torch.Generator(self.device).manual_seed(SEED)
        self.recorder.reset()
        start_s = clock_s(self.device)
        with self.variant.around_call():
            output = self.pipeline(**self.arguments, generator=generator)
        latency_s = clock_s(self.device) - start_s
        if record:
            self.outputs.images = next(iter(output.values()))
        return {
            "latency_s": latency_s,
            "loop_s": self.recorder.loop_s,
            "iterations": self.recorder.iterations,
            "denoiser_calls": self.recorder.denoiser_calls,
        }


def image_size(pipeline, call):
    """(height, width) in pixels of the call's images: as the call says, else the pipeline's own; None if unknown."""
    native = native_image_size(pipeline)
    size = call.get("height", native), call.get("width", native)
    return None if None in size else size


def check_description(pipeline, description):
    """Raises SetupError where the catalogue names a module that the pipeline lacks, or an argument that its call does."""
    missing = [name for name in description["modules"] if getattr(pipeline, name, None) is None]
    if missing:
        raise SetupError(f"config/pipelines.yaml: modules: {description['class']} has no {missing[0]!r}; mend the name")
    accepted = explicit(pipeline.__call__)
    batch_argument = description.get("batch_argument", BATCH_ARGUMENT)
    places = {**dict.fromkeys([*description["call"], *RUN_ARGUMENTS], "call"), batch_argument: "batch_argument"}
    for name, place in places.items():
        if name is not None and name not in accepted:
            what = describe_unknown(description["class"], name, accepted)
            raise SetupError(f"config/pipelines.yaml: {place}: {what}")


def rate_of(sample):
    """Iterations per second of one call. Raises Invalid where it had none."""
    if not sample["iterations"] or sample["loop_s"] <= 0:
        raise Invalid("the pipeline's progress bar did not tick: no iterations to count")
    return sample["iterations"] / sample["loop_s"]


def summarize_calls(samples, batch_size):
    """The rate columns of a row: medians over the measured calls."""
    rates = list(map(rate_of, samples))
    q1, median, q3 = (
        float(value) for value in numpy.percentile([sample["latency_s"] for sample in samples], [25, 50, 75])
    )
    denoiser_rate = float(numpy.median([sample["denoiser_calls"] / sample["loop_s"] for sample in samples]))
    width = 100 * half_width(rates)
    return {
        "calls": len(samples),
        "half_width_percent": width if width < float("inf") else None,
        "iterations": samples[-1]["iterations"],
        "denoiser_calls": samples[-1]["denoiser_calls"],
        "iterations_per_second": float(numpy.median(rates)),
        "denoiser_calls_per_second": denoiser_rate,
        "images_per_second": batch_size / median,
        "latency_s": median,
        "latency_q1_s": q1,
        "latency_q3_s": q3,
    }


def startup_columns(samples, latency_s, compiled):
    """How much longer the calls before the measured ones took than the same number of these, in seconds, and of that the first
    call's part if the variant compiles. Noise can make either negative."""
    beyond = [sample["latency_s"] - latency_s for sample in samples]
    return {"startup_s": sum(beyond), "compile_s": beyond[0] if compiled else None}


def warm_up(stage, stopping, report):
    """The first call and the warm-up. Returns their samples.

    Raises Invalid as soon as a call makes what must not stand, and Unsupported for what a library refuses to compute.
    """
    report.phase("first-call")
    with refusals(stage.variant.recipe):
        samples = [stage.call(record=True)]
    report.sample("first", 1, samples[0])
    report.values(first_call_s=samples[0]["latency_s"])
    rate_of(samples[0])
    check_size(stage.outputs.images, stage.size)
    check_output(stage.outputs, stage.batch_size)
    report.phase("warmup")
    while not stopping.is_warm([sample["latency_s"] for sample in samples]):
        samples.append(stage.call(record=True))
        report.sample("warmup", len(samples), samples[-1])
        check_output(stage.outputs, stage.batch_size)
    report.values(warmup_calls=len(samples))
    spread = spread_of([sample["latency_s"] for sample in samples])
    report.values(warmup_spread_percent=100 * spread if spread < float("inf") else None)
    return samples


def measure_calls(stage, stopping, report):
    """The measured calls. Returns their samples."""
    samples, rates, why = [], [], None
    start_s = time.monotonic()
    with no_collection() as collect:
        while why is None:
            report.phase(f"call-{len(samples) + 1}")
            samples.append(stage.call())
            report.sample("call", len(samples), samples[-1])
            rates.append(rate_of(samples[-1]))
            collect()
            why = stopping.why_stop(rates, time.monotonic() - start_s)
    report.values(stopped_by=why)
    return samples


def measure_stage(description, definition, device, report, folder, shared):
    """Measure one stage; `report` (see __main__.Report) learns of every phase, value and sample as it comes; latents and
    image of one call go to `folder`; `shared` is a folder of the cell's rounds.

    Raises whatever the pipeline raises, Unsupported and Invalid.
    """
    compiled = compiles(definition["variant"])
    stopping = Stopping(definition["measurement"], device.type)
    reset_peaks(device)
    graphs = Graphs() if compiled else None
    cache = CompilerCache() if compiled else None
    report.phase("load")
    with importing():
        check_support(description, definition["variant"], device)
    dtype = choose_dtype(description, definition["variant"], device)
    start_s = clock_s(device)
    stage = Stage(description, definition, device, dtype)
    report.values(load_s=clock_s(device) - start_s)
    free_memory(device)  # what loading and quantizing left: it would count as held by the warm pipeline
    report.values(weights_digest=weights_digest(description, definition["weights"], stage.pipeline))
    report.values(evidence="; ".join(stage.variant.evidence))
    if compiled:
        graphs.watch(stage.variant.compiled)
        check_compilation(stage.variant, graphs)

    warmup = warm_up(stage, stopping, report)
    report.values(**{f"start_{name}": value for name, value in peaks_mib(device).items()})
    if compiled:
        report.values(**graphs.columns(), **cache.columns(), compile_threads=compile_threads())
        check_graphs(graphs)
        stop_compile_workers()
    save_output(stage.outputs, folder, description["number"])

    reset_peaks(device)
    report.emit("window", edge="start")
    samples = measure_calls(stage, stopping, report)
    report.emit("window", edge="end")
    time.sleep(2 * POLL_S)  # for the parent to see the end
    report.values(**peaks_mib(device))
    rates = summarize_calls(samples, stage.batch_size)
    report.values(**startup_columns(warmup, rates["latency_s"], compiled))
    report.values(**rates)

    report.phase("evidence")  # the numbers stand: from here on they can only turn out invalid
    verify(stage.variant, stage.call, report)
    if "quantization" not in definition["variant"]:
        report.values(**stage.work.columns_once(shared / f"work-{description['number']}.json"))


def check_compilation(variant, graphs):
    """Add the checks of what was compiled, before those of the mechanisms. `graphs` are its Graphs, before the first call."""
    checks = [Check("graphs", lambda call: check_graphs(graphs))]
    if variant.graphed:
        promised = PromisedGraphs({name: variant.compiled[name] for name in variant.graphed})
        checks.append(Check("CUDA graphs", lambda call: promised.check(graphs, call)))
    variant.checks[:0] = checks


def release(device, compiled):
    """Give back what a stage held, so that the next one starts alone."""
    if compiled:
        torch._dynamo.reset()
    collect_all()
    if device.type == "cuda":
        torch.cuda.empty_cache()
    forget_failures(device)
