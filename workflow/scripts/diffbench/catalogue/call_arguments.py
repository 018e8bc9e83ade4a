"""Which arguments a pipeline's call, a class or a configuration takes: what `**kwargs` swallows has no effect, and is refused."""

from __future__ import annotations

import difflib
import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from diffbench.vocabulary.errors import DiffbenchError, SetupError, Unsupported

OWN = {  # of a call: what a run sets itself
    "num_inference_steps": "`steps` sets it",
    "generator": "every call has the same seed",
    "return_dict": "a run reads what a call returns",
}
CALLBACK = re.compile(r"callback(_\w+)?\Z")
BATCH = re.compile(r"num_\w+_per_prompt\Z")
CLOSE = 0.8  # how alike two names are, from 0 to 1, where one is a misspelt other


def check_call(call: Mapping[str, Any], batch_argument: str | None, place: str) -> None:
    """Raises DiffbenchError for an argument of a call that a run sets itself, or that would be run at every step."""
    for name in call:
        why = OWN.get(name)
        if name == batch_argument or BATCH.match(name):
            why = "the batch size sets it"
        elif CALLBACK.match(name):
            why = "it would run at every step"
        if why:
            raise DiffbenchError(f"{place}: call: found {name}, but {why}; remove it")


def explicit(function: Callable[..., Any]) -> list[str]:
    """The names of the arguments that a function takes by name, without those that it only swallows."""
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return [name for name, parameter in inspect.signature(function).parameters.items() if parameter.kind in kinds]


def takes_any(function: Callable[..., Any]) -> bool:
    """Whether a function takes arguments of any name."""
    return any(one.kind is one.VAR_KEYWORD for one in inspect.signature(function).parameters.values())


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that a misspelt one stands for; None if none is alike."""
    return next(iter(difflib.get_close_matches(name, known, 1, CLOSE)), None)


def describe_unknown(owner: str, name: str, known: Iterable[str]) -> str:
    """`Owner takes no 'guidence_scale'; write 'guidance_scale'`."""
    meant = nearest(name, known)
    return f"{owner} takes no {name!r}; " + (f"write {meant!r}" if meant else "correct the name, or remove it")


def check_config(component: Any, config: Mapping[str, Any], place: str) -> None:
    """Raises SetupError for a misspelt key in the configuration of a class, Unsupported for one that this release does not know:
    both libraries ignore such a key, and would make another model.

    Of transformers only what is misspelt: its configurations have keys that no signature names.
    """
    is_transformers = getattr(component, "config_class", None) is not None
    made = component.config_class if is_transformers else component
    known = explicit(made.__init__)
    if is_transformers:
        known += [*made().to_dict(), *getattr(made, "attribute_map", {})]
    elif takes_any(made.__init__):
        return
    for name in config:
        if name in known:
            continue
        if nearest(name, known):
            raise SetupError(f"{place}: config: {describe_unknown(component.__name__, name, known)}")
        if not is_transformers:
            raise Unsupported(f"{place}: {component.__name__} of this release takes no {name!r}")


def check_settings(settings: Iterable[str], known: Iterable[str], place: str, owner: str) -> None:
    """Raises SetupError for a misspelt setting: one that the class does not have at all is left out."""
    for name in settings:
        if name not in known and nearest(name, known):
            raise SetupError(f"{place}: {describe_unknown(owner, name, known)}")
