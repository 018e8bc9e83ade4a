"""The parts of a Markdown file that are not code: markers in code do not count.

Blocks are as in CommonMark 0.31, without link definitions and raw HTML other than comments.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

LINE = re.compile(r"[^\r\n]*(?:\r\n?|\n)|[^\r\n]+")
QUOTE = re.compile(r"\ufeff?(?: {0,3}> ?)*")
ITEM = re.compile(r"(?: *(?:[-*+]|\d{1,9}[.)])(?: +|$))+")
RULE = re.compile(r" *([-*_=])(?: *\1){2,}$")
START = re.compile(r" *(?:#{1,6}(?: |$)|<!--|\|)")  # a line that continues no paragraph
FENCE = re.compile(r" *(?:(`{3,})[^`]*|(~{3,}).*)$")


class Fence(NamedTuple):
    """An open fence of code: its characters, the column of its list item, and whether it is in a block quote."""

    characters: str
    column: int
    is_quoted: bool


def prose(text: str) -> Iterator[tuple[int, int]]:
    """(start, end) of each stretch of `text` outside fenced and indented code; code spans do not cross their ends."""
    fence: Fence | None = None
    start, in_comment, is_quoted = 0, False, False
    content, loose = 0, True  # the column where the list item's text begins; whether indented code may begin here
    for match in LINE.finditer(text):
        matched = QUOTE.match(match[0])
        quote = matched[0] if matched else ""
        if fence and fence.is_quoted and ">" not in quote:
            fence = None  # it ends with its block quote
        line = (match[0] if fence and not fence.is_quoted else match[0][len(quote) :]).expandtabs(4).rstrip()
        indent = len(line) - len(line.lstrip())
        if fence and line and indent < fence.column:
            fence = None  # it ends with its list item
        if fence:
            start = match.end()
            closing = f"{fence.characters}{fence.characters[0]}*"
            if indent - fence.column < 4 and re.fullmatch(closing, line.lstrip()):
                fence = None
            continue
        if in_comment:
            in_comment = "-->" not in line
            continue
        if is_quoted != (">" in quote):
            is_quoted, content, loose = ">" in quote, 0, loose or ">" in quote  # a paragraph may go on below its quote
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
            fence = Fence(opened[1] or opened[2], content, is_quoted)
        in_comment = line.lstrip().startswith("<!--") and "-->" not in line
        loose = bool(not line or opened or (begins and line[indent] != "|"))
    yield start, len(text)
