"""Documents: Markdown files with marked spaces that are filled from the data; every byte outside them stays as it is.

Blocks are as in CommonMark 0.31, without link definitions and raw HTML other than comments.
"""

import difflib
import os
import re
import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from diffbench.data.errors import ReportError

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
LINE = re.compile(r"[^\r\n]*(?:\r\n?|\n)|[^\r\n]+")
QUOTE = re.compile(r"\ufeff?(?: {0,3}> ?)*")
ITEM = re.compile(r"(?: *(?:[-*+]|\d{1,9}[.)])(?: +|$))+")
RULE = re.compile(r" *([-*_=])(?: *\1){2,}$")
START = re.compile(r" *(?:#{1,6}(?: |$)|<!--|\|)")  # a line that continues no paragraph
FENCE = re.compile(r" *(?:(`{3,})[^`]*|(~{3,}).*)$")
TOKEN = re.compile(  # what comes first wins: an escaped character, a code span (or loose backticks), a comment, MDX's
    r"\\.|(`+)(?:.*?(?<!`)\1(?!`))?|(?P<comment><!--(?P<content>(?:(?!<!--|-->).)*)(?P<close>-->)?)"
    r"|(?P<mdx>\{/\*\s*diffbench:)",
    re.DOTALL,
)
OPTION = re.compile(r'([a-z][a-z0-9_]*)=(?:"((?:[^"\\]|\\.)*)"|([^\s"\'=]+))(?=\s|$)')


class Marker(NamedTuple):
    """A marked space: `start` and `end` are its offsets in the text, `line` is that of its begin marker, from 1."""

    kind: str
    options: dict
    line: int
    start: int
    end: int
    inline: bool
    path: str


@contextmanager
def placed(path, line):
    """Puts `path:line: ` in front of a ReportError."""
    try:
        yield
    except ReportError as error:
        raise ReportError(f"{path}:{line}: {error}") from None


def prose(text):
    """(start, end) of each stretch of `text` outside fenced and indented code; no code span reaches over their ends."""
    start, fence, comment, quoted = 0, None, False, False
    content, loose = 0, True  # the column where the list item's text begins; whether indented code may begin here
    for match in LINE.finditer(text):
        quote = QUOTE.match(match[0])[0]
        if fence and fence[2] and ">" not in quote:
            fence = None  # it ends with its block quote
        line = (match[0] if fence and not fence[2] else match[0][len(quote) :]).expandtabs(4).rstrip()
        indent = len(line) - len(line.lstrip())
        if fence and line and indent < fence[1]:
            fence = None  # it ends with its list item
        if fence:
            start = match.end()
            if indent - fence[1] < 4 and re.fullmatch(f"{fence[0]}{fence[0][0]}*", line.lstrip()):
                fence = None
            continue
        if comment:
            comment = "-->" not in line
            continue
        if quoted != (">" in quote):
            quoted, content, loose = ">" in quote, 0, loose or ">" in quote  # a paragraph may go on below its quote
            yield start, match.start()
            start = match.start()
        rule, item = RULE.match(line), ITEM.match(line)
        begins = bool(rule or START.match(line) or FENCE.match(line))
        if line and (loose or begins):
            content = min(content, indent)
        if line and indent - content >= 4:
            if loose:
                yield start, match.start()
                start = match.end()
            continue
        item = None if rule else item
        content = item.end() if item else content
        opened = FENCE.match(line, item.end() if item else 0)
        if not line or begins or item or opened or loose:
            yield start, match.start()
            start = match.end() if opened else match.start()
        if opened:
            fence = (opened[1] or opened[2], content, quoted)  # characters, list item's column, in a quote?
        comment = line.lstrip().startswith("<!--") and "-->" not in line
        loose = bool(not line or opened or (begins and line[indent] != "|"))
    yield start, len(text)


def looks_like_marker(content):
    """Whether a comment begins with `diffbench`, in any case, or with what a slip of the finger makes of it."""
    letters = re.sub(r"[^a-z]", "", content[:40].lower())[: len("diffbench")]
    return difflib.SequenceMatcher(None, letters, "diffbench").ratio() >= 0.8


def read_options(text):
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


def read_marker(comment):
    """(kind, options) of a begin marker, None of an end marker, from a match of TOKEN. Raises ReportError."""
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
        near = difflib.get_close_matches(kind, KINDS, 1)
        hint = f"did you mean {near[0]!r}?" if near else "write the kind after `begin`"
        raise ReportError(f"marker of kind {kind!r}; expected one of {', '.join(KINDS)}: {hint}")
    return kind, read_options(begin[2])


