"""How a cell of a table is printed: its number, or its status."""

from collections.abc import Iterable

from diffbench.data.types import Row
from diffbench.vocabulary.statuses import OOM, OOM_IN_FIRST_CALL, OOM_LATER, OUTSIDE, sign_of
from diffbench.vocabulary.units import ITERATIONS, UNITS

from .table_options import value_of


def ordinal(number: int) -> str:
    """1st, 2nd, 3rd, 4th, 11th, 21st."""
    suffix = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{suffix}"


def print_oom(phase: str) -> str:
    """`OOM` up to the warm-up, `OOM after warmup` in call 1, `OOM after 1st iteration` in call 2, and so on."""
    if not phase.startswith("call-"):
        return OOM
    completed = int(phase[len("call-") :]) - 1
    return OOM_LATER.format(completed=ordinal(completed)) if completed else OOM_IN_FIRST_CALL


def print_stage(row: Row, decimals: int = 2, unit: str = ITERATIONS) -> str:
    """The text of one cell and stage: the row's own `text` if it has one, its number, or its status.

    A row's own text is in the unit of its page, so it is printed only with iterations per second.
    """
    if row["text"] and unit == ITERATIONS:
        return str(row["text"])
    if row["status"] == "ok":
        value = value_of(row, unit)
        return OUTSIDE if value is None else f"{value:.{decimals}f}"
    return print_failure(row)


def print_failure(row: Row) -> str:
    """What is printed instead of a number that was not measured."""
    return print_oom(row["phase"]) if row["status"] == "oom" else sign_of(row["status"])


def merge_stages(texts: list[str]) -> list[str]:
    """The texts of a cell's stages; one text if all stages failed in the same way."""
    return texts[:1] if len(set(texts)) == 1 and not texts[0][0].isdigit() else texts


def best_value(values: Iterable[float | None], unit: str) -> float | None:
    """The best of several numbers in the unit: the largest rate, the smallest time; None if there is none."""
    known = [value for value in values if value is not None]
    return (max if UNITS[unit].more_is_better else min)(known, default=None)
