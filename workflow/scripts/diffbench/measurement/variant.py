"""Applying a variant to a stage's pipeline, and what shows that it took effect.

A mechanism is a function of the Variant and its setting in config/variants.yaml. It returns its evidence, if that is there as
soon as it is applied, and adds a check (evidence_checks.py) of what can be looked at only once calls were made. It raises
Unsupported where this release, device or model cannot do it, Invalid where it had no effect.
"""

import contextlib

from diffbench.mechanisms.attention import attention_evidence, set_attention, set_attention_backend, set_sdpa_backend
from diffbench.mechanisms.caching import enable_caching
from diffbench.mechanisms.compilation import compile_blocks, compile_denoiser, compile_text_encoders, compile_vae
from diffbench.mechanisms.cuda_graph import capture_graphs
from diffbench.mechanisms.options import enable_inference_mode, offload, replace_scheduler, set_memory_format
from diffbench.mechanisms.quantization import quantize
from diffbench.mechanisms.vae import save_vae_memory
from diffbench.vocabulary.errors import SetupError

from .evidence_checks import Check

MECHANISMS = {  # in the order in which they are applied
    "scheduler": replace_scheduler,
    "attention": set_attention,
    "attention_backend": set_attention_backend,
    "sdpa_backend": set_sdpa_backend,
    "memory_format": set_memory_format,
    "quantization": quantize,
    "caching": enable_caching,
    "vae": save_vae_memory,
    "offload": offload,
    "regional": compile_blocks,
    "compile": compile_denoiser,
    "compile_vae": compile_vae,
    "compile_text_encoder": compile_text_encoders,
    "cuda_graph": capture_graphs,
    "grad": enable_inference_mode,  # its hook would be compiled too
}
ON_LOADING = ("dtype",)  # see mechanisms/dtype.py


class Variant:
    """A recipe of config/variants.yaml applied to the modules of a loaded pipeline.

    `description` is the stage's; `compiled` maps the names of what is compiled to the modules that are called, `graphed` are the
    names of those whose compile mode promises CUDA graphs here; `contexts` are makers of context managers to enter around a
    call; `columns` are columns of the row that checks fill.
    """

    def __init__(self, pipeline, description, recipe, device, batch_size):
        unknown = sorted(set(recipe) - set(MECHANISMS) - set(ON_LOADING))
        if unknown:
            raise SetupError(
                f"config/variants.yaml: unknown mechanism {unknown[0]!r}; expected {', '.join(MECHANISMS)}"
            )
        self.pipeline, self.description, self.recipe = pipeline, description, recipe
        self.device, self.batch_size = device, batch_size
        self.compiled, self.graphed, self.contexts = {}, [], []
        self.checks, self.evidence, self.columns = [], [], {}
        for mechanism, act in MECHANISMS.items():
            if mechanism in recipe:
                told = act(self, recipe[mechanism])
                self.evidence += [told] if told else []
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
