"""Python's garbage collector: it skips the libraries' objects, and never runs inside a measured call.

Torch, Diffusers and Transformers create some 400,000 objects. They are never garbage, and a scan of them takes a quarter of
a second, so they are frozen (gc.freeze).
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@contextlib.contextmanager
def importing() -> Iterator[None]:
    """A context in which libraries are imported without the collector; their objects are then frozen."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if enabled:
            gc.enable()


@contextlib.contextmanager
def no_collection() -> Iterator[Callable[[], int]]:
    """A context in which the collector runs only when the yielded function is called: between two calls, outside the clock.

    Existing objects are frozen until `collect_all`, so that each collection takes microseconds. Without these collections,
    a cycle that contains a tensor would keep its memory until the last call.
    """
    enabled = gc.isenabled()
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        yield gc.collect
    finally:
        if enabled:
            gc.enable()


def collect_all() -> None:
    """Collect all garbage, frozen or not."""
    gc.unfreeze()
    collect()


def collect() -> None:
    """Collect garbage that is not frozen, and make the C library return its free heap: it would count in the next peak."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # of glibc alone
    if trim:
        trim(0)
