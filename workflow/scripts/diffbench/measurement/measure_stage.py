"""Measuring one stage: load, first call, warm-up, calls, evidence."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import torch

from diffbench.libraries.failure import forget_failures
from diffbench.mechanisms.dtype import choose_dtype
from diffbench.mechanisms.graph_replays import PromisedGraphs
from diffbench.mechanisms.refusal import refusals
from diffbench.mechanisms.registry import compiles
from diffbench.vocabulary.columns import START_PEAKS

from .cache_hits import CompilerCache
from .call_rates import rate_of, startup_columns, summarize_calls
from .call_size import check_size
from .compile_counters import Graphs, check_graphs, compile_threads, stop_compile_workers
from .evidence_checks import Check, free_memory, verify
from .garbage import collect_all, importing, no_collection
from .memory import peaks_mib, reset_peaks
from .outputs import check_output, save_output
from .session import POLL_S
from .stage import Stage
from .stopping import Stopping, spread_of
from .timer import clock_s
from .unsupported import check_support
from .weights_digest import weights_digest

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from typing import Any

    from .process import Report
    from .timer import CallSample
    from .variant import Variant


def warm_up(stage: Stage, stopping: Stopping, report: Report) -> list[CallSample]:
    """The first call and the warm-up. Returns their samples.

    Raises Invalid as soon as the output of a call is invalid, and Unsupported for what a library refuses to compute.
    """
    report.phase("first-call")
    with refusals(stage.variant.recipe):
        samples = [stage.call(record=True)]
    report.sample("first", 1, samples[0])
    report.values(first_call_s=samples[0].latency_s)
    rate_of(samples[0])
    check_size(stage.outputs.images, stage.size)
    check_output(stage.outputs, stage.batch_size)
    report.phase("warmup")
    while not stopping.is_warm([sample.latency_s for sample in samples]):
        samples.append(stage.call(record=True))
        report.sample("warmup", len(samples), samples[-1])
        check_output(stage.outputs, stage.batch_size)
    report.values(warmup_calls=len(samples))
    spread = spread_of([sample.latency_s for sample in samples])
    report.values(warmup_spread_percent=100 * spread if spread < float("inf") else None)
    return samples


def measure_calls(stage: Stage, stopping: Stopping, report: Report) -> list[CallSample]:
    """The measured calls. Returns their samples."""
    samples: list[CallSample] = []
    rates: list[float] = []
    reason = None
    start_s = time.monotonic()
    with no_collection() as collect:
        while reason is None:
            report.phase(f"call-{len(samples) + 1}")
            samples.append(stage.call())
            report.sample("call", len(samples), samples[-1])
            rates.append(rate_of(samples[-1]))
            collect()
            reason = stopping.why_stop(rates, time.monotonic() - start_s)
    report.values(stopped_by=reason)
    return samples


def measure_stage(
    description: Mapping[str, Any],
    definition: Mapping[str, Any],
    device: torch.device,
    report: Report,
    folder: str | Path,
    shared: Path,
) -> None:
    """Measure one stage. `report` receives every phase, value and sample at once; latents and image of one call are written
    to `folder`; `shared` is a folder of the cell's rounds.

    Raises any exception of the pipeline, Unsupported and Invalid.
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
    if graphs is not None:
        graphs.watch(stage.variant.compiled)
        check_compilation(stage.variant, graphs)

    warmup = warm_up(stage, stopping, report)
    report.values(**{START_PEAKS[name]: value for name, value in peaks_mib(device).items()})
    if graphs is not None and cache is not None:
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


def check_compilation(variant: Variant, graphs: Graphs) -> None:
    """Add the checks of the compilation, before those of the mechanisms. `graphs` are its Graphs, before the first call."""
    checks = [Check("graphs", lambda call: check_graphs(graphs))]
    if variant.graphed:
        promised = PromisedGraphs({name: variant.compiled[name] for name in variant.graphed})
        checks.append(Check("CUDA graphs", lambda call: promised.check(graphs, call)))
    variant.checks[:0] = checks


def free_stage(device: torch.device, compiled: bool) -> None:
    """Free the memory of a stage before the next one is loaded."""
    if compiled:
        torch._dynamo.reset()
    collect_all()
    if device.type == "cuda":
        torch.cuda.empty_cache()
    forget_failures(device)
