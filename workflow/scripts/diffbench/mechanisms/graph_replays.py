"""The check of a compile mode that promises CUDA graphs: the number of replays, and the graphs that Inductor left out."""

import contextlib
import logging
import re

from diffbench.vocabulary.errors import Invalid, one_line

from .denoiser_calls import run_step

MODES = ("reduce-overhead", "max-autotune")
# where newer and older releases of torch log why a graph was left out
LOGGERS = ("cudagraph_utils.__cudagraphs", "cudagraph_utils.__perf_hints", "compile_fx.__perf_hints")


def promises_graphs(setting):
    """Whether torch.compile with these arguments makes CUDA graphs of the code that it compiles for a CUDA device."""
    backend = setting.get("backend", "inductor")
    chosen = setting.get("mode") in MODES or (setting.get("options") or {}).get("triton.cudagraphs")
    return backend == "cudagraphs" or (backend == "inductor" and bool(chosen))


def count_skips():
    """How many graphs this process has left without a CUDA graph so far, according to Inductor's counter."""
    from torch._dynamo.utils import counters

    return counters["inductor"]["cudagraph_skips"]


def counts_skips():
    """Whether this torch counts them; older releases only log them. Call it after Inductor has compiled: this imports it."""
    try:
        from torch._inductor import cudagraph_utils
    except ImportError:
        return False
    return hasattr(cudagraph_utils, "log_cudagraph_skip_and_bump_counter")


class Reasons(logging.Handler):
    """Keeps what Inductor logs when it leaves a graph without a CUDA graph."""

    def __init__(self):
        super().__init__(logging.WARNING)
        self.texts = []
        for name in LOGGERS:
            logging.getLogger(f"torch._inductor.{name}").addHandler(self)

    def emit(self, record):
        text = one_line(record.getMessage(), 120)
        if text not in self.texts and re.search("cuda ?graph", text, re.I):
            self.texts.append(text)

    def close(self):
        for name in LOGGERS:
            logging.getLogger(f"torch._inductor.{name}").removeHandler(self)
        super().close()


@contextlib.contextmanager
def counting_replays():
    """A list that grows by one with each replay of a CUDA graph."""
    import torch

    plain, replays = torch.cuda.CUDAGraph.replay, []

    def replay(graph):
        replays.append(1)
        return plain(graph)

    torch.cuda.CUDAGraph.replay = replay
    try:
        yield replays
    finally:
        torch.cuda.CUDAGraph.replay = plain


def replays_of(module, call):
    """How many CUDA graphs the module's first call in a call of the pipeline replays; the pipeline's call then ends."""
    before = []
    with counting_replays() as replays:
        run_step(module, call, lambda: before.append(len(replays)))
        return len(replays) - before[0] if before else 0


def judge(graphs, skips, replays, reasons):
    """The evidence for CUDA graphs. `graphs` were compiled; Inductor left out `skips` of them (None if it does not count them);
    `replays` maps a module to the number of graphs that one call of it replays; `reasons` are torch's.

    Raises Invalid if a call of the first module, which is the denoiser if that is compiled, replays none.
    """
    import torch

    reason = ", ".join(reasons).replace(";", ",") or "torch gives no reason"
    called = next(iter(replays))
    if not replays[called]:
        raise Invalid(f"the compile mode promises CUDA graphs, but a call of {called} replays none: {reason}")
    seen = ", ".join(f"{count} replayed in a call of {name}" for name, count in replays.items())
    if skips is None:
        return f"CUDA graphs: {seen}; torch {torch.__version__} does not count the graphs that it leaves out"
    made = f"CUDA graphs: {max(graphs - skips, 0)} of {graphs} graphs ({seen})"
    return f"{made}, skipped: {reason}" if skips else made


class PromisedGraphs:
    """Checks the CUDA graphs that the compile mode promises for `modules` (name to module). Made before the first call."""

    def __init__(self, modules):
        self.modules, self.before, self.reasons = modules, count_skips(), Reasons()

    def check(self, graphs, call):
        """The evidence; `graphs` are the Graphs of the variant. Raises Invalid if no CUDA graph is used."""
        compiled, skips = graphs.of(self.modules), count_skips() - self.before if counts_skips() else None
        try:
            replays = {name: replays_of(module, call) for name, module in self.modules.items()}
        except Exception:
            if skips is None or skips < compiled:
                raise
            replays = dict.fromkeys(self.modules, 0)  # all were left out: replays need not be counted
        finally:
            self.reasons.close()
        return judge(compiled, skips, replays, self.reasons.texts)
