"""Reading CSV files, which spreadsheets and other machines may have saved: text in UTF-8, with or without a byte-order mark,
separated by commas."""

import codecs
import csv
import io
from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from .errors import ReportError
from .sizes import with_size
from .types import AnyPath

SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "bars"}
BOUNDS = {
    "any or inf": ("a number or inf", lambda numbers: numbers > -np.inf),
    "not negative or inf": ("a number of 0 or more, or inf", lambda numbers: numbers >= 0),
    "-1 to 1": ("a number from -1 to 1", lambda numbers: np.abs(numbers) <= 1),
    "not negative": ("a number of 0 or more", lambda numbers: np.isfinite(numbers) & (numbers >= 0)),
    "positive": ("a number above 0, or nothing", lambda numbers: np.isfinite(numbers) & (numbers > 0)),
}
POSITIVE_INTEGER = "[1-9][0-9]{0,8}"  # a pattern
UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def decode(content: bytes, name: AnyPath, remedy: str) -> str:
    """The text of a file's bytes, without a byte-order mark. Raises ReportError if it is not UTF-8."""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        found = "UTF-16" if content.startswith(UTF_16) else f"byte 0x{content[error.start]:02x} in line {line}"
        raise ReportError(f"{name}: not a text file in UTF-8: found {found}; {remedy}") from None


def lines_of(path: AnyPath, remedy: str) -> list[str]:
    """The lines of a CSV with their line endings. Raises ReportError if it is not text, is empty or is cut off."""
    with open(path, "rb") as file:
        text = decode(file.read(), path, remedy)
    if not text.endswith(("\n", "\r")):
        raise ReportError(f"{path}: empty or cut off in its last line; {remedy}")
    return list(io.StringIO(text, newline=""))


def check_separator(path: AnyPath, header: Sequence[str]) -> None:
    """Raises ReportError if the header of a CSV is a single column because it is not separated by commas."""
    for separator, name in SEPARATORS.items():
        if len(header) == 1 and separator in header[0]:
            raise ReportError(f"{path}: separated by {name}, expected commas; save it with commas and decimal points")


def check_fields(path: AnyPath, lines: Iterable[str], what: str, remedy: str) -> None:
    """Raises ReportError for the first row of a CSV whose number of fields is not that of the header."""
    reader = csv.reader(lines, strict=True)
    try:
        header = next(reader)
        for row in reader:
            if row and len(row) != len(header):
                place = f"{path}:{reader.line_num}"
                raise ReportError(
                    f"{place}: found {len(row)} fields, expected the {len(header)} of the header; {remedy}"
                )
    except csv.Error as error:
        raise ReportError(f"{path}:{max(reader.line_num, 1)}: not a CSV of {what}: {error}; {remedy}") from None


def line_of(path: AnyPath, row: int, remedy: str) -> int:
    """The number of the line on which a CSV's row ends; rows are counted from 0, without the header."""
    reader = csv.reader(lines_of(path, remedy))
    for number, _ in enumerate(filter(None, reader), start=-1):
        if number == row:
            return reader.line_num
    return reader.line_num


def read_table(
    path: AnyPath, what: str, columns: Sequence[str], remedy: str, dtype: type | dict[str, type] = str
) -> pd.DataFrame:
    """A CSV as a DataFrame of text, or of `dtype` by column; a column `size` that it lacks is added.

    Raises ReportError, which says that it is not a CSV of `what`, if it is damaged, cut off or has other columns.
    """
    lines = lines_of(path, remedy)
    check_fields(path, lines, what, remedy)
    try:
        frame = pd.read_csv(io.StringIO("".join(lines)), dtype=dtype, keep_default_na=False)
    except ValueError as error:  # includes parsing errors
        reason = str(error).strip().partition("\n")[0]
        raise ReportError(f"{path}: not a CSV of {what}: {reason}; {remedy}") from None
    check_separator(path, list(frame.columns))
    frame = with_size(frame)
    if sorted(frame.columns) != sorted(columns):
        raise ReportError(
            f"{path}: not a CSV of {what}: expected the columns {', '.join(columns[:4])}, …, {columns[-1]}; {remedy}"
        )
    return frame[list(columns)]


def check_numbers(
    path: AnyPath, frame: pd.DataFrame, columns: Iterable[str], remedy: str, bound: str = "not negative"
) -> pd.DataFrame:
    """The DataFrame with these columns as numbers, NaN if empty. Raises ReportError for the first value that is not a number
    within `bound`, a key of BOUNDS."""
    words, is_within = BOUNDS[bound]
    found = {}
    for column in columns:
        texts, is_plain = frame[column], pd.api.types.is_numeric_dtype(frame[column])
        if is_plain:
            numbers = texts.astype(float)
        else:
            texts = texts.astype(str)
            decimal = texts.where(~texts.str.contains("[xX_]"), "-")  # pandas reads hexadecimal ones, too
            numbers = pd.to_numeric(decimal, errors="coerce").astype(float)
        right = is_within(numbers) if is_plain else is_within(numbers) | (texts == "")
        check_all(path, texts, right, words, remedy)
        found[column] = numbers
    return frame.assign(**found)


def check_all(path: AnyPath, texts: pd.Series, right: pd.Series, expected: str, remedy: str) -> None:
    """Raises ReportError for the first value of a column that is not `right`."""
    if not right.all():
        row = int((~right.astype(bool)).to_numpy().argmax())
        place = f"{path}:{line_of(path, row, remedy)}: {texts.name}"
        raise ReportError(f"{place}: found {str(texts.iloc[row])[:60]!r}, expected {expected}; {remedy}")
