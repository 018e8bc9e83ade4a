"""Reading measurement rows: every value is checked as the text in the CSV, before any becomes a number, and each row is checked
for contradictions."""

import csv
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain, groupby
from pathlib import Path
from typing import Any, NamedTuple

import fastjsonschema
import numpy as np
import pandas as pd

from diffbench.vocabulary.columns import CALL_COLUMNS, COLUMNS, IDENTITY
from diffbench.vocabulary.sizes import NATIVE

from .consistency import find_conflict
from .csv_text import check_numbers, check_separator, line_of, lines_of, read_table
from .errors import AGAIN, AGAIN_BESIDE, REMADE, SENT, ReportError
from .row_schema import NUMBER_COLUMNS, expectation, is_valid, row_validator
from .run_checks import check_folder, spans
from .types import AnyPath, Texts

CALL_TEXTS = ("gpu", "torch", "pipeline", "size", "variant", "definition", "kind")
CALL_NUMBERS = ["latency_s", "loop_s", "iterations", "denoiser_calls"]


class CsvRows(NamedTuple):
    """The rows of several measurement CSVs: `columns` as text, and how many rows each file has (`counts`)."""

    columns: dict[str, tuple[str, ...]]
    counts: list[int]


def remedy_of(path: AnyPath) -> str:
    """What to do about a damaged CSV of measurements or calls: measure a run again, make a file again that was collected from
    runs here, get a new copy of any other."""
    path = Path(path)
    if path.with_name("run.csv").is_file():
        return AGAIN if path.name == "run.csv" else AGAIN_BESIDE
    return REMADE if path.with_name("runs").is_dir() else SENT


def read_files(paths: Sequence[AnyPath], remedy: str | None = None) -> CsvRows:
    """The rows of several measurement CSVs, in the order of the paths.

    `remedy` is what to do about a damaged file (None: remedy_of). Raises ReportError, with file and line, if a file is empty, cut
    off or not such a CSV, or has a value that is not allowed, or one that another value or the run's folder contradicts.
    """
    remedies = [remedy or remedy_of(path) for path in paths]
    files = list(map(split_file, paths, remedies))
    alike = groupby(files, key=lambda file: file[0])
    parts = [whole_columns(header, list(chain.from_iterable(rows for _, rows in same))) for header, same in alike]
    columns = {column: tuple(chain.from_iterable(part[column] for part in parts)) for column in COLUMNS}
    if not is_valid(columns):
        for path, what_to_do in zip(paths, remedies):
            check_rows(path, lines_of(path, what_to_do), what_to_do)
    counts = [len(rows) for _, rows in files]
    of_files = list(zip(paths, spans(counts), remedies))
    conflict = find_conflict(columns)
    for path, span, what_to_do in of_files:
        if conflict and conflict.row in span:
            line = line_of(path, conflict.row - span.start, what_to_do)
            raise ReportError(f"{path}:{line}: {conflict}; {what_to_do}")
    for path, span, what_to_do in of_files:
        check_folder(path, columns, span, what_to_do)
    return CsvRows(columns, counts)


def split_file(path: AnyPath, remedy: str) -> tuple[list[str], list[list[str]]]:
    """(header, rows as lists) of one measurement CSV, whose values are not checked yet. Raises ReportError as read_files does."""
    lines = lines_of(path, remedy)
    try:
        header, *rows = csv.reader(lines, strict=True)
        rows = list(filter(None, rows))
        is_whole = all(length == len(header) for length in set(map(len, rows)))
    except csv.Error:
        is_whole = False
    if not is_whole:
        check_rows(path, lines, remedy)
    check_columns(path, header)
    if not rows:
        raise ReportError(f"{path}: a header without rows; {remedy}")
    return header, rows


def whole_columns(header: Sequence[str], rows: Sequence[Sequence[str]]) -> dict[str, Sequence[str]]:
    """{column: texts} with every column of the schema."""
    found = dict(zip(header, zip(*rows)))
    defaults = {**dict.fromkeys(COLUMNS, ""), "size": NATIVE}
    return {column: found.get(column) or (value,) * len(rows) for column, value in defaults.items()}


