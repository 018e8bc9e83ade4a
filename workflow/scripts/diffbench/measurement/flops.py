"""The work of a denoising step: floating-point operations, and the minimum of bytes to move."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import torch
from torch.utils._pytree import tree_flatten, tree_map

from diffbench.vocabulary.columns import WORK

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

MIB = 2**20


def shadow(value: Any) -> Any:
    """The value with its tensors replaced by tensors without memory."""
    return tree_map(lambda leaf: torch.empty_like(leaf, device="meta") if torch.is_tensor(leaf) else leaf, value)


def tensor_bytes(value: Any) -> int:
    return sum(leaf.numel() * leaf.element_size() for leaf in tree_flatten(value)[0] if torch.is_tensor(leaf))


def attention_flop(
    query_shape: Any, key_shape: Any, value_shape: Any, *arguments: Any, out_shape: Any = None, **keys: Any
) -> int:
    """Floating-point operations of an attention kernel, by torch's own formula."""
    from torch.utils.flop_counter import sdpa_flop_count

    return sdpa_flop_count(query_shape, key_shape, value_shape)


def attention_formulas() -> dict[Any, Callable[..., int]]:
    """The formula for the attention kernel of CPUs, which torch lacks (pytorch#195460); older releases lack the kernel."""
    kernel = getattr(torch.ops.aten, "_scaled_dot_product_flash_attention_for_cpu", None)
    return {} if kernel is None else {kernel: attention_flop}


class WorkRecorder:
    """Records the shapes of each module's first call, and counts the work of such a call.

    It is made before a variant is applied, because the work is that of the plain modules. `watch` is called afterwards,
    because a hook inside compiled code would be compiled too.
    """

    def __init__(self, pipeline: Any, modules: Iterable[str]) -> None:
        self.modules = {name: getattr(pipeline, name) for name in modules}
        # a variant may replace weights (fused projections)
        self.weight_bytes = {name: tensor_bytes(list(module.parameters())) for name, module in self.modules.items()}
        self.calls: dict[str, tuple[Any, Any]] = {}

    def watch(self, pipeline: Any) -> None:
        """Record the shapes of the first call of each module, as the variant has left it."""
        for name in self.modules:
            getattr(pipeline, name).register_forward_pre_hook(self.recorder_of(name), with_kwargs=True)

    def recorder_of(self, name: str) -> Callable[..., None]:
        def record(module: torch.nn.Module, arguments: Any, keys: Any) -> None:
            if name not in self.calls:
                self.calls[name] = shadow(arguments), shadow(keys)

        return record

    def columns_once(self, kept: Path) -> dict[str, float]:
        """The `columns`, kept in the file `kept` for the later rounds of the cell, because counting takes longer than many
        calls."""
        with suppress(OSError, ValueError, TypeError, KeyError):
            found = json.loads(kept.read_text(encoding="utf-8"))
            return {name: float(found[name]) for name in WORK}
        columns = self.columns()
        if columns:
            with suppress(OSError):
                kept.write_text(json.dumps(columns), encoding="utf-8")
        return columns

    def columns(self) -> dict[str, float]:
        """`step_gflop` and `step_mib` of one call of each module; none if this torch cannot count them (2.0) or the weights
        are quantized, which changes both.

        The bytes are a minimum for any implementation: every weight, input and output once.
        """
        try:
            counts = [self.count(name, *self.calls[name]) for name in self.modules]
        except Exception:  # a count is not part of the measurement: it stays empty if a release cannot count
            return {}
        return {
            "step_gflop": sum(flop for flop, _ in counts) / 1e9,
            "step_mib": sum(moved for _, moved in counts) / MIB,
        }

    def count(self, name: str, arguments: Any, keys: Any) -> tuple[float, int]:
        """(floating-point operations, bytes) of a call of a module with these shapes, without computing anything. Call it
        after all measurements: the module's blocks are no longer compiled afterwards."""
        from torch._subclasses.fake_tensor import FakeTensorMode
        from torch.utils.flop_counter import FlopCounterMode

        module = self.modules[name]
        if getattr(module, "is_cache_enabled", False):
            module.disable_cache()
        for layer in module.modules():
            layer._compiled_call_impl = None  # set by nn.Module.compile
        device = next(module.parameters()).device
        with FakeTensorMode(allow_non_fake_inputs=True):

            def fake(leaf: Any) -> Any:
                return torch.empty(leaf.shape, dtype=leaf.dtype, device=device) if torch.is_tensor(leaf) else leaf

            counter = FlopCounterMode(display=False, custom_mapping=attention_formulas())
            inputs = tree_map(fake, arguments), tree_map(fake, keys)
            with torch.no_grad(), counter:
                output = type(module).forward(module, *inputs[0], **inputs[1])
        output = tuple(output.values()) if isinstance(output, dict) else output
        return counter.get_total_flops(), self.weight_bytes[name] + tensor_bytes(inputs) + tensor_bytes(output)
