"""The JSON schema of a row of run.csv or measurements.csv, made from the records of its columns: every value as the text that the
CSV holds; an empty one is not measured."""

from functools import lru_cache

import fastjsonschema

from diffbench.vocabulary.columns import RUN
from diffbench.vocabulary.columns.column import TEXT
from diffbench.vocabulary.statuses import FAILED

REQUIRED = ("gpu", "torch", "pipeline", "stage", "batch_size", "size", "variant", "round")
REQUIRED += ("status", "phase", "detail", "definition")
ABOVE_0 = {"pattern": "^[0-9.]*[1-9]"}
NOTHING = {"const": ""}
CONDITIONS = [
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


def rule_of(kind):
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


@lru_cache(maxsize=1)
def row_validator():
    """The function that checks a whole row."""
    return fastjsonschema.compile(SCHEMA)


@lru_cache(maxsize=1)
def column_validators():
    """The schema in parts: ({column: validate} of each column's values, the columns that depend on each other, validate of a
    row of those alone)."""
    validators = {}  # compiling takes milliseconds, and most columns share their type with others
    for column in RUN.values():
        if column.type not in validators:
            validators[column.type] = fastjsonschema.compile(rule_of(column.type))
    parts = [part for condition in CONDITIONS for part in condition.values()]
    joint = list(dict.fromkeys(column for part in parts for column in part["properties"]))
    rules = {name: validators[column.type] for name, column in RUN.items()}
    return rules, joint, fastjsonschema.compile({"type": "object", "allOf": CONDITIONS})


def is_valid(columns):
    """Whether all rows, as {column: texts}, are as the schema wants them. Each different value is checked once."""
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


def alike_values(column, texts):
    """For each text of a column one that the rules of several columns do not tell from it, so that few rows differ: they ask
    which status it is, whether a number is above 0, and whether there is a text."""
    kind = RUN[column].type
    if kind.is_number:
        signs = {text: text and ("1" if float(text) > 0 else "0") for text in set(texts)}
        return [signs[text] for text in texts]
    return [text[:1] for text in texts] if kind == TEXT else texts


def expectation(error):
    """What the schema wants, in few words."""
    for column in RUN.values():
        if error.rule == "pattern" and error.rule_definition == column.type.pattern and column.type.expected:
            return column.type.expected
    rule = {"enum": "one of", "pattern": "text that matches", "const": "the value"}.get(error.rule)
    if error.rule == "const" and error.rule_definition == "":
        return "nothing: a measurement that failed has no number"
    return f"{rule} {error.rule_definition}" if rule else "a whole row of the schema"
