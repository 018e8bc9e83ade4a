"""The number of blocks that really run compiled code, in a model that is compiled by regions."""

from diffbench.libraries.releases import is_older
from diffbench.vocabulary.errors import Invalid

from .denoiser_calls import profile_step
from .torch_modules import name_of, removing

REGION = "OptimizedModule"  # the class of what accelerate compiles
LABEL = "diffbench block "
COMPILED_CODE = "Torch-Compiled Region"  # in a profile, from torch 2.2 on


def shows_compiled_code():
    """Whether a profile of this torch shows where compiled code runs."""
    import torch

    return not is_older(torch.__version__, (2, 2))


class Labels:
    """Within this context, calls of the blocks have labels with their numbers in a profile; `called` are the called ones."""

    def __init__(self, blocks):
        self.blocks, self.called, self.open = blocks, set(), []

    def __enter__(self):
        self.plain, self.handles = {}, []
        for number, block in enumerate(self.blocks):
            if name_of(block) == REGION:
                self.handles.append(block.register_forward_pre_hook(self.enter(number)))
                self.handles.append(block.register_forward_hook(self.leave))
            elif is_compiled(block):  # a hook would be compiled too
                self.plain[number] = block._compiled_call_impl
                block._compiled_call_impl = self.labelled(number, block._compiled_call_impl)
        return self

    def __exit__(self, *exception):
        for number, plain in self.plain.items():
            self.blocks[number]._compiled_call_impl = plain
        with removing(self.handles):
            return None

    def enter(self, number):
        import torch

        def begin(module, arguments):
            self.called.add(number)
            self.open.append(torch.profiler.record_function(f"{LABEL}{number}"))
            self.open[-1].__enter__()

        return begin

    def leave(self, module, arguments, output):
        self.open.pop().__exit__(None, None, None)

    def labelled(self, number, plain):
        def call(*arguments, **keys):
            self.enter(number)(None, None)
            try:
                return plain(*arguments, **keys)
            finally:
                self.leave(None, None, None)

        return call


def is_compiled(block):
    """Whether a call of the block runs compiled code."""
    return name_of(block) == REGION or getattr(block, "_compiled_call_impl", None) is not None


def blocks_of(module, kinds):
    """The module's blocks of these classes."""
    return [layer for layer in module.modules() if name_of(layer) in kinds]


def run_compiled(profiler):
    """The numbers of the blocks in whose calls compiled code ran; None if this torch's profile does not show it."""
    if not shows_compiled_code():
        return None
    found = set()
    for event in profiler.events():
        parent = event.cpu_parent if event.name.startswith(COMPILED_CODE) else None
        while parent is not None:
            if parent.name.startswith(LABEL):
                found.add(int(parent.name[len(LABEL) :]))
            parent = parent.cpu_parent
    return found


def check_blocks(variant, name, kinds):
    """Add a check that reports how many blocks of the module `name` run compiled; it raises Invalid if none does."""

    def count(call):
        module = variant.compiled[name]
        blocks = blocks_of(module, kinds)
        with Labels(blocks) as labels:
            ran = run_compiled(profile_step(module, call))
        return judge(name, [name_of(block) for block in blocks], list(map(is_compiled, blocks)), labels.called, ran)

    variant.check("regional", count)


def judge(name, kinds, compiled, called, ran):
    """The evidence for the blocks of the module `name`. `kinds`: their classes; `compiled`: which are compiled; `called`: the
    numbers of those that a denoiser call called; `ran`: of those in which compiled code ran (None if unknown).

    Raises Invalid if none runs compiled.
    """
    effective = [number for number, is_so in enumerate(compiled) if is_so and number in called]
    if ran is not None:
        effective = [number for number in effective if number in ran]
    of = " and ".join(sorted({"regions" if kind == REGION else kind for kind in kinds}))
    counted = f"{len(effective)} of {len(kinds)} {of} of {name} compiled"
    if not effective:
        raise Invalid(
            f"regional compilation had no effect: {counted}; {len(called)} of them are called, all without compiled code"
        )
    return counted
