"""Whether what was found is the release that was named, and what a release calls its arguments."""

import re

DTYPE_SINCE = {"diffusers": (0, 40), "transformers": (4, 56)}  # both call it torch_dtype before


def same_release(found, named):
    """Whether a version found is the one named: `2.13.0+cpu` is also `2.13.0`, but a build that is named must be that one."""
    return found is not None and named in (found, found.split("+")[0])


def is_older(version, release):
    """Whether a version, such as `2.13.0+cpu`, is older than a release, such as (2, 3); None or an empty text is the newest."""
    numbers = re.findall(r"\d+", version or "")[:2]
    return bool(numbers) and tuple(map(int, numbers)) < release


def dtype_argument(library, version):
    """The name of `from_pretrained`'s argument for the dtype in a release of a library; None: in its newest one."""
    return "torch_dtype" if is_older(version, DTYPE_SINCE[library]) else "dtype"
