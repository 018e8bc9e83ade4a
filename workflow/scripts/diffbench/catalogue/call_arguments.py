"""The arguments that a pipeline's call, a class or a configuration takes: an argument that `**kwargs` would swallow has no
effect and is refused."""

from __future__ import annotations

import difflib
import inspect
import re
from typing import TYPE_CHECKING, Any

from diffbench.vocabulary.errors import DiffbenchError, SetupError, Unsupported

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

SET_BY_RUN = {  # arguments of a call that a run sets itself
    "num_inference_steps": "`steps` sets it",
    "generator": "every call has the same seed",
    "return_dict": "a run reads what a call returns",
}
CALLBACK = re.compile(r"callback(_\w+)?\Z")
BATCH = re.compile(r"num_\w+_per_prompt\Z")
CLOSE = 0.8  # similarity of two names, from 0 to 1, above which one is a misspelling of the other


def check_call(call: Iterable[str], batch_argument: str | None, place: str) -> None:
    """Raises DiffbenchError for an argument of a call that a run sets itself, or that would run at every step."""
    for name in call:
        why = SET_BY_RUN.get(name)
        if name == batch_argument or BATCH.match(name):
            why = "the batch size sets it"
        elif CALLBACK.match(name):
            why = "it would run at every step"
        if why:
            raise DiffbenchError(f"{place}: call: found {name}, but {why}; remove it")


def named_arguments(function: Callable[..., Any]) -> list[str]:
    """The names of the arguments that a function accepts by name, without those of `**kwargs`."""
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return [name for name, parameter in inspect.signature(function).parameters.items() if parameter.kind in kinds]


def takes_any_name(function: Callable[..., Any]) -> bool:
    """Whether a function takes arguments of any name."""
    return any(one.kind is one.VAR_KEYWORD for one in inspect.signature(function).parameters.values())


def find_similar(name: str, known: Iterable[str]) -> str | None:
    """The known name that a misspelt one probably means; None if none is similar."""
    return next(iter(difflib.get_close_matches(name, known, 1, CLOSE)), None)


def describe_unknown(owner: str, name: str, known: Iterable[str]) -> str:
    """`Owner takes no 'guidance_scal'; write 'guidance_scale'`."""
    meant = find_similar(name, known)
    return f"{owner} takes no {name!r}; " + (f"write {meant!r}" if meant else "correct the name, or remove it")


def check_config(component: Any, config: Iterable[str], place: str) -> None:
    """Raises SetupError for a misspelt key in the configuration of a class, and Unsupported for a key that this release
    does not know: both libraries ignore such a key and would make another model.

    For a class of transformers only misspelt keys are checked: its configurations have keys that no signature names.
    """
    is_transformers = getattr(component, "config_class", None) is not None
    made = component.config_class if is_transformers else component
    known = named_arguments(made.__init__)
    if is_transformers:
        known += [*made().to_dict(), *getattr(made, "attribute_map", {})]
    elif takes_any_name(made.__init__):
        return
    for name in config:
        if name in known:
            continue
        if find_similar(name, known):
            raise SetupError(f"{place}: config: {describe_unknown(component.__name__, name, known)}")
        if not is_transformers:
            raise Unsupported(f"{place}: {component.__name__} of this release takes no {name!r}")


def check_settings(settings: Iterable[str], known: Iterable[str], place: str, owner: str) -> None:
    """Raises SetupError for a misspelt setting. Settings that the class does not have at all are left out elsewhere."""
    for name in settings:
        if name not in known and find_similar(name, known):
            raise SetupError(f"{place}: {describe_unknown(owner, name, known)}")
