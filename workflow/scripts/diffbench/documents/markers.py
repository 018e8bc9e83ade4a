"""Documents: Markdown files with marked spaces, between a begin marker and an end marker, that are filled from the data."""

import difflib
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from diffbench.data.errors import ReportError
from diffbench.data.types import AnyPath
from diffbench.vocabulary.errors import find_near

from .prose import prose

KINDS = {
    "table": "block",
    "extended": "block",
    "tables": "block",
    "figure": "block",
    "catalogue": "block",
    "comparison": "block",
    "minutes": "block",
    "columns": "block",
    "statuses": "block",
    "mechanisms": "block",
    "cell": "inline",
}
BEGIN, END = "<!-- diffbench:begin KIND key=value -->", "<!-- diffbench:end -->"

NEWLINE = re.compile(r"\r\n?|\n")
TOKEN = re.compile(  # what comes first wins: an escaped character, a code span (or loose backticks), a comment, MDX's
    r"\\.|(`+)(?:.*?(?<!`)\1(?!`))?|(?P<comment><!--(?P<content>(?:(?!<!--|-->).)*)(?P<close>-->)?)"
    r"|(?P<mdx>\{/\*\s*diffbench:)",
    re.DOTALL,
)
OPTION = re.compile(r'([a-z][a-z0-9_]*)=(?:"((?:[^"\\]|\\.)*)"|([^\s"\'=]+))(?=\s|$)')


class Begin(NamedTuple):
    """The content of a begin marker."""

    kind: str
    options: dict[str, str]


class Marker(NamedTuple):
    """A marked space: `start` and `end` are its offsets in the text, `line` is that of its begin marker, from 1."""

    kind: str
    options: dict[str, str]
    line: int
    start: int
    end: int
    inline: bool
    path: str


class Document(NamedTuple):
    """A Markdown file with its marked spaces."""

    path: AnyPath
    text: str
    markers: list[Marker]


@contextmanager
def placed(path: AnyPath, line: int) -> Iterator[None]:
    """Puts `path:line: ` in front of a ReportError."""
    try:
        yield
    except ReportError as error:
        raise ReportError(f"{path}:{line}: {error}") from None


def looks_like_marker(content: str) -> bool:
    """Whether a comment begins with `diffbench`, in upper or lower case, or with a misspelling of it."""
    letters = re.sub(r"[^a-z]", "", content[:40].lower())[: len("diffbench")]
    return difflib.SequenceMatcher(None, letters, "diffbench").ratio() >= 0.8


def read_options(text: str) -> dict[str, str]:
    """{key: value} of `gpu="RTX 3090" batch_size=1`; in quotes, a backslash keeps a quote. Raises ReportError."""
    options, rest = {}, text.strip()
    while rest:
        option = OPTION.match(rest)
        if not option:
            found = rest.split()[0]
            raise ReportError(f'option {found!r}; expected key=value or key="value with spaces": quote or complete it')
        key, quoted, bare = option.groups()
        if key in options:
            raise ReportError(f"option {key!r} twice; expected it once: delete one")
        options[key] = re.sub(r"\\(.)", r"\1", quoted) if bare is None else bare
        rest = rest[option.end() :].lstrip()
    return options


def read_marker(comment: re.Match[str]) -> Begin | None:
    """The begin marker in a match of TOKEN; None for an end marker. Raises ReportError."""
    content = comment["content"].strip()
    if not comment["close"] or NEWLINE.search(comment["content"]):
        raise ReportError(f"marker that does not end on its line; expected `{BEGIN}` or `{END}`: join its lines")
    if content == "diffbench:end":
        return None
    begin = re.fullmatch(r"diffbench:begin(?:\s+(\S+)(.*))?", content)
    if not begin:
        shown = comment["comment"][:60]
        raise ReportError(
            f"misspelt marker `{shown}`; expected `{BEGIN}` or `{END}`: correct it, or show it in backticks"
        )
    kind = begin[1] or ""
    if kind not in KINDS:
        near = find_near(kind, KINDS)
        hint = f"did you mean {near!r}?" if near else "write the kind after `begin`"
        raise ReportError(f"marker of kind {kind!r}; expected one of {', '.join(KINDS)}: {hint}")
    return Begin(kind, read_options(begin[2]))


