"""Whether an installed release is the one named, and the names of arguments in different releases."""

from __future__ import annotations

import re

DTYPE_SINCE = {"diffusers": (0, 40), "transformers": (4, 56)}  # both call it torch_dtype before


def same_release(found: str | None, named: str) -> bool:
    """Whether a version is the one named: `2.13.0+cpu` is also `2.13.0`, but a named build must match exactly."""
    return found is not None and named in (found, found.split("+")[0])


def is_older(version: str | None, release: tuple[int, ...]) -> bool:
    """Whether a version, such as `2.13.0+cpu`, is older than a release, such as (2, 3); None or an empty text is the newest."""
    numbers = re.findall(r"\d+", version or "")[:2]
    return bool(numbers) and tuple(map(int, numbers)) < release


def dtype_argument(library: str, version: str | None) -> str:
    """The name of `from_pretrained`'s argument for the dtype in a release of a library; None: the newest release."""
    return "torch_dtype" if is_older(version, DTYPE_SINCE[library]) else "dtype"
