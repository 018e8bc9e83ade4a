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


class Graphs:
    """What was compiled since this object was made. What a module compiles beyond its first call is a recompilation."""

    def __init__(self):
        self.before, self.breaks_before = count_graphs(), count_breaks()
        self.recompilations, self.called = 0, set()

    def watch(self, pipeline, modules):
        """Count what each call of these modules, as the variant has left them, compiles."""
        for name in modules:
            getattr(pipeline, name).register_forward_pre_hook(self.note_start)
            getattr(pipeline, name).register_forward_hook(self.note_end)

    def note_start(self, module, arguments):
        self.at_start = count_graphs()

    def note_end(self, module, arguments, output):
        if id(module) in self.called:
            self.recompilations += count_graphs() - self.at_start
        self.called.add(id(module))

    def columns(self):
        """The columns of the row, of what was compiled up to now: the end of the warm-up."""
        self.warm = count_graphs()
        return {
            "graphs": self.warm - self.before,
            "graph_breaks": count_breaks() - self.breaks_before,
            "recompilations": self.recompilations,
        }


def check_graphs(graphs):
    """Raises Invalid where a compiled variant compiled nothing, or compiled again after its warm-up."""
    if graphs.warm == graphs.before:
        raise Invalid("the variant compiles, but no graph was compiled")
    again = count_graphs() - graphs.warm
    if again:
        raise Invalid(f"{again} recompilation(s) after the warm-up")


def stop_compile_workers():
    """End inductor's worker processes once nothing is left to compile: they would take cores from the measured calls."""
    try:
        from torch._inductor.async_compile import shutdown_compile_workers
    except ImportError:  # older releases have none of this name
        return
    shutdown_compile_workers()
