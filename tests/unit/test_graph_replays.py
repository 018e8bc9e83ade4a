"""A compile mode that promises CUDA graphs: whether they are there, by replays and by torch's own counter and log."""

from types import SimpleNamespace

import pytest
import torch
from torch._dynamo.utils import counters

from diffbench.catalogue.definition import recipe_of
from diffbench.measurement.measure_stage import check_compilation
from diffbench.measurement.variant import Variant
from diffbench.mechanisms.graph_replays import PromisedGraphs, counts_skips, judge, promises_graphs
from diffbench.vocabulary.errors import Invalid

inductor = pytest.importorskip("torch._inductor.cudagraph_utils")
REASON = "skipping cudagraphs due to mutated inputs (1 instances)"


@pytest.mark.parametrize(
    ("setting", "promised"),
    [
        ({"mode": "reduce-overhead", "fullgraph": True}, True),
        ({"mode": "max-autotune"}, True),
        ({"options": {"triton.cudagraphs": True}}, True),
        ({"backend": "cudagraphs"}, True),
        ({"mode": "max-autotune-no-cudagraphs"}, False),
        ({"mode": "default"}, False),
        ({"options": {"triton.cudagraphs": False}}, False),
        ({"backend": "aot_eager"}, False),
        ({}, False),
    ],
)
def test_which_modes_promise_cuda_graphs(setting, promised):
    assert promises_graphs(setting) is promised


@pytest.mark.parametrize(
    ("variant", "device", "graphed"),
    [
        ("compile", "cuda", ["unet"]),
        ("compile-vae", "cuda", ["unet"]),
        ("compile-cudagraphs", "cuda", ["unet"]),
        ("compile-default", "cuda", []),
        ("compile", "cpu", []),
    ],
)
def test_a_variant_whose_mode_promises_them_is_checked_for_them_first(variant, device, graphed):
    applied = applied_to_a_linear_layer(recipe_of(variant), torch.device(device))
    assert applied.graphed == graphed
    check_compilation(applied, None)
    expected = ["graphs", "CUDA graphs"] if graphed else ["graphs"]
    assert [check.mechanism for check in applied.checks] == [*expected, "attention kernels"]


def applied_to_a_linear_layer(recipe, device):
    """What compiles of a recipe, applied to a pipeline of linear layers. Nothing is compiled before a call."""
    layers = torch.nn.Module()
    layers.decoder = torch.nn.Linear(2, 2)
    pipeline = SimpleNamespace(unet=torch.nn.Linear(2, 2), vae=layers)
    mechanisms = {key: setting for key, setting in recipe.items() if key.startswith("compile")}
    return Variant(pipeline, {"modules": ["unet"]}, mechanisms, device, 1)


class Denoiser(torch.nn.Module):
    """Replays as many CUDA graphs as it is made for."""

    def __init__(self, replays):
        super().__init__()
        self.replays = replays

    def forward(self):
        for _ in range(self.replays):
            torch.cuda.CUDAGraph.replay(None)


@pytest.fixture
def evidence(monkeypatch):
    """The evidence of a denoiser that compiled `graphs` graphs, of which torch skips as many as there are `reasons`."""
    monkeypatch.setattr(torch.cuda.CUDAGraph, "replay", lambda graph: None)

    def look(graphs, replays, reasons):
        denoiser = Denoiser(replays)
        promised = PromisedGraphs({"unet": denoiser})
        for reason in reasons:
            inductor.log_cudagraph_skip_and_bump_counter(reason)
        return promised.check(SimpleNamespace(of=lambda names: graphs), denoiser)

    yield look
    counters["inductor"].pop("cudagraph_skips", None)


@pytest.mark.skipif(not counts_skips(), reason="this torch does not count them")
def test_a_variant_without_any_cuda_graph_is_invalid_with_torchs_reason(evidence):
    with pytest.raises(Invalid, match=r"promises CUDA graphs, but a call of unet replays none: .*mutated inputs"):
        evidence(2, 0, [REASON, REASON])
    with pytest.raises(Invalid, match="a call of unet replays none: torch gives no reason"):
        evidence(1, 0, [])  # as where Inductor partitions a graph and finds no part for them


@pytest.mark.skipif(not counts_skips(), reason="this torch does not count them")
def test_graphs_that_are_skipped_are_counted(evidence):
    assert evidence(5, 3, []) == "CUDA graphs: 5 of 5 graphs (3 replayed in a call of unet)"
    told = evidence(5, 3, [REASON, REASON])
    assert told == f"CUDA graphs: 3 of 5 graphs (3 replayed in a call of unet), skipped: {REASON}"
    assert evidence(5, 3, []) == "CUDA graphs: 5 of 5 graphs (3 replayed in a call of unet)", "of this stage alone"


@pytest.mark.skipif(not counts_skips(), reason="this torch does not count them")
def test_where_the_call_cannot_be_made_all_graphs_skipped_is_invalid_and_anything_else_unknown(monkeypatch):
    def fail():
        raise RuntimeError("CUDA out of memory")

    promised = PromisedGraphs({"unet": Denoiser(1)})
    with pytest.raises(RuntimeError, match="out of memory"):
        promised.check(SimpleNamespace(of=lambda names: 1), fail)
    promised = PromisedGraphs({"unet": Denoiser(1)})
    inductor.log_cudagraph_skip_and_bump_counter(REASON)
    with pytest.raises(Invalid, match="mutated inputs"):
        promised.check(SimpleNamespace(of=lambda names: 1), fail)
    counters["inductor"].pop("cudagraph_skips", None)


def test_a_denoiser_without_graphs_is_invalid_whatever_else_has_some():
    with pytest.raises(Invalid, match="a call of unet replays none: mutated inputs"):
        judge(2, 1, {"unet": 0, "controlnet": 1}, ["mutated inputs"])
    assert "0 replayed in a call of controlnet" in judge(2, 1, {"unet": 1, "controlnet": 0}, ["mutated inputs"])


def test_an_older_torch_that_counts_none_is_not_said_to_have_none():
    told = judge(4, None, {"unet": 4}, [])
    assert "4 replayed in a call of unet" in told and "does not count" in told and "of 4 graphs" not in told
