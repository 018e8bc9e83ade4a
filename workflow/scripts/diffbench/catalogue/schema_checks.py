"""Checks of configs and catalogues against their JSON schemas, with messages that a user can act on.

The measuring programs check the catalogues too. If their environment lacks jsonschema, they check everything but the
schemas.
"""

from __future__ import annotations

import os
import re
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from diffbench.mechanisms.registry import setting_schemas
from diffbench.vocabulary.errors import DiffbenchError, list_known, one_line

from .definition import ROOT, catalogue_path, recipe_of
from .yaml_file import find_value, read_yaml, shared_yaml

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


SCHEMAS = ROOT / "workflow" / "schemas"
CATALOGUES = ("gpus", "pipelines", "variants")
CLASS = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]", re.DOTALL)  # of a regular expression: an escape or a class
NEW_SYNTAX = re.compile(r"[*+?}]\+|\(\?>")  # new in Python 3.11: possessive quantifiers and atomic groups
LITERALS = {"true": True, "false": False, "null": None, "none": None, "": None}


@lru_cache(maxsize=None)
def validator(schema_name: str) -> Any:
    """The validator of workflow/schemas/<schema_name>.schema.yaml; None if jsonschema is not installed. An integer must be
    written as one: 4.0 would name other files than 4."""
    try:
        import jsonschema
    except ImportError:
        return None
    kind = jsonschema.Draft202012Validator
    types = kind.TYPE_CHECKER.redefine("integer", lambda _, value: type(value) is int)
    return jsonschema.validators.extend(kind, type_checker=types)(read_schema(schema_name))


def read_schema(schema_name: str) -> dict[str, Any]:
    """A schema of workflow/schemas/; that of variants with the settings of all mechanisms."""
    schema = read_yaml(schema_path(schema_name))
    if schema_name == "variants":
        schema["additionalProperties"]["properties"].update(setting_schemas())
    return schema


def schema_path(schema_name: str) -> Path:
    """The path of a schema."""
    return SCHEMAS / f"{schema_name}.schema.yaml"


def spell_keys(keys: Iterable[str | int]) -> str:
    """The place of a value as a user writes it: `measurement.calls`, `batch_sizes[0]`."""
    return "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in keys).lstrip(".")


def keys_of(error: Any) -> list[str | int]:
    """The keys and indices that lead to the value of a jsonschema error, or to the key itself if that is at fault."""
    keys = list(error.absolute_path)
    if error.validator == "additionalProperties" and unknown_keys(error):
        return [*keys, unknown_keys(error)[0]]
    return [*keys, error.instance] if "propertyNames" in error.absolute_schema_path else keys


def unknown_keys(error: Any) -> list[str]:
    """The keys that a schema does not know, of an error of `additionalProperties`."""
    return [key for key in error.instance if key not in error.schema.get("properties", {})]


def explain(error: Any, text: str | None = None) -> str:
    """One line for a jsonschema error: what was found, and what was expected. `text` is the value as written in its file."""
    if error.validator == "additionalProperties":
        unknown = unknown_keys(error)
        known = list_known(error.schema.get("properties", {}), unknown[0])
        return f"unknown key {', '.join(map(str, unknown))}; expected one of: {known}"
    if error.validator == "required":
        missing = [key for key in error.validator_value if key not in error.instance]
        return f"missing key {', '.join(missing)}; add it"
    if error.validator in ("maximum", "maxLength"):
        unit = " characters" if error.validator == "maxLength" else ""
        return f"found {describe(error.instance)}, expected at most {error.validator_value}{unit}"
    expected = error.schema.get("expected", one_line(error.message, 120))
    if isinstance(error.instance, (bool, int, float)):
        written = str(error.instance) if text is None else text
        if takes_text(error.schema, written):
            kind = "a boolean" if isinstance(error.instance, bool) else "a number"
            return f"found {written}, which YAML reads as {kind}: put what you wrote in quotes; expected {expected}"
    if text == "" and error.instance is None:
        return f"found no value, expected {expected}"
    return f"found {describe(error.instance)}, expected {expected}"


def takes_text(rule: Mapping[str, Any], text: str) -> bool:
    """Whether a rule of a schema that refuses a value accepts its text."""
    if "enum" in rule:
        return text in rule["enum"]
    return "string" in as_list(rule.get("type", [])) and bool(re.search(rule.get("pattern", ""), text))


def describe(value: object) -> str:
    """A value in a message, shortened."""
    return one_line(repr(value), 80)


def as_list(found: Any) -> list[Any]:
    """A list as it is, any other value as a list of one."""
    return found if isinstance(found, list) else [found]


