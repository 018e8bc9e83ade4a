"""What the compiler did: graphs, graph breaks and recompilations, from dynamo's own counters."""

from .errors import Invalid


def count_graphs():
    """How many graphs this process has compiled so far."""
    from torch._dynamo.utils import counters

    return counters["stats"]["unique_graphs"]


def count_breaks():
    """How many graph breaks this process has had so far."""
    from torch._dynamo.utils import counters

    return sum(counters["graph_break"].values())


def count_recompilations():
    """How often a frame was compiled beyond its first time; None where this release does not count them (torch 2.0)."""
    from torch._dynamo import convert_frame

    counter = getattr(convert_frame, "FRAME_COMPILE_COUNTER", None)
    return None if counter is None else sum(count - 1 for count in counter.values())


class Graphs:
    """What was compiled since this object was made."""

    def __init__(self):
        self.before = self.count()

    def count(self):
        return {"graphs": count_graphs(), "graph_breaks": count_breaks(), "recompilations": count_recompilations()}

    def columns(self):
        """The columns of the row, of what was compiled up to now."""
        return {name: None if value is None else value - self.before[name] for name, value in self.count().items()}

    def warm(self):
        """Remember how many graphs there are at the end of the warm-up."""
        self.warm_graphs = count_graphs()


def check_graphs(graphs):
    """Raises Invalid where a compiled variant compiled nothing, or compiled again after its warm-up."""
    if graphs.warm_graphs == graphs.before["graphs"]:
        raise Invalid("the variant compiles, but no graph was compiled")
    again = count_graphs() - graphs.warm_graphs
    if again:
        raise Invalid(f"{again} recompilation(s) after the warm-up")


def stop_compile_workers():
    """End inductor's worker processes once nothing is left to compile: they would take cores from the measured calls."""
    try:
        from torch._inductor.async_compile import shutdown_compile_workers
    except ImportError:  # older releases have none of this name
        return
    shutdown_compile_workers()
