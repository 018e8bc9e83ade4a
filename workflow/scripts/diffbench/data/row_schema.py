"""The JSON schema of a row of run.csv or measurements.csv, made from the records of its columns. Every value is the text in the
CSV; an empty one was not measured."""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import fastjsonschema

from diffbench.vocabulary.columns import RUN
from diffbench.vocabulary.columns.column import TEXT, Type
from diffbench.vocabulary.statuses import FAILED

from .types import Texts

REQUIRED: tuple[str, ...] = ("gpu", "torch", "pipeline", "stage", "batch_size", "size", "variant", "round")
REQUIRED += ("status", "phase", "detail", "definition")
ABOVE_0 = {"pattern": "^[0-9.]*[1-9]"}
NOTHING = {"const": ""}
CONDITIONS: list[dict[str, Any]] = [
    {
        "if": {"properties": {"status": {"const": "ok"}}},
        "then": {"properties": {"iterations_per_second": ABOVE_0, "latency_s": ABOVE_0}},
    },
    {
        "if": {"properties": {"status": {"enum": list(FAILED)}}},
        "then": {
            "properties": {
                "iterations_per_second": NOTHING,
                "denoiser_calls_per_second": NOTHING,
                "images_per_second": NOTHING,
                "latency_s": NOTHING,
                "detail": {"minLength": 1},
            }
        },
    },
]
NUMBER_COLUMNS = [name for name, column in RUN.items() if column.type.is_number]


def rule_of(kind: Type) -> dict[str, Any]:
    """The schema of a value of a column's type."""
    if kind.values:
        return {"enum": list(kind.values)}
    return {"type": "string", "pattern": kind.pattern} if kind.pattern else {"type": "string"}


SCHEMA = {
    "$schema": "http://json-schema.org/draft-07/schema#",
    "type": "object",
    "additionalProperties": False,
    "required": list(REQUIRED),
    "allOf": CONDITIONS,
    "properties": {name: rule_of(column.type) for name, column in RUN.items()},
}


Validate = Callable[[Any], Any]  # raises JsonSchemaValueException


class ColumnValidators(NamedTuple):
    """The parts of the schema: `rules` check the values of one column each, `validate_joint` a row of the columns `joint`, which
    depend on each other."""

    rules: dict[str, Validate]
    joint: list[str]
    validate_joint: Validate


@lru_cache(maxsize=1)
def row_validator() -> Validate:
    """The function that checks a whole row."""
    return fastjsonschema.compile(SCHEMA)


@lru_cache(maxsize=1)
def column_validators() -> ColumnValidators:
    """The functions that is_valid checks rows with."""
    validators: dict[Type, Validate] = {}  # compiling takes milliseconds, and most columns share their type with others
    for column in RUN.values():
        if column.type not in validators:
            validators[column.type] = fastjsonschema.compile(rule_of(column.type))
    parts = [part for condition in CONDITIONS for part in condition.values()]
    joint = list(dict.fromkeys(column for part in parts for column in part["properties"]))
    rules = {name: validators[column.type] for name, column in RUN.items()}
    return ColumnValidators(rules, joint, fastjsonschema.compile({"type": "object", "allOf": CONDITIONS}))


def is_valid(columns: Texts) -> bool:
    """Whether the schema allows all rows, given as {column: texts}. Each distinct value is checked once."""
    rules, joint, validate = column_validators()
    try:
        for column, values in columns.items():
            for value in set(values):
                rules[column](value)
        alike = [alike_values(column, columns[column]) for column in joint]
        for values in set(zip(*alike)):
            validate(dict(zip(joint, values)))
    except fastjsonschema.JsonSchemaValueException:
        return False
    return True


def alike_values(column: str, texts: Sequence[str]) -> Sequence[str]:
    """Each text of a column replaced by one that the rules over several columns treat the same, so that few distinct rows remain.
    These rules check the status, whether a number is above 0, and whether a text is empty."""
    kind = RUN[column].type
    if kind.is_number:
        signs = {text: text and ("1" if float(text) > 0 else "0") for text in set(texts)}
        return [signs[text] for text in texts]
    return [text[:1] for text in texts] if kind == TEXT else texts


def expectation(error: fastjsonschema.JsonSchemaValueException) -> str:
    """What the schema expects, in a few words."""
    for column in RUN.values():
        if error.rule == "pattern" and error.rule_definition == column.type.pattern and column.type.expected:
            return column.type.expected
    rule = {"enum": "one of", "pattern": "text that matches", "const": "the value"}.get(str(error.rule))
    if error.rule == "const" and error.rule_definition == "":
        return "nothing: a failed measurement has no number"
    return f"{rule} {error.rule_definition}" if rule else "a complete row"
