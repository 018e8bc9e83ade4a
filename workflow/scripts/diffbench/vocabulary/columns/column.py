"""A column of a CSV: its name, the type of its values, its meaning, its unit and its label."""

from __future__ import annotations

from typing import NamedTuple, Sequence

from ..names import EXPECTED, NAME_PATTERN

DIGITS = r"[0-9]{1,20}(\.[0-9]{1,30})?([eE][+-]?[0-9]{1,2})?"  # so few that every number is finite


class Type(NamedTuple):
    """The texts that a column may hold: those of `values` if there are any, otherwise those that match `pattern` if there is one.

    `expected` names the type in an error message."""

    pattern: str = ""
    values: tuple[str, ...] = ()
    expected: str = ""
    is_number: bool = False


class Column(NamedTuple):
    """`meaning` is Markdown for docs/method.md. `label` heads the column on the page, which shows only columns that have one."""

    name: str
    type: Type
    meaning: str
    unit: str = ""
    label: str = ""


NAME = Type(f"^{NAME_PATTERN}$", expected=EXPECTED)
INTEGER = Type("^([1-9][0-9]{0,8})$", expected="a whole number from 1 on", is_number=True)
COUNT = Type("^([0-9]{1,15})?$", expected="a whole number", is_number=True)
NUMBER = Type(f"^({DIGITS})?$", expected="a number such as 2, 0.5 or 1e-05", is_number=True)
SIGNED = Type(f"^(-?{DIGITS})?$", expected="a number such as -2, 0.5 or 1e-05", is_number=True)
RELEASE = Type(r"^([0-9]+\.[0-9]+)?$", expected="a release such as 12.10")
TIME = Type("^(20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z)?$")
TEXT = Type()


def one_of(*values: str) -> Type:
    """The type of a column that holds one of these texts."""
    return Type(values=values)


def names_of(*groups: Sequence[Column]) -> list[str]:
    """The names of the columns of these groups, in their order."""
    return [column.name for group in groups for column in group]


def heading_of(column: Column) -> str:
    """`Latency (s)`: the label of a column with its unit."""
    return f"{column.label} ({column.unit})" if column.unit not in ("", column.label) else column.label
