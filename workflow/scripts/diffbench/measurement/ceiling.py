"""The limits of a device, measured as a user could measure them: a large matrix product and a large copy."""

from __future__ import annotations

import statistics
import traceback
from typing import TYPE_CHECKING

import torch

from diffbench.mechanisms.dtype import arithmetic
from diffbench.vocabulary.errors import Unsupported

from .timer import clock_s

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

REPEAT_S, LEAST = 1.0, 3  # how long a product or a copy is repeated, and at least how often
LONGEST_S = 1.0  # a product that would take longer is left out
SIZES = {
    "cuda": (8192, 16384),
    "cpu": (1024, 2048, 4096, 8192),
}  # of the square matrices; devices differ in what suits them
COPY_BYTES = {"cuda": 2**31, "cpu": 2**29}  # much larger than any cache: 50 MiB on an H200, 384 MiB on large CPUs


def matmul_flop(size: int) -> int:
    """Floating-point operations of a product of two square matrices: one multiplication and one addition per term."""
    return 2 * size**3


def median_s(work: Callable[[], object], device: torch.device) -> float:
    """Median seconds of `work()`, repeated for REPEAT_S after one warm-up call.

    The median and not the minimum: a ceiling is what the device can sustain at the clock that its power limit allows.
    """
    work()
    start_s = clock_s(device)
    edges = [start_s]
    while len(edges) <= LEAST or edges[-1] - start_s < REPEAT_S:
        work()
        edges.append(clock_s(device))
    return statistics.median(end - begin for begin, end in zip(edges, edges[1:]))


def matmul_tflops(device: torch.device, dtype: torch.dtype) -> float:
    """TFLOP/s of a matrix product in `dtype`: the best of SIZES.

    The matrices are random: constant ones cost a GPU less power, so that its clock stays higher than any model's would (H.
    He 2024, "Strangely, matrix multiplications on GPUs run faster when given 'predictable' data").
    """
    best, seconds = 0.0, 0.0
    for size in SIZES.get(device.type, SIZES["cpu"]):
        if 8 * seconds > LONGEST_S:  # twice the size: eight times the work
            break
        try:
            left, right = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
            product = torch.empty_like(left)
            seconds = median_s(lambda: torch.mm(left, right, out=product), device)  # noqa: B023 (called at once)
        except RuntimeError:
            if not best:
                raise
            break  # too large for the memory
        best = max(best, matmul_flop(size) / seconds / 1e12)
    return best


def copy_gib_per_second(device: torch.device, dtype: torch.dtype) -> float:
    """GiB/s of a copy within the device's memory, counting bytes read and bytes written (as STREAM does; McCalpin 1995)."""
    element_bytes = torch.empty(0, dtype=dtype).element_size()
    copied_bytes = COPY_BYTES.get(device.type, COPY_BYTES["cpu"])
    source = torch.ones(copied_bytes // element_bytes, dtype=dtype, device=device)
    target = torch.ones_like(source)  # written once: memory is allocated when it is first written
    return 2 * copied_bytes / 2**30 / median_s(lambda: target.copy_(source), device)


def ceiling_columns(device: torch.device, name: str) -> dict[str, Any]:
    """The columns `dtype` (`name`, which may be tf32), `matmul_tflops` and `copy_gib_per_second`. A limit is None if this
    torch or device lacks the dtype, or has too little memory: its cells then have their own statuses, and no share of a
    ceiling."""
    columns: dict[str, Any] = {"dtype": name}
    for column, measure in (("matmul_tflops", matmul_tflops), ("copy_gib_per_second", copy_gib_per_second)):
        try:
            with arithmetic(name, device) as dtype:
                columns[column] = measure(device, dtype)
        except (RuntimeError, Unsupported):
            traceback.print_exc()
            columns[column] = None
    return columns
