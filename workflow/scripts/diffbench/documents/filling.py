"""Filling the marked spaces of documents; bytes outside them do not change."""

import difflib
import os
import re
import shutil
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from diffbench.data.errors import ReportError
from diffbench.data.types import AnyPath

from .markers import NEWLINE, Marker, parse, placed, read_documents

Render = Callable[[Marker], str]  # gives the Markdown for a marked space


def fit(text: str, marker: Marker, rendered: str) -> str:
    """`rendered` as it fits between the markers: on one line, or between blank lines with the document's line ending."""
    lines = NEWLINE.split(rendered)
    if marker.inline:
        return " ".join(line.strip() for line in lines if line.strip())
    match = NEWLINE.search(text, marker.start)
    newline = match[0] if match else "\n"
    inside = re.sub(r"\A(?:[ \t]*\n)+", "", "\n".join(lines)).rstrip()
    return (f"\n\n{inside}\n\n" if inside else "\n").replace("\n", newline)


def put(text: str, markers: Iterable[Marker], spaces: Iterable[str]) -> str:
    """The document with `spaces` between `markers`; fewer spaces than markers fill the first ones."""
    parts: list[str] = []
    done = 0
    for marker, space in zip(markers, spaces, strict=False):
        parts += [text[done : marker.start], space]
        done = marker.end
    return "".join([*parts, text[done:]])


def finds_again(text: str, markers: Sequence[Marker], spaces: Sequence[str]) -> bool:
    """Whether the filled document has the same markers around the same spaces, so that the next update finds them."""
    filled = put(text, markers, spaces)
    try:
        again = parse(filled, "")
    except ReportError:
        return False
    is_same = [marker[:2] for marker in again] == [marker[:2] for marker in markers]
    return is_same and [filled[marker.start : marker.end] for marker in again[: len(spaces)]] == [*spaces]


def update(text: str, path: AnyPath, render: Render) -> str:
    """The document with the Markdown of `render(marker)` in every marked space.

    Raises ReportError `path:line: …` as parse does, for what `render` raises, and for text that breaks the markers.
    """
    markers, spaces = parse(text, path), []
    for marker in markers:
        with placed(path, marker.line):
            spaces.append(fit(text, marker, render(marker)))
    if not finds_again(text, markers, spaces):
        count = next(n for n in range(1, len(markers) + 1) if not finds_again(text, markers, spaces[:n]))
        with placed(path, markers[count - 1].line):
            raise ReportError(
                "the text for this place contains a marker or opens code without closing it: rename its labels"
            )
    return put(text, markers, spaces)


def write_document(path: AnyPath, text: str) -> bool:
    """Write a document if it differs, whole or not at all, keeping mode and symbolic links; whether it changed."""
    path, content = Path(path).resolve(), text.encode("utf-8")
    if path.exists() and path.read_bytes() == content:
        return False
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_bytes(content)
        if path.exists():
            shutil.copymode(path, temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return True


def update_documents(paths: Iterable[AnyPath], render: Render) -> list[AnyPath]:
    """Update all documents, or none if one is faulty; returns the paths that changed. Raises ReportError."""
    texts = [(path, update(text, path, render)) for path, text, _ in read_documents(paths)]
    return [path for path, text in texts if write_document(path, text)]


def stale(paths: Iterable[AnyPath], render: Render) -> str:
    """The unified diff from the documents to their updated text, empty if none is stale. Raises ReportError."""
    lines: list[str] = []
    for path, text, _ in read_documents(paths):
        old, new = (re.findall(r"[^\n]*\n|[^\n]+", each) for each in (text, update(text, path, render)))
        lines += difflib.unified_diff(old, new, str(path), str(path), "as it is", "as its data say")
    return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)
