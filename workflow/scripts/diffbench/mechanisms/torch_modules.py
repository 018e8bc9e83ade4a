"""Small helpers for torch's modules."""

import contextlib


def name_of(module):
    """The name of a module's class."""
    return type(module).__name__


@contextlib.contextmanager
def removing(handles):
    """Remove hooks at the end, even after an error."""
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
