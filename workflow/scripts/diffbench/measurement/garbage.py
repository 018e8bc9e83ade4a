"""Python's garbage collector: it leaves the libraries' objects alone, and never runs inside a measured call.

Torch, Diffusers and Transformers leave some 400,000 objects. They are never garbage, and to look through them takes a quarter of
a second each time, so they are frozen (gc.freeze).
"""

import contextlib
import ctypes
import gc


@contextlib.contextmanager
def importing():
    """Within it libraries are imported without the collector; what they leave is frozen."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if enabled:
            gc.enable()


@contextlib.contextmanager
def no_collection():
    """Within it the collector runs only where the yielded function is called: between two calls, outside the clock.

    What is there at the beginning is frozen until `collect_all`, so each collection takes microseconds. Without these, a cycle
    that holds a tensor would keep its memory until the last call.
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


def collect_all():
    """Collect whatever is garbage by now, frozen or not."""
    gc.unfreeze()
    collect()


def collect():
    """Collect what is garbage and not frozen, and have the C library give back what its heap holds free: it would count in the
    peak of what comes next."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # of glibc alone
    if trim:
        trim(0)
