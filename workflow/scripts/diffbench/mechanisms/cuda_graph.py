"""CUDA graphs by hand: the denoiser's kernels recorded once for each shape and replayed."""

import torch
from torch.utils._pytree import tree_flatten, tree_map, tree_unflatten

from diffbench.libraries.failure import is_out_of_memory
from diffbench.vocabulary.errors import Invalid, Unsupported, one_line

MOST_GRAPHS = 8  # each has memory of its own
WARMUP_CALLS = 3  # on a side stream before the recording, as torch's documentation on CUDA graphs has it


class Graph:
    """One recorded call: static inputs and outputs around a CUDA graph."""

    def __init__(self, forward, leaves, structure, device):
        self.inputs = [leaf.to(device).clone() if torch.is_tensor(leaf) else leaf for leaf in leaves]
        arguments, keys = tree_unflatten(self.inputs, structure)
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(WARMUP_CALLS):
                forward(*arguments, **keys)
        torch.cuda.current_stream().wait_stream(side)
        self.graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graph):
            self.output = forward(*arguments, **keys)
        self.replays = 0

    def replay(self, leaves):
        """The output for other inputs of the same shapes; a copy, for the next replay overwrites it."""
        for static, leaf in zip(self.inputs, leaves):
            if torch.is_tensor(static):
                static.copy_(leaf)
        self.graph.replay()
        self.replays += 1
        return tree_map(lambda leaf: leaf.clone() if torch.is_tensor(leaf) else leaf, self.output)


def signature_of(leaves, structure):
    """What two calls share that one recording serves: shapes and dtypes of tensors, all other values."""
    facts = [(tuple(leaf.shape), leaf.dtype) if torch.is_tensor(leaf) else repr(leaf) for leaf in leaves]
    return repr((structure, facts))


def record(forward, leaves, structure, device):
    """A Graph. Raises Unsupported where the forward does what cannot be recorded, such as waiting for the device."""
    try:
        return Graph(forward, leaves, structure, device)
    except RuntimeError as error:
        # memory that runs out while a graph is captured ends the capture, and torch then reports that
        if "captur" in str(error) and not is_out_of_memory(error):
            raise Unsupported(f"the denoiser cannot be recorded as a CUDA graph: {one_line(error, 160)}") from None
        raise


def capture_graphs(variant, setting):
    """Record the denoiser's forward as a CUDA graph at its first call with new shapes, and replay it from then on."""
    if variant.device.type != "cuda":
        raise Unsupported("CUDA graphs take a CUDA device")
    denoiser = variant.denoiser()
    forward, graphs = denoiser.forward, {}

    def replayed(*arguments, **keys):
        leaves, structure = tree_flatten((arguments, keys))
        signature = signature_of(leaves, structure)
        if signature not in graphs:
            if len(graphs) == MOST_GRAPHS:
                raise Unsupported(
                    f"the denoiser is called in more than {MOST_GRAPHS} ways: a graph for each is none to replay"
                )
            graphs[signature] = record(forward, leaves, structure, variant.device)
        return graphs[signature].replay(leaves)

    denoiser.forward = replayed

    def confirm(call):
        replays = sum(graph.replays for graph in graphs.values())
        if replays <= len(graphs):
            raise Invalid(f"{len(graphs)} CUDA graphs were recorded for {replays} denoiser calls: none was used again")
        return f"{len(graphs)} CUDA graphs, replayed {replays} times"

    variant.check("cuda_graph", confirm)
