"""Quantizing the linear layers of a stage's modules, with torchao or bitsandbytes."""

import collections
import importlib

import torch

from diffbench.libraries.failure import refusing
from diffbench.vocabulary.errors import Invalid, SetupError, Unsupported, one_line

from .options import name_of

REFUSALS = (ImportError, AssertionError, AttributeError, RuntimeError, ValueError, TypeError)


def quantize(variant, setting):
    """Quantize as the setting says: `library`, its class (`config` of torchao, `layer` of bitsandbytes) and `options`. The
    evidence is the class and dtype of the weights."""
    library = setting["library"]
    try:
        importlib.import_module(library)
    except ImportError as error:
        raise Unsupported(f"{library} is not installed ({one_line(error, 120)})") from None
    if library not in LIBRARIES:
        raise SetupError(
            f"config/variants.yaml: quantization.library: found {library!r}, expected one of {', '.join(LIBRARIES)}"
        )
    told = collections.Counter()
    for module in variant.modules().values():
        before = count_classes(module)
        with refusing(f"{library} cannot quantize {name_of(module)} so", *REFUSALS):
            LIBRARIES[library](module, setting, variant.device)
        changed = count_classes(module) - before
        if not changed:
            raise Invalid(f"{library} quantized no weight of {name_of(module)}")
        told += changed
    return "quantized " + ", ".join(f"{count} weights to {kind}" for kind, count in sorted(told.items()))


def quantize_by_torchao(module, setting, device):
    quantization = importlib.import_module("torchao.quantization")
    config = getattr(quantization, setting["config"])(**setting.get("options", {}))
    quantization.quantize_(module, config)


def quantize_by_bitsandbytes(module, setting, device):
    """Replace every linear layer by the one of bitsandbytes, which quantizes as it is put on the device."""
    layers = importlib.import_module("bitsandbytes").nn
    options = setting.get("options", {})
    for parent in list(module.modules()):
        for name, layer in list(parent.named_children()):
            if type(layer) is torch.nn.Linear:
                made = getattr(layers, setting["layer"])(
                    layer.in_features, layer.out_features, bias=layer.bias is not None, **options
                )
                made = made.to(layer.weight.dtype)
                made.load_state_dict(layer.state_dict())
                setattr(parent, name, made.to(device).eval())


LIBRARIES = {"torchao": quantize_by_torchao, "bitsandbytes": quantize_by_bitsandbytes}


def count_classes(module):
    """How many weights of each class and dtype there are, as in `Int8Tensor of int8`; plain ones are left out."""
    found = collections.Counter()
    for weight in module.parameters():
        kind = name_of(weight)
        if kind not in ("Parameter", "Tensor"):
            found[f"{kind} of {str(inner_dtype(weight)).replace('torch.', '')}"] += 1
    return found


def inner_dtype(weight):
    """The dtype of what a tensor subclass holds; of itself where it holds none."""
    flatten = getattr(weight, "__tensor_flatten__", None)
    return getattr(weight, flatten()[0][0]).dtype if flatten else weight.dtype
