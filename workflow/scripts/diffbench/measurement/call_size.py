"""Sizes other than the pipeline's own: the arguments that set one in a stage's call, and whether the output has it."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

from diffbench.libraries.classes import find_class
from diffbench.vocabulary.errors import Unsupported
from diffbench.vocabulary.sizes import dimensions

from .outputs import pixels_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any


def takes_size(value: Any) -> bool:
    """Whether a value of a call is an image or a mask that is made at the size of the stage."""
    if not isinstance(value, dict):
        return False
    made = value.get("make") in ("image", "mask") and "size" not in value
    return made or takes_size(value.get("value"))  # of a list, `make: repeat`


def size_arguments(description: Mapping[str, Any], size: str) -> dict[str, int]:
    """The arguments of the stage's call that set a size; none if an input image sets it.

    Raises Unsupported if the stage cannot be measured at that size.
    """
    asked = dimensions(size)
    if not asked:
        return {}
    name = description["class"]
    if description.get("fixed_size"):
        raise Unsupported(
            f"{name} is measured at its own size alone, not at {size}: config/pipelines.yaml says fixed_size"
        )
    accepted = inspect.signature(find_class(name).__call__).parameters
    if "num_frames" in asked and "num_frames" not in accepted:
        raise Unsupported(f"{name} takes no num_frames: it cannot be measured at {size}; name height and width alone")
    if "height" in accepted and "width" in accepted:
        return asked
    if not any(map(takes_size, description["call"].values())):
        raise Unsupported(f"{name} takes neither height and width nor an image that could be made at {size}")
    return {key: value for key, value in asked.items() if key in accepted}


def size_of(image: Any) -> tuple[int, ...]:
    """(height, width) of an image that a call made, (height, width, frames) of a video; () without one or three color
    channels, as for latents."""
    shape = pixels_of(image).shape
    if len(shape) not in (3, 4):
        return ()
    frames = shape[:-3]
    if shape[-1] in (1, 3, 4):
        return (*shape[-3:-1], *frames)
    return (*shape[-2:], *frames) if shape[-3] in (1, 3) else ()


def check_size(images: Sequence[Any], size: str) -> None:
    """Raises Unsupported if a call made images of another size than requested: pipelines round sizes."""
    asked = tuple(dimensions(size).values())
    found = size_of(images[0]) if asked else ()
    if found and found[: len(asked)] != asked:
        made = "x".join(map(str, found))
        raise Unsupported(f"asked for {size}, the pipeline made {made}: name a size that it makes")