def parse(text, path):
    """The Markers of a document in their order; a marker in code is none. `path` is the document's name in errors.

    Raises ReportError `path:line: …` for a marker that is unbalanced, nested, misspelt or at a place not for its kind.
    """
    markers, opened, line, counted = [], None, 1, 0
    tokens = (token for stretch in prose(text) for token in TOKEN.finditer(text, *stretch))
    for token in tokens:
        if not token["mdx"] and (token["comment"] is None or not looks_like_marker(token["content"])):
            continue
        line += len(NEWLINE.findall(text, counted, token.start()))
        counted = token.start()
        with placed(path, line):
            if token["mdx"]:
                raise ReportError(
                    f"marker in a comment of MDX, which cannot hold the tables; expected `{BEGIN}` in Markdown"
                )
            found = read_marker(token)
            if found and opened:
                raise ReportError(
                    f"marker inside that of line {opened.line}; expected `{END}` before it: they do not nest"
                )
            if not found and not opened:
                raise ReportError(f"`{END}` without its begin; expected `{BEGIN}` before it: write that or delete this")
            kind, options = found or opened[:2]
            inline = KINDS[kind] == "inline"
            if inline and opened and opened.line != line:
                raise ReportError(f"end of the {kind} of line {opened.line}; expected it on that line: join the lines")
            if not inline:
                check_alone(text, kind, token)
            if found:
                start = token.end() if inline else line_end(text, token.end())
                opened = Marker(kind, options, line, start, None, inline, path)
            else:
                end = token.start() if inline else line_start(text, token.start())
                markers.append(opened._replace(end=end))
                opened = None
    if opened:
        raise ReportError(f"{path}:{opened.line}: marker without its end; expected `{END}` after it: write that")
    return markers


def check_alone(text, kind, token):
    """Raises ReportError where a marker, a match of TOKEN, shares its line or is indented as far as code is."""
    before = text[line_start(text, token.start()) : token.start()].lstrip("\ufeff")
    around = (before + text[token.end() : line_end(text, token.end())]).strip()
    if around:
        raise ReportError(f"marker of a {kind} beside {around[:40]!r}; expected it alone: give it a line of its own")
    if len(before.expandtabs(4)) >= 4:
        raise ReportError(f"marker of a {kind} indented like code; expected 3 spaces at most: unindent it")


def line_start(text, offset):
    """The offset where the line that holds `offset` starts."""
    return max(text.rfind("\n", 0, offset), text.rfind("\r", 0, offset)) + 1


def line_end(text, offset):
    """The offset where the line that holds `offset` ends, before its line ending."""
    newline = NEWLINE.search(text, offset)
    return newline.start() if newline else len(text)


def fit(text, marker, rendered):
    """`rendered` as it is between the markers: on one line, or between blank lines in the document's line ending."""
    lines = NEWLINE.split(rendered)
    if marker.inline:
        return " ".join(line.strip() for line in lines if line.strip())
    inside = re.sub(r"\A(?:[ \t]*\n)+", "", "\n".join(lines)).rstrip()
    return (f"\n\n{inside}\n\n" if inside else "\n").replace("\n", NEWLINE.search(text, marker.start)[0])


def put(text, markers, spaces):
    """The document with `spaces` between `markers`; fewer spaces than markers fill the first ones."""
    parts, done = [], 0
    for marker, space in zip(markers, spaces, strict=False):
        parts += text[done : marker.start], space
        done = marker.end
    return "".join([*parts, text[done:]])


def finds_again(text, markers, spaces):
    """Whether the filled document has the same markers around the same spaces, so that the next update finds them."""
    filled = put(text, markers, spaces)
    try:
        again = parse(filled, "")
    except ReportError:
        return False
    same = [marker[:2] for marker in again] == [marker[:2] for marker in markers]
    return same and [filled[marker.start : marker.end] for marker in again[: len(spaces)]] == spaces


def update(text, path, render):
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
            raise ReportError("the text to put here holds a marker or opens code without closing it: rename its labels")
    return put(text, markers, spaces)


def read_document(path):
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


def read_documents(paths):
    """[(path, text, Markers)] of all documents. Raises ReportError, also for one without a marker."""
    documents = []
    for path in paths:
        text = read_document(path)
        markers = parse(text, path)
        if not markers:
            raise ReportError(
                f"{path}: found no marker outside code, expected `{BEGIN}` and `{END}`; write them, or take the document out of "
                "the config's `documents`"
            )
        documents.append((path, text, markers))
    return documents


def named_datasets(paths):
    """The datasets that the markers of these documents name; none where one is faulty, so that filling them says so before
    anything is made for the others."""
    try:
        documents = read_documents(paths)
    except (ReportError, OSError):
        return set()
    options = [marker.options for _, _, markers in documents for marker in markers]
    return {named[key] for named in options for key in ("dataset", "with") if key in named}


def write_document(path, text):
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


def update_documents(paths, render):
    """Update all documents, or none where one is faulty; returns the paths that changed. Raises ReportError."""
    texts = [(path, update(text, path, render)) for path, text, _ in read_documents(paths)]
    return [path for path, text in texts if write_document(path, text)]


def stale(paths, render):
    """The unified diff from the documents to what they would be, empty if none is stale. Raises ReportError."""
    lines = []
    for path, old, _ in read_documents(paths):
        texts = [re.findall(r"[^\n]*\n|[^\n]+", text) for text in (old, update(old, path, render))]
        lines += difflib.unified_diff(*texts, str(path), str(path), "as it is", "as its data say")
    return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)
