"""Files and what processes print are read and written in UTF-8, also where ruff's rule PLW1514 does not look."""

import ast

from conftest import ROOT

METHODS = ("read_text", "write_text")


def without_encoding(tree):
    """The lines of calls that leave the encoding to the locale."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            keywords = {keyword.arg for keyword in node.keywords}
            is_method = isinstance(node.func, ast.Attribute) and node.func.attr in METHODS
            is_text = any(
                keyword.arg == "text" and getattr(keyword.value, "value", None) is True for keyword in node.keywords
            )
            if "encoding" not in keywords and (is_method or is_text):
                yield node.lineno


def test_no_encoding_is_left_to_the_locale():
    folders = ("workflow/scripts", "tests/gpu", "tests/bench")
    files = [file for folder in folders for file in (ROOT / folder).rglob("*.py")]
    found = {file: list(without_encoding(ast.parse(file.read_text(encoding="utf-8")))) for file in files}
    assert {str(file): lines for file, lines in found.items() if lines} == {}
