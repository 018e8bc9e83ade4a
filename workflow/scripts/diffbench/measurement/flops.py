"""The work of a denoising step: floating-point operations, and the bytes that must move at the least."""

import json
from contextlib import suppress

import torch
from torch.utils._pytree import tree_flatten, tree_map

from diffbench.vocabulary.columns import WORK

MIB = 2**20


def shadow(value):
    """The value with its tensors replaced by ones without memory."""
    return tree_map(lambda leaf: torch.empty_like(leaf, device="meta") if torch.is_tensor(leaf) else leaf, value)


def tensor_bytes(value):
    return sum(leaf.numel() * leaf.element_size() for leaf in tree_flatten(value)[0] if torch.is_tensor(leaf))


def attention_flop(query_shape, key_shape, value_shape, *arguments, out_shape=None, **keys):
    """Floating-point operations of an attention kernel, by torch's own formula."""
    from torch.utils.flop_counter import sdpa_flop_count

    return sdpa_flop_count(query_shape, key_shape, value_shape)


def attention_formulas():
    """The formula for the attention kernel of CPUs, which torch lacks (pytorch#195460); its name is as new as the kernel."""
    kernel = getattr(torch.ops.aten, "_scaled_dot_product_flash_attention_for_cpu", None)
    return {} if kernel is None else {kernel: attention_flop}


class WorkRecorder:
    """Notes the shapes that each of the modules is called with, and counts what such a call takes.

    Made before a variant is applied: the work is that of the plain modules, whatever a compiler makes of them. `watch` comes
    after: a hook within what is compiled would be compiled too.
    """

    def __init__(self, pipeline, modules):
        self.modules = {name: getattr(pipeline, name) for name in modules}
        # a variant may add weights that take the place of others (fused projections)
        self.weight_bytes = {name: tensor_bytes(list(module.parameters())) for name, module in self.modules.items()}
        self.calls = {}

    def watch(self, pipeline):
        """Note the shapes of the first call of each module, as the variant has left it."""
        for name in self.modules:
            getattr(pipeline, name).register_forward_pre_hook(self.recorder_of(name), with_kwargs=True)

    def recorder_of(self, name):
        def record(module, arguments, keys):
            if name not in self.calls:
                self.calls[name] = shadow(arguments), shadow(keys)

        return record

    def columns_once(self, kept):
        """The `columns`, kept in the file `kept` for the later rounds of the cell: counting takes longer than many a call."""
        with suppress(OSError, ValueError, TypeError, KeyError):
            found = json.loads(kept.read_text(encoding="utf-8"))
            return {name: float(found[name]) for name in WORK}
        columns = self.columns()
        if columns:
            with suppress(OSError):
                kept.write_text(json.dumps(columns), encoding="utf-8")
        return columns

    def columns(self):
        """`step_gflop` and `step_mib` of one call of each module; nothing where this torch cannot count them (2.0), or where the
        weights are quantized: then they are neither those operations nor those bytes.

        The bytes are those that no implementation can avoid: every weight, input and output once.
        """
        try:
            counts = [self.count(name, *self.calls[name]) for name in self.modules]
        except Exception:  # a count is no part of the measurement: what a release cannot count stays empty
            return {}
        return {
            "step_gflop": sum(flop for flop, _ in counts) / 1e9,
            "step_mib": sum(moved for _, moved in counts) / MIB,
        }

    def count(self, name, arguments, keys):
        """(floating-point operations, bytes) of a call of a module with these shapes, without computing anything. Its blocks
        are not compiled any more after it: call it once all is measured."""
        from torch._subclasses.fake_tensor import FakeTensorMode
        from torch.utils.flop_counter import FlopCounterMode

        module = self.modules[name]
        if getattr(module, "is_cache_enabled", False):
            module.disable_cache()
        for layer in module.modules():
            layer._compiled_call_impl = None  # what nn.Module.compile has set
        device = next(module.parameters()).device
        with FakeTensorMode(allow_non_fake_inputs=True):

            def fake(leaf):
                return torch.empty(leaf.shape, dtype=leaf.dtype, device=device) if torch.is_tensor(leaf) else leaf

            counter = FlopCounterMode(display=False, custom_mapping=attention_formulas())
            inputs = tree_map(fake, arguments), tree_map(fake, keys)
            with torch.no_grad(), counter:
                output = type(module).forward(module, *inputs[0], **inputs[1])
        output = tuple(output.values()) if isinstance(output, dict) else output
        return counter.get_total_flops(), self.weight_bytes[name] + tensor_bytes(inputs) + tensor_bytes(output)
