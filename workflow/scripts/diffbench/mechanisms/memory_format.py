"""The memory layout of convolutions' weights."""

from diffbench.vocabulary.errors import Unsupported

from .mechanism import Mechanism, one_of

CHANNELS_LAST, CONTIGUOUS = "channels_last", "contiguous"
MEMORY_FORMATS = {  # setting: {dimensions of a weight: name of torch's memory format}
    CHANNELS_LAST: {4: "channels_last", 5: "channels_last_3d"},
    CONTIGUOUS: {4: "contiguous_format", 5: "contiguous_format"},
}


def set_memory_format(variant, setting):
    """Set the memory layout of the convolutions' weights; the evidence is the number of weights with that layout."""
    import torch

    count = 0
    for module in variant.modules().values():
        for weight in module.parameters():
            name = MEMORY_FORMATS[setting].get(weight.dim())
            if name:
                memory_format = getattr(torch, name)
                weight.data = weight.data.to(memory_format=memory_format)
                count += weight.is_contiguous(memory_format=memory_format)
    if setting == CONTIGUOUS and not count:
        raise Unsupported("the model has no convolution: a memory format changes nothing")
    return f"{setting} weights of {count} convolutions"


def write_lines(code, setting):
    """The lines set each weight: `Module.to(memory_format=torch.channels_last)` fails for weights of five dimensions."""
    if setting == CONTIGUOUS:
        code.add(*(f"{module}.to(memory_format=torch.contiguous_format)" for module in code.modules()))
        return
    layouts = ", ".join(f"{dimensions}: torch.{name}" for dimensions, name in MEMORY_FORMATS[setting].items())
    code.add(
        f"layouts = {{{layouts}}}  # by the dimensions of a weight",
        f"for weight in {code.every('parameters')}:",
        "    if weight.dim() in layouts:",
        "        weight.data = weight.data.to(memory_format=layouts[weight.dim()])",
    )


MEMORY_FORMAT = Mechanism(
    name="memory_format",
    schema=one_of(*MEMORY_FORMATS),
    apply=set_memory_format,
    write_lines=write_lines,
    meaning="The layout of convolutions' weights: `channels_last` or `contiguous`.",
    evidence="Before the first call: how many weights of convolutions have the layout.",
)
