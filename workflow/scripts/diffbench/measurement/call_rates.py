"""The rate columns of a row, from the samples of its calls."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy

from diffbench.vocabulary.errors import Invalid

from .stopping import half_width

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from .timer import CallSample


def rate_of(sample: CallSample) -> float:
    """Iterations per second of one call. Raises Invalid if it had none."""
    if not sample.iterations or sample.loop_s <= 0:
        raise Invalid("the pipeline's progress bar did not tick: no iterations to count")
    return sample.iterations / sample.loop_s


def summarize_calls(samples: Sequence[CallSample], batch_size: int) -> dict[str, Any]:
    """The rate columns of a row: medians over the measured calls."""
    rates = list(map(rate_of, samples))
    q1, median, q3 = (
        float(value) for value in numpy.percentile([sample.latency_s for sample in samples], [25, 50, 75])
    )
    denoiser_rate = float(numpy.median([sample.denoiser_calls / sample.loop_s for sample in samples]))
    width = 100 * half_width(rates)
    return {
        "calls": len(samples),
        "half_width_percent": width if width < float("inf") else None,
        "iterations": samples[-1].iterations,
        "denoiser_calls": samples[-1].denoiser_calls,
        "iterations_per_second": float(numpy.median(rates)),
        "denoiser_calls_per_second": denoiser_rate,
        "images_per_second": batch_size / median,
        "latency_s": median,
        "latency_q1_s": q1,
        "latency_q3_s": q3,
    }


def startup_columns(samples: Sequence[CallSample], latency_s: float, compiled: bool) -> dict[str, float | None]:
    """How many seconds longer the calls before the measured ones took than the same number of measured calls, and the first
    call's part of that if the variant compiles. Noise can make either negative."""
    beyond = [sample.latency_s - latency_s for sample in samples]
    return {"startup_s": sum(beyond), "compile_s": beyond[0] if compiled else None}
