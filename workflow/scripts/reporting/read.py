"""Reading measurement rows: every value is checked as the text that the CSV holds, before any of it becomes a number."""

import csv
from functools import lru_cache
from pathlib import Path

import fastjsonschema
import pandas as pd
import yaml

from columns import CALL_COLUMNS, IDENTITY
from sizes import NATIVE, with_size

from .errors import ReportError

CALL_TEXTS = ("gpu", "torch", "pipeline", "size", "variant", "definition", "kind")
SCHEMA = Path(__file__).resolve().parents[2] / "schemas" / "measurement.schema.yaml"


@lru_cache(maxsize=1)
def row_schema():
    """(columns, validate) of a measurement row."""
    schema = yaml.safe_load(SCHEMA.read_text(encoding="utf-8"))
    return list(schema["properties"]), fastjsonschema.compile(schema)


def number_columns():
    """The columns that hold numbers."""
    schema = yaml.safe_load(SCHEMA.read_text(encoding="utf-8"))
    numeric = ("integer", "count", "number", "signed")
    return [
        column for column, rule in schema["properties"].items() if rule.get("$ref", "").rpartition("/")[2] in numeric
    ]


def read_rows(path, remedy="delete it and its run is measured again"):
    """The rows of one measurement CSV as dictionaries of text. `remedy` is what to do about a file that is damaged.

    Raises ReportError that names file and line where the file is empty, cut off, foreign, or holds what no row may hold.
    """
    columns, validate = row_schema()
    try:
        with open(path, encoding="utf-8", newline="") as file:
            text = file.read()
    except UnicodeDecodeError:
        raise ReportError(f"{path}: not a text file in UTF-8; {remedy}") from None
    if not text.endswith("\n"):
        raise ReportError(f"{path}: empty or cut off in its last line; {remedy}")
    reader = csv.DictReader(text.splitlines(keepends=True), strict=True)
    rows = []
    try:
        check_columns(path, reader.fieldnames or [], columns)
        for row in reader:
            row = {**dict.fromkeys(columns, ""), "size": NATIVE, **row}
            validate(row)
            rows.append(row)
    except csv.Error as error:
        raise ReportError(f"{path}:{max(reader.line_num, 1)}: not valid CSV: {error}") from None
    except fastjsonschema.JsonSchemaValueException as error:
        column = error.path[-1] if len(error.path) > 1 else "row"
        found = f"found {str(error.value)[:60]!r}, " if len(error.path) > 1 else ""
        raise ReportError(f"{path}:{reader.line_num}: {column}: {found}expected {expectation(error)}") from None
    if not rows:
        raise ReportError(f"{path}: a header without rows; {remedy}")
    return rows


def check_columns(path, found, columns):
    """Raises ReportError for columns that no row has, or that are too few. A row of an older release may lack newer columns."""
    identity = [column for column in IDENTITY if column != "size" or column in found]
    unknown = [column for column in found if column not in columns]
    if found[: len(identity)] != identity or unknown or len(set(found)) < len(found):
        begin = ", ".join(found[:4])
        problem = f"column {unknown[0]!r} is unknown" if unknown else f"its columns begin with '{begin}'"
        raise ReportError(f"{path}: not a measurement CSV: {problem}, expected '{columns[0]}, …'")


def expectation(error):
    """What the schema wants, in few words."""
    rule = {"enum": "one of", "pattern": "text that matches", "const": "the value"}.get(error.rule)
    if error.rule == "const" and error.rule_definition == "":
        return "nothing: a measurement that failed has no number"
    return f"{rule} {error.rule_definition}" if rule else "a whole row of the schema"


def to_frame(rows):
    """A DataFrame of rows: numbers as float (empty: NaN), batch_size, stage and round as integers, the rest as text."""
    frame = pd.DataFrame(rows, columns=row_schema()[0])
    for column in number_columns():
        frame[column] = pd.to_numeric(frame[column].replace("", None))
    return frame.astype({"batch_size": int, "stage": int, "round": int})


def read_calls(paths):
    """The calls of several calls.csv as one DataFrame. Raises ReportError where a file is no such CSV."""
    frames = []
    for path in paths:
        try:
            frame = with_size(pd.read_csv(path, dtype=dict.fromkeys(CALL_TEXTS, str), keep_default_na=False))
        except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
            raise ReportError(f"{path}: not a CSV of calls: {error}; delete it and its run is measured again") from None
        if list(frame.columns) != CALL_COLUMNS:
            raise ReportError(f"{path}: not a CSV of calls: expected the columns {', '.join(CALL_COLUMNS[:4])}, …")
        frames.append(frame)
    frames = [frame for frame in frames if len(frame)]
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=CALL_COLUMNS)


def read_measurements(paths):
    """The rows of several measurement CSVs as one DataFrame, in the order of the paths."""
    return to_frame([row for path in paths for row in read_rows(path)])