def parse(text: str, path: AnyPath) -> list[Marker]:
    """The Markers of a document in their order; a marker in code does not count. `path` is the document's name in errors.

    Raises ReportError `path:line: …` for a marker that is unbalanced, nested, misspelt or at a place not for its kind.
    """
    markers: list[Marker] = []
    opened: Marker | None = None
    line, counted = 1, 0
    tokens = (token for stretch in prose(text) for token in TOKEN.finditer(text, *stretch))
    for token in tokens:
        if not token["mdx"] and (token["comment"] is None or not looks_like_marker(token["content"])):
            continue
        line += len(NEWLINE.findall(text, counted, token.start()))
        counted = token.start()
        with placed(path, line):
            if token["mdx"]:
                raise ReportError(
                    f"marker in a comment of MDX, which cannot contain the tables; expected `{BEGIN}` in Markdown"
                )
            found = read_marker(token)
            if found and opened:
                raise ReportError(
                    f"marker inside that of line {opened.line}; expected `{END}` before it: they do not nest"
                )
            begin = found or opened
            if not begin:
                raise ReportError(f"`{END}` without its begin; expected `{BEGIN}` before it: write that or delete this")
            kind = begin.kind
            inline = KINDS[kind] == "inline"
            if inline and opened and opened.line != line:
                raise ReportError(f"end of the {kind} of line {opened.line}; expected it on that line: join the lines")
            if not inline:
                check_alone(text, kind, token)
            if found:
                start = token.end() if inline else line_end(text, token.end())
                opened = Marker(kind, found.options, line, start, start, inline, str(path))
            elif opened:
                end = token.start() if inline else line_start(text, token.start())
                markers.append(opened._replace(end=end))
                opened = None
    if opened:
        raise ReportError(f"{path}:{opened.line}: marker without its end; expected `{END}` after it: write that")
    return markers


def check_alone(text: str, kind: str, token: re.Match[str]) -> None:
    """Raises ReportError if a marker, a match of TOKEN, shares its line or is indented as far as code."""
    before = text[line_start(text, token.start()) : token.start()].lstrip("\ufeff")
    around = (before + text[token.end() : line_end(text, token.end())]).strip()
    if around:
        raise ReportError(f"marker of a {kind} next to {around[:40]!r}; expected it alone: put it on its own line")
    if len(before.expandtabs(4)) >= 4:
        raise ReportError(f"marker of a {kind} indented like code; expected at most 3 spaces: unindent it")


def line_start(text: str, offset: int) -> int:
    """The offset where the line with `offset` starts."""
    return max(text.rfind("\n", 0, offset), text.rfind("\r", 0, offset)) + 1


def line_end(text: str, offset: int) -> int:
    """The offset where the line with `offset` ends, before its line ending."""
    newline = NEWLINE.search(text, offset)
    return newline.start() if newline else len(text)


def read_document(path: AnyPath) -> str:
    """The text of a document in UTF-8, with its byte-order mark and line endings. Raises ReportError."""
    try:
        content = Path(path).read_bytes()
        return content.decode("utf-8")
    except FileNotFoundError:
        raise ReportError(f"{path}: no such document; expected a Markdown file: correct the path") from None
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        found = f"byte 0x{content[error.start]:02x}"
        raise ReportError(f"{path}:{line}: {found}; expected text in UTF-8: save the document as that") from None


def read_documents(paths: Iterable[AnyPath]) -> list[Document]:
    """The documents. Raises ReportError for a faulty document and for one without a marker."""
    documents = []
    for path in paths:
        text = read_document(path)
        markers = parse(text, path)
        if not markers:
            raise ReportError(
                f"{path}: found no marker outside code, expected `{BEGIN}` and `{END}`; write them, or remove the document from "
                "the config's `documents`"
            )
        documents.append(Document(path, text, markers))
    return documents


def named_datasets(paths: Iterable[AnyPath]) -> set[str]:
    """The datasets that the markers of these documents name. None if a document is faulty: filling then reports the error before
    anything is made for the other documents."""
    try:
        documents = read_documents(paths)
    except (ReportError, OSError):
        return set()
    options = [marker.options for document in documents for marker in document.markers]
    return {of_marker[key] for of_marker in options for key in ("dataset", "with") if key in of_marker}
