"""Python's garbage collector and the measured calls: it runs between them, never inside one."""

import contextlib
import gc


@contextlib.contextmanager
def no_collection():
    """Within it the collector runs only where the yielded function is called: between two calls, outside the clock.

    What is there at the beginning is left out of these collections (gc.freeze), so each takes microseconds. Without them, a cycle
    that holds a tensor would keep its memory until the last call.
    """
    enabled = gc.isenabled()
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        yield gc.collect
    finally:
        gc.unfreeze()
        if enabled:
            gc.enable()
