"""What the compiler took from its cache, from torch's own counters."""


def has_counters():
    """Whether this torch caches compiled graphs, and counts it: 2.5 and newer, unless it is turned off."""
    try:
        from torch._inductor import config
    except ImportError:
        return False
    return bool(getattr(config, "fx_graph_cache", False))


def count():
    """(graphs taken from the cache, graphs compiled) of this process so far.

    A graph that AOTAutograd's cache has is loaded through Inductor's, or, if it is stored there as a whole, counted by
    AOTAutograd alone. One that cannot be cached (a bypass) is compiled.
    """
    from torch._dynamo.utils import counters

    inductor, autograd = counters["inductor"], counters["aot_autograd"]
    hits = max(inductor["fxgraph_cache_hit"], autograd["autograd_cache_hit"])
    misses = inductor["fxgraph_cache_miss"] + inductor["fxgraph_cache_bypass"]
    if not misses and not inductor["fxgraph_cache_hit"]:
        misses = autograd["autograd_cache_miss"] + autograd["autograd_cache_bypass"]
    return hits, misses


class CompilerCache:
    """Hits and misses since this object was made."""

    def __init__(self):
        self.before = count() if has_counters() else None

    def columns(self):
        """The columns of the row; nothing where this torch does not count."""
        if self.before is None:
            return {}
        hits, misses = (now - before for now, before in zip(count(), self.before))
        return {"cache_hits": hits, "cache_misses": misses}
