"""Applying a variant to a stage's pipeline, with the evidence that it took effect."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from diffbench.mechanisms.attention_kernels import attention_evidence
from diffbench.mechanisms.registry import MECHANISMS, compiles
from diffbench.vocabulary.errors import SetupError

from .evidence_checks import Check

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import torch


class Variant:
    """A recipe of config/variants.yaml applied to the modules of a loaded pipeline.

    `description` is the stage's; `compiles` is whether the recipe compiles anything; `compiled` maps names to the compiled
    modules that are called; `graphed` has the names of those whose compile mode promises CUDA graphs here; `contexts` are
    makers of context managers to enter around a call; `columns` are columns of the row that checks fill.
    """

    def __init__(
        self,
        pipeline: Any,
        description: Mapping[str, Any],
        recipe: Mapping[str, Any],
        device: torch.device,
        batch_size: int,
    ) -> None:
        unknown = sorted(set(recipe) - set(MECHANISMS))
        if unknown:
            raise SetupError(
                f"config/variants.yaml: unknown mechanism {unknown[0]!r}; expected {', '.join(MECHANISMS)}"
            )
        self.pipeline, self.description, self.recipe = pipeline, description, recipe
        self.device, self.batch_size = device, batch_size
        self.compiles = compiles(recipe)
        self.compiled: dict[str, Any] = {}
        self.graphed: list[str] = []
        self.contexts: list[Callable[[], Any]] = []
        self.checks: list[Check] = []
        self.evidence: list[str] = []
        self.columns: dict[str, Any] = {}
        for name, mechanism in MECHANISMS.items():
            if name in recipe:
                evidence = mechanism.apply(self, recipe[name])
                self.evidence += [evidence] if evidence else []
        self.check("sdpa_backend" if "sdpa_backend" in recipe else "attention kernels", self.check_attention)

    def check(self, mechanism: str, run: Callable[..., str | None]) -> None:
        """Run `run` to check the mechanism after the calls were measured, see evidence_checks.Check."""
        self.checks.append(Check(mechanism, run))

    def check_attention(self, call: Callable[[], Any]) -> str | None:
        return attention_evidence(self, call)

    def modules(self) -> dict[str, Any]:
        """{name: module} of the stage's modules in their current state, the denoiser first."""
        return {name: getattr(self.pipeline, name) for name in self.description["modules"]}

    def denoiser(self) -> Any:
        """The first of them."""
        return next(iter(self.modules().values()))

    def around_call(self) -> contextlib.ExitStack:
        """A context manager that every call is made in."""
        stack = contextlib.ExitStack()
        for make in self.contexts:
            stack.enter_context(make())
        return stack
