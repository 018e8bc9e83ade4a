"""Quantizing the linear layers of a stage's modules. Each library is an entry of LIBRARIES."""

import collections
import importlib
import re
from typing import Callable, NamedTuple

from diffbench.libraries.failure import refusing
from diffbench.vocabulary.errors import DiffbenchError, Invalid, SetupError, Unsupported, list_known, one_line

from .mechanism import CLASS_NAME, Mechanism, Refusal, options_of
from .python_lines import arguments, literal
from .torch_modules import name_of

REFUSALS = (ImportError, AssertionError, AttributeError, RuntimeError, ValueError, TypeError)


class Library(NamedTuple):
    """A quantization library. `key`: the key of the setting that names one of its classes; `quantize(module, setting, device)`:
    quantizes the linear layers of a module with that class; `write_lines(code, setting)`: writes the lines for it."""

    key: str
    quantize: Callable
    write_lines: Callable


def quantize_by_torchao(module, setting, device):
    quantization = importlib.import_module("torchao.quantization")
    config = getattr(quantization, setting["config"])(**setting.get("options", {}))
    quantization.quantize_(module, config)


def write_torchao(code, setting):
    function, config = (code.use(f"torchao.quantization.{name}") for name in ("quantize_", setting["config"]))
    options = arguments(**setting.get("options", {}))
    code.add(*(f"{function}({module}, {config}({options}))" for module in code.modules()))


def quantize_by_bitsandbytes(module, setting, device):
    """Replace every linear layer by the one of bitsandbytes, which quantizes when it is moved to the device, from the dtype that
    it then has."""
    import torch

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


def write_bitsandbytes(code, setting):
    sizes = "layer.in_features", "layer.out_features", "bias=layer.bias is not None"
    made = f"{code.use('bitsandbytes.nn.' + setting['layer'])}({arguments(*sizes, **setting.get('options', {}))})"
    code.add(
        f"for parent in {code.every('modules')}:",
        "    for name, layer in list(parent.named_children()):",
        "        if type(layer) is torch.nn.Linear:",
        f"            quantized = {made}",
        "            quantized = quantized.to(layer.weight.dtype)",
        "            quantized.load_state_dict(layer.state_dict())",
        f"            setattr(parent, name, quantized.to({literal(code.device)}).eval())",
    )


LIBRARIES = {  # by the name of the module that is imported, which is also the package's
    "torchao": Library("config", quantize_by_torchao, write_torchao),
    "bitsandbytes": Library("layer", quantize_by_bitsandbytes, write_bitsandbytes),
}


def schema():
    """The schema of the setting: `library` and that library's key, without the keys of other libraries."""
    keys = list(dict.fromkeys(library.key for library in LIBRARIES.values()))
    names = " or ".join(LIBRARIES)
    properties = {
        "library": {"enum": list(LIBRARIES), "expected": names},
        **dict.fromkeys(keys, CLASS_NAME),
        "options": {"type": "object"},
    }
    expected = ", or ".join(f"{name} with its {library.key}" for name, library in LIBRARIES.items())
    one_library = [
        {
            "type": "object",
            "properties": {"library": {"const": name}, **{key: False for key in keys if key != library.key}},
            "required": [library.key],
        }
        for name, library in LIBRARIES.items()
    ]
    return {**options_of(properties, expected, required=["library"]), "oneOf": one_library}


def find_library(name, kind=DiffbenchError):
    """The Library of this name. Raises an error of the `kind` if there is none."""
    if name not in LIBRARIES:
        raise kind(
            f"config/variants.yaml: quantization.library: found {name!r}, expected one of {list_known(LIBRARIES, name)}"
        )
    return LIBRARIES[name]


def quantize(variant, setting):
    """Quantize with the setting's `library`, its class and `options`. The evidence is the class and dtype of the weights."""
    name = setting["library"]
    library = find_library(name, SetupError)
    try:
        importlib.import_module(name)
    except ImportError as error:
        raise Unsupported(f"{name} is not installed ({one_line(error, 120)})") from None
    total = collections.Counter()
    for module in variant.modules().values():
        before = count_classes(module)
        with refusing(f"{name} cannot quantize {name_of(module)} in this way", *REFUSALS):
            library.quantize(module, setting, variant.device)
        changed = count_classes(module) - before
        if not changed:
            raise Invalid(f"{name} quantized no weight of {name_of(module)}")
        total += changed
    return "quantized " + ", ".join(f"{count} weights to {kind}" for kind, count in sorted(total.items()))


def count_classes(module):
    """How many weights of each class and dtype there are, as in `Int8Tensor of int8`; plain ones are left out."""
    found = collections.Counter()
    for weight in module.parameters():
        kind = name_of(weight)
        if kind not in ("Parameter", "Tensor"):
            found[f"{kind} of {str(inner_dtype(weight)).replace('torch.', '')}"] += 1
    return found


def inner_dtype(weight):
    """The dtype of the tensor inside a tensor subclass; of a plain tensor, its own."""
    flatten = getattr(weight, "__tensor_flatten__", None)
    return getattr(weight, flatten()[0][0]).dtype if flatten else weight.dtype


def write_lines(code, setting):
    find_library(setting["library"]).write_lines(code, setting)


QUANTIZATION = Mechanism(
    name="quantization",
    schema=schema(),
    apply=quantize,
    write_lines=write_lines,
    meaning="Quantized linear layers: "
    + " or ".join(f"`library: {name}` with `{library.key}`, one of its classes" for name, library in LIBRARIES.items())
    + "; `options` are the arguments of that class.",
    evidence="Before the first call: the classes and dtypes of the quantized weights. If there are none, the row is `invalid`.",
    library=lambda setting: setting.get("library"),
    libraries=tuple(LIBRARIES),
    refusal=Refusal(
        tuple(LIBRARIES),
        re.compile(r"compute capability|needs to be (?:greater than|a multiple of|divisible by)|divisible by 16"),
    ),
)
