"""Graphs, graph breaks and recompilations, from dynamo's own counters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from diffbench.vocabulary.errors import Invalid, print_traceback

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    import torch


def count_graphs() -> int:
    """The number of graphs that this process has compiled."""
    from torch._dynamo.utils import counters

    return counters["stats"]["unique_graphs"]


def count_breaks() -> int:
    """The number of graph breaks in this process."""
    from torch._dynamo.utils import counters

    return sum(counters["graph_break"].values())


def compile_threads() -> int | None:
    """The maximum number of files that inductor compiles at the same time."""
    from torch._inductor import config

    return config.compile_threads


class Graphs:
    """The graphs compiled since this object was made. Graphs that a module compiles after its first call are
    recompilations."""

    def __init__(self) -> None:
        self.before, self.breaks_before = count_graphs(), count_breaks()
        self.compiled: dict[str, int | None] = {}  # None: not called yet
        self.recompiled: dict[str, int] = {}

    def watch(self, modules: Mapping[str, torch.nn.Module]) -> None:
        """Count the graphs that each call of these modules (name to module) compiles, as the variant has left them."""
        for name, module in modules.items():
            self.compiled[name], self.recompiled[name] = None, 0
            module.register_forward_pre_hook(self.note_start)
            module.register_forward_hook(self.counter_of(name))

    def note_start(self, module: torch.nn.Module, arguments: Any) -> None:
        self.at_start = count_graphs()

    def counter_of(self, name: str) -> Callable[..., None]:
        def note_end(module: torch.nn.Module, arguments: Any, output: Any) -> None:
            more = count_graphs() - self.at_start
            if self.compiled[name] is None:
                self.compiled[name] = more
            else:
                self.recompiled[name] += more

        return note_end

    def of(self, names: Iterable[str]) -> int:
        """The number of graphs that the modules of these names have compiled."""
        return sum((self.compiled[name] or 0) + self.recompiled[name] for name in names)

    def columns(self) -> dict[str, int]:
        """The columns of the row, for the graphs compiled so far: up to the end of the warm-up."""
        self.warm = count_graphs()
        return {
            "graphs": self.warm - self.before,
            "graph_breaks": count_breaks() - self.breaks_before,
            "recompilations": sum(self.recompiled.values()),
        }


def check_graphs(graphs: Graphs) -> str:
    """The evidence that a compiled variant compiled: the graphs of each module.

    Raises Invalid if a module compiled nothing or was never called, or if something was compiled again after the warm-up.
    """
    for name, count in graphs.compiled.items():
        if not count:
            reason = "no graph was compiled for it" if count == 0 else "it was never called"
            raise Invalid(f"the variant compiles {name}, but {reason}")
    again = count_graphs() - graphs.warm
    if again:
        raise Invalid(f"{again} recompilation(s) after the warm-up")
    return "graphs: " + ", ".join(f"{count} of {name}" for name, count in graphs.compiled.items())


def stop_compile_workers() -> None:
    """End inductor's worker processes after the last compilation, because they would take cores from the measured calls. A
    failure is printed and does not lose the measurement."""
    try:
        from torch._inductor.async_compile import shutdown_compile_workers
    except ImportError:  # older releases have none of this name
        return
    try:
        shutdown_compile_workers()
    except Exception as error:  # torch waits for a worker at most 300 s
        print_traceback(error)
