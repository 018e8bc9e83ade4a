"""What is read from a YAML file, and what YAML would let through by accident."""

import subprocess
import sys

import pytest

from conftest import ROOT
from diffbench.catalogue.yaml_file import find_value, parse_yaml, read_yaml
from diffbench.vocabulary.errors import DiffbenchError

ALIASES = "a: &a [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]\n" for before, name in zip("abcdefg", "bcdefgh")
)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"a: 1\nb: [\n", "3: not valid YAML: did not find expected node content; fix the syntax"),
        (b"a: 1\n---\nb: 1\n", "2: not valid YAML: but found another document; fix the syntax"),
        (b"a: \x00", " not valid YAML: control characters are not allowed; fix the syntax"),
        (b"a:\n  b: 1\n  b: 2\n", "3: key 'b' appears twice; keep one"),
        (b'{"a": 1,\n"a": 2}', "2: key 'a' appears twice; keep one"),
        (b"x: 1\n4090: {label: RTX 4090}\n", "2: key 4090 is a number in YAML: put it in quotes"),
        (b"2.10: 1\n", "1: key 2.10 is a number in YAML: put it in quotes"),
        (b"a: {no: 1}\n", "1: key no is a boolean in YAML: put it in quotes"),
        (b"~: 1\n", "1: key ~ is null in YAML: put it in quotes"),
        (b"a:\n  2026-01-01: 1\n", "2: key 2026-01-01 is a date in YAML: put it in quotes"),
        (b"? [1, 2]\n: 3\n", "1: found a sequence as a key, expected text"),
        (b"a: .nan\n", "1: found .nan, expected a finite number; correct it"),
        (b"a: [1,\n  -.inf]\n", "2: found -.inf, expected a finite number; correct it"),
        (b"a: 1.0e+999\n", "1: found 1.0e+999, expected a finite number; correct it"),
        (b"a: 2026-11-27\n", "1: found 2026-11-27, which YAML reads as a date: put it in quotes"),
        (b"a: 2026-13-45\n", "1: found 2026-13-45, which YAML reads as a date: put it in quotes"),
        (b"a: 010\n", "1: found 010, which YAML reads as 8: write 8, or put it in quotes"),
        (b"a: 0x10\n", "1: found 0x10, which YAML reads as 16: write 16, or put it in quotes"),
        (b"a: 1:30\n", "1: found 1:30, which YAML reads as 90: write 90, or put it in quotes"),
        (
            b"a: 1234567890123456789\n",
            "1: found 1234567890123456789, expected a number of at most 18 digits; correct it",
        ),
        (b"a: " + b"9" * 5000, "1: found 9999"),
        (b"a: !!int x\n", "1: found x, which YAML takes for a number: put it in quotes"),
        (b"a: !!binary aGk=\n", "1: found aGk=, which YAML reads as a value with the tag binary"),
        (b"a: !!set {b}\n", "1: found the tag tag:yaml.org,2002:set, expected none; remove it"),
        (b"a: &a [*a]\n", "1: a value contains itself through its alias; write it out"),
        (ALIASES.encode(), "6: its aliases make more than 1000000 values"),
        (b"- 1\n", " found a sequence, expected a mapping of keys to values"),
        (b"", " found an empty file, expected a mapping of keys to values"),
        (b"a: \xff\n", " not a text file in UTF-8"),
        (None, " no such file; correct the path"),
    ],
)
def test_a_file_that_is_no_catalogue_is_refused_with_its_line(tmp_path, text, message):
    path = tmp_path / "mine.yaml"
    if text is not None:
        path.write_bytes(text)
    with pytest.raises(DiffbenchError) as caught:
        read_yaml(path)
    assert str(caught.value).startswith(f"{path}:{message}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["a: " + 200_000 * "[", 200_000 * "- " + "1"], ids=["brackets", "dashes"])
def test_a_deeply_nested_file_is_refused_before_the_parser_crashes(tmp_path, text):
    path = tmp_path / "deep.yaml"
    path.write_text(text)
    code = f"from diffbench.catalogue.yaml_file import read_yaml; read_yaml({str(path)!r})"
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT / "workflow/scripts", capture_output=True, text=True)
    assert found.returncode == 1
    assert found.stderr.endswith(f"{path}:1: values are nested more than 100 levels deep; flatten them\n")


def test_what_json_and_merge_keys_and_aliases_say_is_read():
    text = "base: &base {a: 1, b: 1.5}\nown: {<<: *base, a: 2}\nagain: [*base, yes, null, '010', 1_000, -0]\n"
    base = {"a": 1, "b": 1.5}
    expected = {"base": base, "own": {"a": 2, "b": 1.5}, "again": [base, True, None, "010", 1000, 0]}
    assert parse_yaml(text, "mine.yaml") == expected
    assert parse_yaml('{\n\t"a": [1, "b", null]\n}', "mine.json") == {"a": [1, "b", None]}


def test_a_byte_order_mark_is_no_part_of_the_first_key(tmp_path):
    (tmp_path / "mine.yaml").write_bytes(b"\xef\xbb\xbfa: 1\r\n")
    assert read_yaml(tmp_path / "mine.yaml") == {"a": 1}


def test_a_catalogue_that_was_read_can_be_changed_without_changing_the_next_reading(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("a: {b: 1}\n")
    read_yaml(path)["a"]["b"] = 2
    assert read_yaml(path) == {"a": {"b": 1}}


def test_a_value_is_found_by_its_keys_with_the_text_of_its_file(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("a: 1\nb:\n  - x\n  - c: 2.10\nd:\n")
    assert find_value(path, ["b", 1, "c"]) == (4, "2.10")
    assert find_value(path, ["b", 1]) == (4, None)
    assert find_value(path, ["b", 1, "lacking"]) == (4, None)
    assert find_value(path, ["d"]) == (5, "")
    assert find_value(path, ["lacking"]) == (None, None)
