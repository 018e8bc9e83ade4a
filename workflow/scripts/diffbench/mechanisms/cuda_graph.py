"""CUDA graphs without a compiler: the denoiser's kernels are recorded once for each shape and replayed."""

from diffbench.libraries.failure import is_out_of_memory
from diffbench.vocabulary.errors import Invalid, Unsupported, one_line

from .mechanism import Mechanism
from .python_lines import literal

MOST_GRAPHS = 8  # each has its own memory
WARMUP_CALLS = 3  # on a side stream before the recording, as in torch's documentation of CUDA graphs


class Graph:
    """One recorded call: static inputs and outputs around a CUDA graph."""

    def __init__(self, forward, leaves, structure, device):
        import torch
        from torch.utils._pytree import tree_unflatten

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
        """The output for other inputs of the same shapes. It is a copy, because the next replay overwrites the original."""
        import torch

        for static, leaf in zip(self.inputs, leaves):
            if torch.is_tensor(static):
                static.copy_(leaf)
        self.graph.replay()
        self.replays += 1
        return torch.utils._pytree.tree_map(lambda leaf: leaf.clone() if torch.is_tensor(leaf) else leaf, self.output)


def signature_of(leaves, structure):
    """The key of a recording. Calls with the same shapes and dtypes of tensors and the same other values share one."""
    import torch

    facts = [(tuple(leaf.shape), leaf.dtype) if torch.is_tensor(leaf) else repr(leaf) for leaf in leaves]
    return repr((structure, facts))


def record(forward, leaves, structure, device):
    """A Graph. Raises Unsupported if the forward does something that cannot be recorded, such as waiting for the device."""
    try:
        return Graph(forward, leaves, structure, device)
    except RuntimeError as error:
        # memory that runs out while a graph is captured ends the capture, and torch then reports that
        if "captur" in str(error) and not is_out_of_memory(error):
            raise Unsupported(f"the denoiser cannot be recorded as a CUDA graph: {one_line(error, 160)}") from None
        raise


def replay_graphs(denoiser, device):
    """Record the denoiser's forward as a CUDA graph at its first call with new shapes, and replay it from then on. Returns the
    dictionary that keeps the Graphs. A call raises Unsupported if the denoiser cannot be recorded."""
    from torch.utils._pytree import tree_flatten

    forward, graphs = denoiser.forward, {}

    def replayed(*arguments, **keys):
        leaves, structure = tree_flatten((arguments, keys))
        signature = signature_of(leaves, structure)
        if signature not in graphs:
            if len(graphs) == MOST_GRAPHS:
                raise Unsupported(
                    f"the denoiser is called in more than {MOST_GRAPHS} ways: graphs that are used once save nothing"
                )
            graphs[signature] = record(forward, leaves, structure, device)
        return graphs[signature].replay(leaves)

    denoiser.forward = replayed
    return graphs


def capture_graphs(variant, setting):
    """Replay the denoiser's kernels. The evidence is the number of replays."""
    if variant.device.type != "cuda":
        raise Unsupported("CUDA graphs require a CUDA device")
    graphs = replay_graphs(variant.denoiser(), variant.device)

    def confirm(call):
        replays = sum(graph.replays for graph in graphs.values())
        if replays <= len(graphs):
            raise Invalid(f"{len(graphs)} CUDA graphs were recorded for {replays} denoiser calls: none was used again")
        return f"{len(graphs)} CUDA graphs, replayed {replays} times"

    variant.check("cuda_graph", confirm)


def write_lines(code, setting):
    function = code.use("diffbench.mechanisms.cuda_graph.replay_graphs")
    code.add(
        "# diffbench's own: workflow/scripts must be on PYTHONPATH",
        f"{function}({code.modules()[0]}, torch.device({literal(code.device)}))",
    )


CUDA_GRAPH = Mechanism(
    name="cuda_graph",
    schema={"enum": [True], "expected": "true"},
    apply=capture_graphs,
    write_lines=write_lines,
    meaning=("`true`: the denoiser's kernels are recorded once as a CUDA graph and replayed. Nothing is compiled."),
    evidence="After the measured calls: recordings and replays. If no recording was used again, the row is `invalid`.",
    conflicts=("compile", "regional", "offload", "caching", "sdpa_backend"),
)
