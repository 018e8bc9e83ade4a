"""Values of a summary as the page's JSON has them."""

import math
from collections.abc import Iterable
from typing import Any

from diffbench.data.rows import is_number
from diffbench.data.types import Row


def number(value: object) -> float | str | None:
    """A number with five significant digits for JSON; None for one that is missing; `inf` as text."""
    if not is_number(value):
        return None
    return float(f"{value:.5g}") if math.isfinite(value) else "inf"


def compact(pairs: Iterable[tuple[str, Any]]) -> Row:
    """A dictionary without missing or empty values."""
    return {name: value for name, value in pairs if value is not None and value != ""}
