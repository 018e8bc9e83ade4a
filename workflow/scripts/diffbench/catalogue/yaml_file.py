"""Reading YAML files: mappings with text keys and JSON values. Anything else that YAML allows is refused with its line.

Every YAML file of the project and of its users is read here.
"""

from __future__ import annotations

import copy
import math
import re
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from diffbench.vocabulary.errors import DiffbenchError, one_line

if TYPE_CHECKING:
    from collections.abc import Iterable

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # in C, if PyYAML has it: eight times as fast
DEPTH = 100  # of nested values: the parser in C crashes at some ten thousand
SIZE = 1000000  # values, each counted wherever an alias repeats it
DIGITS = 18  # of an integer that fits 64 bits
TAG = "tag:yaml.org,2002:"
MERGE = TAG + "merge"
KINDS = {  # the types that YAML gives to text without quotes
    "str": "text",
    "int": "a number",
    "float": "a number",
    "bool": "a boolean",
    "null": "null",
    "timestamp": "a date",
}
PLAIN_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9_]*)\Z")


def read_yaml(path: str | Path) -> dict[str, Any]:
    """The mapping in a YAML file. Raises DiffbenchError with file and line if there is none."""
    return copy.deepcopy(shared_yaml(path))


def shared_yaml(path: str | Path) -> dict[str, Any]:
    """The same mapping, shared with other callers: do not change it."""
    return parse_yaml(read_text(path), str(path))


def read_text(path: str | Path) -> str:
    """The text of a file in UTF-8, without a byte-order mark. Raises DiffbenchError."""
    try:
        return Path(path).read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise DiffbenchError(f"{path}: no such file; correct the path") from None
    except UnicodeDecodeError as error:
        raise DiffbenchError(f"{path}: not a text file in UTF-8: {error}; save it in that encoding") from None
    except OSError as error:
        raise DiffbenchError(f"{path}: cannot be read: {error.strerror}; name a file that can") from None


@lru_cache(maxsize=None)  # a plan reads each catalogue once per cell
def parse_yaml(text: str, path: str) -> dict[str, Any]:
    """The mapping in the text of a YAML file, shared: do not change it. Raises DiffbenchError with file and line."""
    loader = None
    try:
        check_depth(text, path)
        loader = LOADER(text)
        root = loader.get_single_node()
        if not isinstance(root, yaml.MappingNode):
            found = "an empty file" if root is None else f"a {getattr(root, 'id', root)}"
            raise DiffbenchError(f"{path}: found {found}, expected a mapping of keys to values")
        check_node(root, path, loader, {})
        content: dict[str, Any] = loader.construct_document(root)
        return content
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or getattr(error, "reason", None) or error
        raise DiffbenchError(
            f"{locate(path, mark)}: not valid YAML: {one_line(problem, 120)}; fix the syntax"
        ) from None
    finally:
        if loader is not None:
            loader.dispose()


def locate(path: str, mark: Any) -> str:
    """`path:line`, or the path if the line is not known."""
    return f"{path}:{mark.line + 1}" if mark else path


def check_depth(text: str, path: str) -> None:
    """Raises DiffbenchError if values are nested too deeply, before anything reads them recursively."""
    depth = 0
    for event in yaml.parse(text, Loader=LOADER):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > DEPTH:
                where = locate(path, event.start_mark)
                raise DiffbenchError(f"{where}: values are nested more than {DEPTH} levels deep; flatten them")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def check_node(node: yaml.Node, path: str, loader: Any, known: dict[int, tuple[int, int] | None]) -> tuple[int, int]:
    """(number of values, levels) of a node. Raises DiffbenchError for a value that JSON does not have or that is not finite
    in size.

    `known` has the results of the checked nodes by their id; None for nodes that are being checked.
    """
    where = locate(path, node.start_mark)
    if isinstance(node, yaml.ScalarNode):
        check_scalar(node, where, loader)
        return 1, 1
    if id(node) in known:
        counts = known[id(node)]
        if counts is None:
            raise DiffbenchError(f"{where}: a value contains itself through its alias; write it out")
        return counts
    if node.tag not in (TAG + "map", TAG + "seq"):
        raise DiffbenchError(f"{where}: found the tag {node.tag}, expected none; remove it")
    known[id(node)] = None
    children = node.value
    if isinstance(node, yaml.MappingNode):
        check_keys(node, path)
        children = [value for _, value in node.value]
    checked = [check_node(child, path, loader, known) for child in children]
    size, depth = 1 + sum(size for size, _ in checked), 1 + max((depth for _, depth in checked), default=0)
    if size > SIZE or depth > DEPTH:
        raise DiffbenchError(
            f"{where}: its aliases make more than {SIZE} values, or nest {DEPTH} levels; write them out"
        )
    known[id(node)] = size, depth
    return size, depth


