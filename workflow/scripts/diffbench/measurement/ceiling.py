"""What a device can do at most, measured as a user could: a large matrix product and a large copy."""

import statistics
import traceback

import torch

from diffbench.mechanisms.dtype import arithmetic
from diffbench.vocabulary.errors import Unsupported

from .timer import clock_s

REPEAT_S, LEAST = 1.0, 3  # how long a product or a copy is repeated, and how often at the least
LONGEST_S = 1.0  # a product that would take longer is left out
SIZES = {
    "cuda": (8192, 16384),
    "cpu": (1024, 2048, 4096, 8192),
}  # of the square matrices; devices differ in what suits them
COPY_BYTES = {"cuda": 2**31, "cpu": 2**29}  # far more than any cache holds: 50 MiB on an H200, 384 MiB on large CPUs


def matmul_flop(size):
    """Floating-point operations of a product of two square matrices: a multiplication and an addition for each term."""
    return 2 * size**3


def median_s(work, device):
    """Median seconds of `work()`, repeated for REPEAT_S after one call that counts as warm-up.

    The median and not the fastest: a ceiling is what the device can sustain, with the clock that its power limit leaves it.
    """
    work()
    start_s = clock_s(device)
    edges = [start_s]
    while len(edges) <= LEAST or edges[-1] - start_s < REPEAT_S:
        work()
        edges.append(clock_s(device))
    return statistics.median(end - begin for begin, end in zip(edges, edges[1:]))


def matmul_tflops(device, dtype):
    """TFLOP/s of a matrix product in `dtype`: the best of SIZES.

    The matrices are random: constant ones cost a GPU less power, so that its clock stays higher than any model's would
    (H. He 2024, "Strangely, matrix multiplications on GPUs run faster when given 'predictable' data").
    """
    best, seconds = 0.0, 0.0
    for size in SIZES.get(device.type, SIZES["cpu"]):
        if 8 * seconds > LONGEST_S:  # twice the size: eight times the work
            break
        try:
            one, other = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
            product = torch.empty_like(one)
            seconds = median_s(lambda: torch.mm(one, other, out=product), device)  # noqa: B023 (called at once)
        except RuntimeError:
            if not best:
                raise
            break  # too large for what memory there is
        best = max(best, matmul_flop(size) / seconds / 1e12)
    return best


def copy_gib_per_second(device, dtype):
    """GiB/s of a copy within the device's memory, bytes read and bytes written counted (as STREAM does; McCalpin 1995)."""
    element_bytes = torch.empty(0, dtype=dtype).element_size()
    copied_bytes = COPY_BYTES.get(device.type, COPY_BYTES["cpu"])
    source = torch.ones(copied_bytes // element_bytes, dtype=dtype, device=device)
    target = torch.ones_like(source)  # written to once: memory that nobody has touched is not there yet
    return 2 * copied_bytes / 2**30 / median_s(lambda: target.copy_(source), device)


def ceiling_columns(device, name):
    """The columns `dtype` (`name`, which may be tf32), `matmul_tflops` and `copy_gib_per_second`; a limit is None where this
    torch or device cannot do it, or finds too little memory: its cells have their own statuses, and no share of a ceiling."""
    columns = {"dtype": name}
    for column, measure in (("matmul_tflops", matmul_tflops), ("copy_gib_per_second", copy_gib_per_second)):
        try:
            with arithmetic(name, device) as dtype:
                columns[column] = measure(device, dtype)
        except (RuntimeError, Unsupported):
            traceback.print_exc()
            columns[column] = None
    return columns
