"""The pattern of a name is the same in the vocabulary and in every schema that repeats it."""

import re

import pytest

from conftest import ROOT
from diffbench.vocabulary.names import NAME, NAME_PATTERN

SCHEMAS = ["config", "gpus", "pipelines", "variants"]


@pytest.mark.parametrize("schema", SCHEMAS)
def test_a_schema_has_the_pattern_of_a_name_and_no_other(schema):
    text = (ROOT / f"workflow/schemas/{schema}.schema.yaml").read_text(encoding="utf-8")
    patterns = re.findall(r"pattern: (?:&name )?'(\^\[A-Za-z0-9\]\[A-Za-z0-9\._-\][^']*)'", text)
    assert set(patterns) == {rf"^{NAME_PATTERN}$(?!\n)"}


@pytest.mark.parametrize(
    ("name", "is_one"), [("A100", True), ("2.1-cu12.1", True), ("-x", False), ("a b", False), ("a\n", False)]
)
def test_what_a_name_is(name, is_one):
    assert bool(NAME.match(name)) == is_one