def check_keys(node: yaml.MappingNode, path: str) -> None:
    """Raises DiffbenchError for a key of a mapping that is not text, or occurs twice."""
    seen = set()
    for key, _ in node.value:
        where = locate(path, key.start_mark)
        if not isinstance(key, yaml.ScalarNode):
            raise DiffbenchError(f"{where}: found a {key.id} as a key, expected text")
        kind = kind_of(key)
        if kind != KINDS["str"] and key.tag != MERGE:
            raise DiffbenchError(f"{where}: key {shorten(key)} is {kind} in YAML: put it in quotes")
        if key.value in seen:
            raise DiffbenchError(f"{where}: key {shorten(key)!r} appears twice; keep one")
        seen.add(key.value)


def check_scalar(node: yaml.ScalarNode, where: str, loader: Any) -> None:
    """Raises DiffbenchError for a scalar that JSON does not have, or that YAML reads as another number than a person does."""
    kind, text = kind_of(node), shorten(node)
    if kind == KINDS["str"]:
        return
    if kind not in KINDS.values() or kind == KINDS["timestamp"]:
        raise DiffbenchError(f"{where}: found {text}, which YAML reads as {kind}: put it in quotes")
    try:
        value = loader.construct_object(node)
    except (yaml.YAMLError, ValueError, KeyError):
        raise DiffbenchError(f"{where}: found {text}, which YAML takes for {kind}: put it in quotes") from None
    if isinstance(value, float) and not math.isfinite(value):
        raise DiffbenchError(f"{where}: found {text}, expected a finite number; correct it")
    if isinstance(value, int) and len(str(abs(value))) > DIGITS:
        raise DiffbenchError(f"{where}: found {text}, expected a number of at most {DIGITS} digits; correct it")
    differs = ":" in text or (isinstance(value, int) and not PLAIN_INTEGER.match(text))
    if kind == KINDS["int"] and differs:
        raise DiffbenchError(f"{where}: found {text}, which YAML reads as {value}: write {value}, or put it in quotes")


def kind_of(node: yaml.ScalarNode) -> str:
    """The YAML type of a scalar, in words."""
    name = node.tag[len(TAG) :] if node.tag.startswith(TAG) else node.tag
    return KINDS.get(name, f"a value with the tag {name}")


def shorten(node: yaml.ScalarNode) -> str:
    """The text of a scalar as written in the file, on one line."""
    return one_line(node.value, 60)


def find_value(path: str | Path, keys: Iterable[str | int]) -> tuple[int | None, str | None]:
    """(line, text) of the value that the keys and indices lead to in a YAML file that read_yaml has read. If the file lacks
    it, the line of the last key that it has, and no text; also no text if the value is not a scalar."""
    node = yaml.compose(read_text(path), Loader=LOADER)
    line = None
    for key in keys:
        pairs = node.value if isinstance(node, yaml.MappingNode) else []
        found = next(((name, value) for name, value in pairs if name.value == key), None)
        if found:
            line, node = found[0].start_mark.line + 1, found[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(key, int):
            node = node.value[key]
            line = node.start_mark.line + 1
        else:
            return line, None
    return line, node.value if isinstance(node, yaml.ScalarNode) else None