def check_rows(path: AnyPath, lines: Iterable[str], remedy: str) -> None:
    """Raises ReportError for the first line that the schema does not allow."""
    validate = row_validator()
    reader = csv.DictReader(lines, strict=True)
    try:
        check_columns(path, reader.fieldnames or [])
        for row in reader:
            validate({**dict.fromkeys(COLUMNS, ""), "size": NATIVE, **row})
    except csv.Error as error:
        raise ReportError(f"{path}:{max(reader.line_num, 1)}: not valid CSV: {error}; {remedy}") from None
    except fastjsonschema.JsonSchemaValueException as error:
        column = error.path[-1] if len(error.path) > 1 else "row"
        found = f"found {str(error.value)[:60]!r}, " if len(error.path) > 1 else ""
        raise ReportError(
            f"{path}:{reader.line_num}: {column}: {found}expected {expectation(error)}; {remedy}"
        ) from None


def read_rows(path: AnyPath, remedy: str | None = None) -> list[dict[str, str]]:
    """The rows of one measurement CSV as dictionaries of text. Raises ReportError as read_files does."""
    columns = read_files([path], remedy).columns
    return [dict(zip(columns, values)) for values in zip(*columns.values())]


def check_columns(path: AnyPath, found: Sequence[str]) -> None:
    """Raises ReportError for unknown columns and for missing ones. Rows of an older release may lack newer columns."""
    check_separator(path, found)
    identity = [column for column in IDENTITY if column != "size" or column in found]
    unknown = [column for column in found if column not in COLUMNS]
    if found[: len(identity)] != identity or unknown or len(set(found)) < len(found):
        begin = ", ".join(found[:4])
        problem = f"column {unknown[0]!r} is unknown" if unknown else f"its columns begin with '{begin}'"
        raise ReportError(f"{path}: not a measurement CSV: {problem}, expected '{COLUMNS[0]}, …'")


def to_frame(rows: Texts | Sequence[Mapping[str, str]]) -> pd.DataFrame:
    """A DataFrame of rows, or of {column: texts}: numbers as float (empty: NaN), batch_size, stage and round as integers,
    the rest as text."""
    texts = rows if isinstance(rows, dict) else pd.DataFrame(rows, columns=COLUMNS, dtype=object)
    frame = pd.DataFrame({column: convert(texts[column], column in NUMBER_COLUMNS) for column in COLUMNS})
    return frame.astype({"batch_size": int, "stage": int, "round": int})


def convert(texts: Sequence[str] | pd.Series, is_number: bool) -> Any:
    """A column of texts as an array of numbers or of text. Each distinct value is converted once."""
    codes, different = pd.factorize(np.asarray(texts, dtype=object), use_na_sentinel=False)
    values = pd.Series(different, dtype=None if is_number else str)
    return (pd.to_numeric(values.replace("", None)) if is_number else values).array.take(codes)


def read_calls(paths: Iterable[AnyPath], remedy: str | None = None) -> pd.DataFrame:
    """The calls of several calls.csv as one DataFrame. Raises ReportError if a file is not such a CSV."""
    frames = []
    for path in paths:
        what_to_do = remedy or remedy_of(path)
        try:
            frame = read_table(path, "calls", CALL_COLUMNS, what_to_do, dict.fromkeys(CALL_TEXTS, str))
        except FileNotFoundError:
            raise ReportError(f"{path}: no such file; {AGAIN_BESIDE}") from None
        if len(frame):
            frames.append(check_numbers(path, frame, CALL_NUMBERS, what_to_do))
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=CALL_COLUMNS)


def read_measurements(paths: Sequence[AnyPath]) -> pd.DataFrame:
    """The rows of several measurement CSVs as one DataFrame, in the order of the paths."""
    return to_frame(read_files(paths).columns)
