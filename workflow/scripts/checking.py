"""Checking configs and catalogues against their JSON schemas, with messages that a user can act on."""

from pathlib import Path

import jsonschema

from measurement.definition import ROOT, read_yaml
from measurement.errors import DiffbenchError, one_line

SCHEMAS = Path(__file__).resolve().parents[1] / "schemas"


# an integer is written as one: 4.0 would name other files than 4
STRICT = jsonschema.validators.extend(
    jsonschema.Draft202012Validator,
    type_checker=jsonschema.Draft202012Validator.TYPE_CHECKER.redefine("integer", lambda _, value: type(value) is int),
)


def place(error):
    """Where the error is, as a user writes it: `measurement.calls`, `batch_sizes[0]`."""
    text = ""
    for key in error.absolute_path:
        text += f"[{key}]" if isinstance(key, int) else f".{key}"
    return text.lstrip(".")


def explain(error):
    """One line for a jsonschema error: what was found, and what was expected."""
    if error.validator == "additionalProperties":
        allowed = error.schema.get("properties", {})
        unknown = sorted(map(str, set(error.instance) - set(allowed)))
        return f"unknown key {', '.join(unknown)}; expected one of: {', '.join(allowed)}"
    if error.validator == "required":
        missing = [key for key in error.validator_value if key not in error.instance]
        return f"missing key {', '.join(missing)}; add it"
    found = f"found {one_line(repr(error.instance), 80)}"
    if isinstance(error.instance, (int, float)) and error.schema.get("type") == "string":
        found += f" (a number: quote it, as in '{error.instance}')"
    return f"{found}, expected {error.schema.get('expected', one_line(error.message, 120))}"


def check(content, schema_name, source):
    """Check `content` against workflow/schemas/<schema_name>.schema.yaml.

    Raises DiffbenchError for the first fault, in one line that begins with `source` and the key at fault.
    """
    schema = read_yaml(SCHEMAS / f"{schema_name}.schema.yaml")
    errors = STRICT(schema).iter_errors(content)
    for error in sorted(errors, key=lambda error: (len(error.absolute_path), str(error.absolute_path))):
        raise DiffbenchError(": ".join(filter(None, [str(source), place(error), explain(error)])))


def read_catalogue(kind, root=ROOT):
    """A catalogue of config/, checked against its schema."""
    path = Path(root) / "config" / f"{kind}.yaml"
    content = read_yaml(path)
    check(content, kind, f"config/{kind}.yaml")
    return content
