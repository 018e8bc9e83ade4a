"""What the compiler did: graphs, graph breaks and recompilations, from dynamo's own counters."""

from diffbench.vocabulary.errors import Invalid, print_traceback


def count_graphs():
    """How many graphs this process has compiled so far."""
    from torch._dynamo.utils import counters

    return counters["stats"]["unique_graphs"]


def count_breaks():
    """How many graph breaks this process has had so far."""
    from torch._dynamo.utils import counters

    return sum(counters["graph_break"].values())


def compile_threads():
    """How many files inductor compiles at a time, at the most."""
    from torch._inductor import config

    return config.compile_threads


class Graphs:
    """What was compiled since this object was made. What a module compiles beyond its first call is a recompilation."""

    def __init__(self):
        self.before, self.breaks_before = count_graphs(), count_breaks()
        self.compiled, self.recompiled = {}, {}

    def watch(self, modules):
        """Count what each call of these modules (name to module), as the variant has left them, compiles."""
        for name, module in modules.items():
            self.compiled[name], self.recompiled[name] = None, 0  # not called yet
            module.register_forward_pre_hook(self.note_start)
            module.register_forward_hook(self.counter_of(name))

    def note_start(self, module, arguments):
        self.at_start = count_graphs()

    def counter_of(self, name):
        def note_end(module, arguments, output):
            more = count_graphs() - self.at_start
            if self.compiled[name] is None:
                self.compiled[name] = more
            else:
                self.recompiled[name] += more

        return note_end

    def of(self, names):
        """How many graphs the modules of these names have compiled."""
        return sum((self.compiled[name] or 0) + self.recompiled[name] for name in names)

    def columns(self):
        """The columns of the row, of what was compiled up to now: the end of the warm-up."""
        self.warm = count_graphs()
        return {
            "graphs": self.warm - self.before,
            "graph_breaks": count_breaks() - self.breaks_before,
            "recompilations": sum(self.recompiled.values()),
        }


def check_graphs(graphs):
    """The evidence that a compiled variant compiled: the graphs of each module.

    Raises Invalid where a module compiled nothing or was never called, or where something was compiled again after the warm-up.
    """
    for name, count in graphs.compiled.items():
        if not count:
            reason = "no graph was compiled for it" if count == 0 else "it was never called"
            raise Invalid(f"the variant compiles {name}, but {reason}")
    again = count_graphs() - graphs.warm
    if again:
        raise Invalid(f"{again} recompilation(s) after the warm-up")
    return "graphs: " + ", ".join(f"{count} of {name}" for name, count in graphs.compiled.items())


def stop_compile_workers():
    """End inductor's worker processes once nothing is left to compile: they would take cores from the measured calls. One that
    does not end is printed, and no reason to lose the measurement."""
    try:
        from torch._inductor.async_compile import shutdown_compile_workers
    except ImportError:  # older releases have none of this name
        return
    try:
        shutdown_compile_workers()
    except Exception as error:  # torch waits for a worker at most 300 s
        print_traceback(error)
