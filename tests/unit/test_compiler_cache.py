"""What torch's counters say of the compiler's cache."""

from collections import Counter

import pytest
import torch
from torch._dynamo import utils

from diffbench.measurement import cache_hits
from diffbench.measurement.cache_hits import CompilerCache


@pytest.fixture
def counted(monkeypatch):
    """Sets torch's counters of Inductor's and AOTAutograd's caches."""

    def set_counters(inductor=(0, 0, 0), autograd=(0, 0, 0)):
        names = ("hit", "miss", "bypass")
        found = {
            "inductor": Counter({f"fxgraph_cache_{name}": number for name, number in zip(names, inductor)}),
            "aot_autograd": Counter({f"autograd_cache_{name}": number for name, number in zip(names, autograd)}),
        }
        monkeypatch.setattr(utils, "counters", found)

    set_counters()
    monkeypatch.setattr(cache_hits, "has_counters", lambda: True)
    return set_counters


@pytest.mark.parametrize(
    ("inductor", "autograd", "expected"),
    [
        ((0, 0, 0), (0, 0, 0), (0, 0)),
        ((3, 0, 0), (0, 0, 0), (3, 0)),
        ((3, 2, 0), (0, 0, 0), (3, 2)),
        ((3, 2, 1), (0, 9, 9), (3, 3)),
        ((0, 0, 4), (0, 0, 0), (0, 4)),
        ((3, 0, 0), (3, 0, 0), (3, 0)),
        ((0, 0, 0), (3, 0, 0), (3, 0)),
        ((0, 0, 0), (3, 2, 1), (3, 3)),
        ((3, 0, 0), (0, 3, 0), (3, 0)),
        ((0, 2, 0), (0, 2, 0), (0, 2)),
    ],
)
def test_a_graph_is_a_hit_of_either_cache_or_a_miss_of_what_compiles(counted, inductor, autograd, expected):
    cache = CompilerCache()
    counted(inductor, autograd)
    assert tuple(cache.columns().values()) == expected


def test_a_stage_counts_from_its_own_start(counted):
    counted((5, 7, 0))
    cache = CompilerCache()
    assert cache.columns() == {"cache_hits": 0, "cache_misses": 0}
    counted((6, 10, 1))
    assert cache.columns() == {"cache_hits": 1, "cache_misses": 4}


def test_what_only_one_layer_counted_before_the_stage_is_no_part_of_it(counted):
    """An earlier stage was compiled by AOTAutograd alone; this one takes all from Inductor's cache."""
    counted((0, 0, 0), (0, 1, 0))
    cache = CompilerCache()
    counted((3, 0, 0), (3, 1, 0))
    assert cache.columns() == {"cache_hits": 3, "cache_misses": 0}


def test_a_torch_that_does_not_count_leaves_the_columns_empty(counted, monkeypatch):
    monkeypatch.setattr(cache_hits, "has_counters", lambda: False)
    assert CompilerCache().columns() == {}


@pytest.mark.parametrize("on", [True, False])
def test_a_cache_that_is_turned_off_counts_nothing(monkeypatch, on):
    config = pytest.importorskip("torch._inductor.config")
    if not hasattr(config, "fx_graph_cache"):
        pytest.skip(f"torch {torch.__version__} has no such cache")
    with config.patch(fx_graph_cache=on):
        assert cache_hits.has_counters() is on
