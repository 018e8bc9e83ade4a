"""Graphs, graph breaks and recompilations, counted on modules that dynamo compiles for real."""

import subprocess

import pytest
import torch

from diffbench.measurement.compile_counters import Graphs, check_graphs, stop_compile_workers
from diffbench.vocabulary.errors import Invalid


class Plain(torch.nn.Module):
    def forward(self, value):
        return value * 2 + 1


class Breaking(torch.nn.Module):
    def forward(self, value):
        value = value * 2
        torch._dynamo.graph_break()
        return value + 1


@pytest.fixture
def watched():
    """A function that compiles modules and counts what they compile from then on."""
    torch._dynamo.reset()

    def watch(*modules):
        compiled = [torch.compile(module, backend="eager", dynamic=False) for module in modules]
        graphs = Graphs()
        graphs.watch({f"module{number}": module for number, module in enumerate(compiled)})
        return graphs, *compiled

    yield watch
    torch._dynamo.reset()


def test_two_modules_are_two_graphs_and_no_recompilation(watched):
    graphs, first, second = watched(Plain(), Breaking())
    for _ in range(2):
        first(torch.ones(2))
    assert graphs.columns() == {"graphs": 1, "graph_breaks": 0, "recompilations": 0}
    for _ in range(2):
        second(torch.ones(2))
    columns = graphs.columns()
    assert (columns["graphs"], columns["recompilations"]) == (3, 0)
    assert columns["graph_breaks"] >= 1
    assert check_graphs(graphs) == "graphs: 1 of module0, 2 of module1"


def test_what_was_compiled_before_counts_for_nothing(watched):
    """A pipeline's second stage does not print the first one's graphs and breaks."""
    _, first = watched(Breaking())
    first(torch.ones(2))
    graphs, second = watched(Plain())
    second(torch.ones(2))
    assert graphs.columns() == {"graphs": 1, "graph_breaks": 0, "recompilations": 0}


def test_another_shape_is_a_recompilation_and_after_the_warm_up_it_is_invalid(watched):
    graphs, module = watched(Plain())
    module(torch.ones(2))
    module(torch.ones(3))
    assert graphs.columns()["recompilations"] == 1
    check_graphs(graphs)
    module(torch.ones(4))
    with pytest.raises(Invalid, match="1 recompilation"):
        check_graphs(graphs)


def test_a_module_that_was_never_called_is_invalid(watched):
    graphs, module, _ = watched(Plain(), Breaking())
    module(torch.ones(2))
    graphs.columns()
    with pytest.raises(Invalid, match="compiles module1, but it was never called"):
        check_graphs(graphs)


def test_a_module_that_compiled_nothing_is_invalid():
    graphs, module = Graphs(), Plain()
    graphs.watch({"unet": module})
    module(torch.ones(2))
    graphs.columns()
    with pytest.raises(Invalid, match="compiles unet, but no graph was compiled for it"):
        check_graphs(graphs)


def test_a_compiling_process_that_does_not_end_loses_no_measurement(monkeypatch, capsys):
    async_compile = pytest.importorskip("torch._inductor.async_compile")
    stopped = []

    def wait_in_vain():
        stopped.append(1)
        raise subprocess.TimeoutExpired("worker", 300)

    monkeypatch.setattr(async_compile, "shutdown_compile_workers", wait_in_vain)
    stop_compile_workers()
    assert stopped and "timed out after 300 seconds" in capsys.readouterr().err