def check(
    content: Any, schema_name: str, source: str | Path, path: str | Path | None = None, is_part: bool = False
) -> None:
    """Check `content` against workflow/schemas/<schema_name>.schema.yaml. With `is_part` no key of its mappings is
    required.

    Raises DiffbenchError for the first error, in one line that begins with `source`, the line in its file `path` if that is
    given, and the key at fault.
    """
    found = validator(schema_name)
    errors = [
        error
        for error in (found.iter_errors(content) if found else [])
        if not (
            is_part and error.validator == "required" and not any(isinstance(key, int) for key in error.absolute_path)
        )
    ]
    for error in sorted(errors, key=lambda error: (len(error.absolute_path), str(error.absolute_path))):
        line, text = find_value(path, keys_of(error)) if path else (None, None)
        where = f"{source}:{line}" if line else str(source)
        raise DiffbenchError(": ".join(filter(None, [where, spell_keys(error.absolute_path), explain(error, text)])))


def check_config_file(path: str | Path) -> None:
    """Check a config's file, which may have any subset of the keys. Raises DiffbenchError with the file and the line at
    fault."""
    shown = shorten(path)
    content = read_yaml(shown)
    if "__use_yte__" not in content:  # a template of Snakemake: its keys are not yet those of a config
        check(content, "config", shown, path, is_part=True)


def shorten(path: str | Path) -> str | Path:
    """The path relative to the working folder, if it is inside."""
    try:
        return Path(os.path.abspath(path)).relative_to(Path.cwd())  # noqa: PTH100  # symbolic links stay as they are
    except ValueError:
        return path


def with_types(value: Any, schema_name: str = "config") -> Any:
    """The values of `--config` in the types of the schema: Snakemake turns all nested values into text."""
    schema = shared_yaml(schema_path(schema_name))
    return convert(value, schema, schema)


def convert(value: Any, rule: Mapping[str, Any], schema: Mapping[str, Any]) -> Any:
    """A text value in the type of a rule of the schema; unchanged if the rule accepts text or the value does not fit."""
    if "$ref" in rule:
        rule = {**schema["$defs"][rule["$ref"].rpartition("/")[2]], **rule}
    types = as_list(rule.get("type", "string"))
    if isinstance(value, dict):
        return {key: convert(item, rule.get("properties", {}).get(key, {}), schema) for key, item in value.items()}
    if isinstance(value, list):
        return [convert(item, rule.get("items", {}), schema) for item in value]
    if not isinstance(value, str) or "string" in types:
        return value
    if {"integer", "number"} & set(types) and re.fullmatch(r"-?[0-9]{1,18}", value):
        return int(value)
    if "number" in types and re.fullmatch(r"-?[0-9]*\.?[0-9]+", value):
        return float(value)
    literal = LITERALS.get(value.lower(), value)
    wanted = "boolean" if isinstance(literal, bool) else "null"
    return literal if wanted in types else value


def read_catalogue(kind: str, root: str | Path = ROOT) -> dict[str, Any]:
    """A catalogue of config/, checked against its schema, if jsonschema is installed, and for errors that a schema cannot
    express."""
    path = catalogue_path(kind, root)
    content = read_yaml(path)
    shown = f"config/{kind}.yaml"
    check(content, kind, shown, path)
    for name, entry in content.items():
        if not isinstance(entry, dict):
            raise DiffbenchError(f"{shown}: {name}: found {describe(entry)}, expected a mapping of keys to values")
        if kind == "gpus":
            check_pattern(name, entry, shown, path)
        if kind == "variants":
            recipe_of(name, root)
    check_labels(content, shown, path)
    return content


def check_catalogues(root: str | Path = ROOT) -> None:
    """Check all catalogues of config/. Raises DiffbenchError for the first error."""
    for kind in CATALOGUES:
        read_catalogue(kind, root)


def check_labels(content: Mapping[str, Any], source: str, path: str | Path) -> None:
    """Raises DiffbenchError if two entries of a catalogue share a label: tables print labels, not names."""
    names: dict[str, str] = {}
    for name, entry in content.items():
        label = " ".join(str(entry.get("label", name)).split())  # as it is printed
        if label in names:
            line, _ = find_value(path, [name, "label"])
            raise DiffbenchError(
                f"{source}:{line}: {name}.label: found {describe(label)}, also the label of {names[label]}, expected another; "
                "change one of them"
            )
        names[label] = name


def check_pattern(name: str, entry: Mapping[str, Any], source: str, path: str | Path) -> None:
    """Raises DiffbenchError if a GPU's pattern is not a regular expression of Python 3.8, or matches every device."""
    pattern = entry.get("pattern")
    problem = find_problem(pattern) if isinstance(pattern, str) else None
    if problem:
        line, _ = find_value(path, [name, "pattern"])
        raise DiffbenchError(
            f"{source}:{line}: {name}.pattern: found {describe(pattern)}, {problem}; expected a regular expression, as in "
            "'A100.*80GB'"
        )


def find_problem(pattern: str) -> str | None:
    """The problem with a GPU's pattern; None if it is a regular expression that does not match every device."""
    try:
        found = re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        return f"which does not compile: {error}"
    if NEW_SYNTAX.search(CLASS.sub("x", pattern)):
        return "whose possessive quantifier or atomic group needs Python 3.11"
    return "which fits every device" if found.search("") else None
