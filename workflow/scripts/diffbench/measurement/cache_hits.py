"""The compiler's cache hits and misses, from torch's own counters."""

from __future__ import annotations

from collections import Counter

COUNTERS = {
    "inductor": ("fxgraph_cache_hit", "fxgraph_cache_miss", "fxgraph_cache_bypass"),
    "aot_autograd": ("autograd_cache_hit", "autograd_cache_miss", "autograd_cache_bypass"),
}


def has_counters() -> bool:
    """Whether this torch caches compiled graphs and counts them: 2.5 and newer, unless it is turned off."""
    try:
        from torch._inductor import config
    except ImportError:
        return False
    return bool(getattr(config, "fx_graph_cache", False))


def read_counters() -> Counter[str]:
    """torch's counters of Inductor's and AOTAutograd's caches, since this process started."""
    from torch._dynamo.utils import counters

    return Counter({name: counters[part][name] for part, names in COUNTERS.items() for name in names})


def hits_and_misses(counted: Counter[str]) -> tuple[int, int]:
    """(graphs taken from the cache, graphs compiled) from the counters' growth.

    A graph in AOTAutograd's cache is loaded through Inductor's cache, or, if it is stored there as a whole, counted by
    AOTAutograd only. A graph that cannot be cached (a bypass) is compiled.
    """
    hits = max(counted["fxgraph_cache_hit"], counted["autograd_cache_hit"])
    misses = counted["fxgraph_cache_miss"] + counted["fxgraph_cache_bypass"]
    if not misses and not counted["fxgraph_cache_hit"]:
        misses = counted["autograd_cache_miss"] + counted["autograd_cache_bypass"]
    return hits, misses


class CompilerCache:
    """Hits and misses since this object was made."""

    def __init__(self) -> None:
        self.before = read_counters() if has_counters() else None

    def columns(self) -> dict[str, int]:
        """The columns of the row; none if this torch does not count."""
        if self.before is None:
            return {}
        hits, misses = hits_and_misses(read_counters() - self.before)
        return {"cache_hits": hits, "cache_misses": misses}
