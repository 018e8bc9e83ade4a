"""The declaration of a mechanism: everything that the workflow knows about it."""

from typing import Any, Callable, Dict, NamedTuple, Optional, Pattern, Tuple


class Refusal(NamedTuple):
    """How a mechanism's library refuses shapes, a dtype or a device at the first call: `modules` are the packages and modules
    that raise the error, `message` matches its text if it comes from compiled code, which has no frame of the library."""

    modules: Tuple[str, ...]
    message: Pattern


def no_library(setting):
    """No library other than torch, Diffusers and transformers."""


class Mechanism(NamedTuple):
    """One optimization of a variant.

    - `name`: its key in config/variants.yaml.
    - `schema`: the JSON schema of its setting there. `expected` describes it in messages; null is always allowed.
    - `apply(variant, setting)`: changes the loaded pipeline. Returns the evidence if there is some before the first call, and
      adds a check (`variant.check`) for evidence that calls produce. Raises Unsupported if this release, device or model
      cannot do it, Invalid if it had no effect.
    - `write_lines(code, setting)`: adds lines to a python_lines.Code: the Python that a user pastes to get the same.
    - `meaning`: Markdown for config/README.md, the settings and what they do.
    - `evidence`: Markdown for docs/method.md, when and how the mechanism is checked.
    - `conflicts`: mechanisms that undo or hide this one, or are undone or hidden by it.
    - `library(setting)`: the name of the package that a setting needs, or None; `libraries` are all of them.
    - `refusal`: how the library refuses at the first call.
    - `compiles`: whether it compiles code.
    - `before_loading`: whether it affects how the pipeline is loaded, so that its lines come before those that load it.
    """

    name: str
    schema: Dict[str, Any]
    apply: Callable
    write_lines: Callable
    meaning: str
    evidence: str
    conflicts: Tuple[str, ...] = ()
    library: Callable = no_library
    libraries: Tuple[str, ...] = ()
    refusal: Optional[Refusal] = None
    compiles: bool = False
    before_loading: bool = False


CLASS_NAME = {"type": "string", "pattern": "^[A-Za-z_0-9]+$", "expected": "the name of a class"}


def one_of(*values):
    """The schema of a setting that is one of these texts."""
    *first, last = values
    return {"enum": list(values), "expected": f"{', '.join(first)} or {last}" if first else last}


def options_of(properties, expected, required=()):
    """The schema of a setting with these keys and no others."""
    return {
        "type": "object",
        "additionalProperties": False,
        "expected": expected,
        "required": list(required),
        "properties": properties,
    }
