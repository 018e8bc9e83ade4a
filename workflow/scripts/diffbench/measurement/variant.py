"""Applying a variant to a stage's pipeline, and what shows that it took effect."""

import contextlib

from diffbench.mechanisms.attention_kernels import attention_evidence
from diffbench.mechanisms.registry import MECHANISMS, compiles
from diffbench.vocabulary.errors import SetupError

from .evidence_checks import Check


class Variant:
    """A recipe of config/variants.yaml applied to the modules of a loaded pipeline.

    `description` is the stage's; `compiles` says whether the recipe compiles anything; `compiled` maps the names of what is
    compiled to the modules that are called, `graphed` are the names of those whose compile mode promises CUDA graphs here;
    `contexts` are makers of context managers to enter around a call; `columns` are columns of the row that checks fill.
    """

    def __init__(self, pipeline, description, recipe, device, batch_size):
        unknown = sorted(set(recipe) - set(MECHANISMS))
        if unknown:
            raise SetupError(
                f"config/variants.yaml: unknown mechanism {unknown[0]!r}; expected {', '.join(MECHANISMS)}"
            )
        self.pipeline, self.description, self.recipe = pipeline, description, recipe
        self.device, self.batch_size = device, batch_size
        self.compiles = compiles(recipe)
        self.compiled, self.graphed, self.contexts = {}, [], []
        self.checks, self.evidence, self.columns = [], [], {}
        for name, mechanism in MECHANISMS.items():
            if name in recipe:
                seen = mechanism.apply(self, recipe[name])
                self.evidence += [seen] if seen else []
        self.check("sdpa_backend" if "sdpa_backend" in recipe else "attention kernels", self.look_at_attention)

    def check(self, mechanism, run):
        """Have `run` look at the mechanism once the calls were measured, see checks.Check."""
        self.checks.append(Check(mechanism, run))

    def look_at_attention(self, call):
        return attention_evidence(self, call)

    def modules(self):
        """{name: module} of the stage's modules as they are now, the denoiser first."""
        return {name: getattr(self.pipeline, name) for name in self.description["modules"]}

    def denoiser(self):
        """The first of them."""
        return next(iter(self.modules().values()))

    def around_call(self):
        """What a call has to be made in: a context manager."""
        stack = contextlib.ExitStack()
        for make in self.contexts:
            stack.enter_context(make())
        return stack
