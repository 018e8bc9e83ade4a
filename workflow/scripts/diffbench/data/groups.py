"""Groups of rows that have the same keys, numbered once: pandas' groupby would compare the keys again for every column."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike


def number_groups(frame: pd.DataFrame, keys: list[str]) -> tuple[np.ndarray, pd.DataFrame]:
    """(the number of each row's group, a DataFrame with the keys of each group), groups in the order of their first rows."""
    numbers = frame.groupby(keys, sort=False).ngroup().to_numpy()
    return numbers, frame[keys][~pd.Series(numbers).duplicated().to_numpy()].reset_index(drop=True)


def groups_by_size(numbers: np.ndarray) -> Iterator[np.ndarray]:
    """The places of each group's rows, for all groups of one size at a time: arrays with one line per group, in their order."""
    order = np.argsort(numbers, kind="stable")
    _, starts, sizes = np.unique(numbers[order], return_index=True, return_counts=True)
    for size in np.unique(sizes).tolist():
        yield order[starts[sizes == size][:, None] + np.arange(size)]


def text_of(value: object) -> str:
    """The text of a value that is joined with others: whole numbers without decimals, nothing if it is unknown."""
    if value is None or value != value:
        return ""
    return f"{value:.0f}" if isinstance(value, float) else str(value)


def join_different(values: ArrayLike, numbers: ArrayLike, count: int) -> np.ndarray:
    """The distinct values of each of `count` groups that are not empty, joined with `; ` in their order: an array of text.

    `values`: a Series or array; `numbers`: the number of the group of each value.
    """
    codes, different = pd.factorize(np.asarray(values, dtype=object), use_na_sentinel=False)
    texts = list(map(text_of, different))
    places = {text: place for place, text in enumerate(dict.fromkeys(texts))}
    codes = np.array([places[text] for text in texts], dtype=int)[codes]
    pairs = pd.unique(np.asarray(numbers) * len(places) + codes)
    names, joined = list(places), [""] * count
    for group, place in zip(*(part.tolist() for part in np.divmod(pairs, len(places)))) if len(pairs) else ():
        text = names[place]
        joined[group] = f"{joined[group]}; {text}" if joined[group] and text else joined[group] or text
    return np.array(joined, dtype=object)


def first_mixed(values: ArrayLike, numbers: ArrayLike) -> int | None:
    """The place of the first value whose group has other values too; None if the values within each group are the same."""
    codes, different = pd.factorize(np.asarray(values, dtype=object))
    groups = pd.unique(np.asarray(numbers) * max(len(different), 1) + codes) // max(len(different), 1)
    mixed = groups[pd.Series(groups).duplicated().to_numpy()]
    places = np.flatnonzero(np.isin(numbers, mixed))
    return int(places[0]) if len(places) else None
