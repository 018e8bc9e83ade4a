"""The rows of a DataFrame as Python's own values, like pandas' to_dict and itertuples, which are slow with columns of text."""

from typing import Any, TypeGuard

import pandas as pd

from .types import Row


def lists_of(frame: pd.DataFrame) -> list[list[Any]]:
    """The values of each column, as a list."""
    return [frame[column].to_numpy().tolist() for column in frame]


def records(frame: pd.DataFrame) -> list[Row]:
    """A list of {column: value}."""
    columns = list(map(str, frame))
    return [dict(zip(columns, values)) for values in zip(*lists_of(frame))]


def tuples(frame: pd.DataFrame) -> list[tuple[Any, ...]]:
    """A list of tuples."""
    return list(zip(*lists_of(frame)))


def is_number(value: object) -> TypeGuard[float]:
    """Whether a value of a summary's row is a number, and not NaN, which means none."""
    return isinstance(value, int | float) and value == value
