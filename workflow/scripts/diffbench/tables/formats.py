"""A table in Markdown, HTML or CSV. Labels are escaped as each format requires."""

import csv
import html
import io
from typing import NamedTuple

from tabulate import tabulate

from diffbench.catalogue.labels import escape, escape_line


class Cell(NamedTuple):
    """One cell: one text per stage, the numbers of its footnotes, whether it is the best of its row."""

    texts: list[str]
    footnotes: list[int] = []
    bold: bool = False


class Table(NamedTuple):
    """A table as plain text: a header is a list of lines, a row a label and its Cells; footnotes and notes are sentences."""

    heading: str
    headers: list[list[str]]
    rows: list[tuple[str, list[Cell]]]
    footnotes: list[str]
    notes: list[str]


def to_markdown(table: Table) -> str:
    """The table in the form of the published page, with its heading, footnotes and notes."""

    def print_cell(cell: Cell) -> str:
        text = " / <br>".join(map(escape, cell.texts)) + "".join(f" <sup>{number}</sup>" for number in cell.footnotes)
        return f"**{text}**" if cell.bold else text

    headers = ["**" + " - <br>".join(escape(line) for line in lines) + "**" for lines in table.headers]
    rows = [[mark_only(label), *map(print_cell, cells)] for label, cells in table.rows]
    body = tabulate(rows, headers, tablefmt="pipe", colalign=["center"] * len(headers), disable_numparse=True)
    blocks = [f"### {escape(table.heading)}", body]
    if table.footnotes:
        blocks.append(
            "\n".join(f"{number}. {escape_line(note)}" for number, note in enumerate(table.footnotes, start=1))
        )
    return "\n\n".join([*blocks, *map(escape_note, table.notes)]) + "\n"


def mark_only(label: str) -> str:
    """A row's label, escaped except for the page's own mark at its end (`IF *`)."""
    return escape(label[:-2]) + label[-2:] if label.endswith(" *") else escape(label)


def escape_note(note: str) -> str:
    """A sentence, escaped except for the mark at its start."""
    return note[:2] + escape_line(note[2:]) if note.startswith("* ") else escape_line(note)


def to_html(table: Table) -> str:
    """The table as an HTML fragment."""

    def print_cell(cell: Cell) -> str:
        text = " /<br>".join(map(html.escape, cell.texts)) + "".join(
            f" <sup>{number}</sup>" for number in cell.footnotes
        )
        return f"<td><strong>{text}</strong></td>" if cell.bold else f"<td>{text}</td>"

    head = "".join(f'<th scope="col">{" -<br>".join(map(html.escape, lines))}</th>' for lines in table.headers)
    body = "\n".join(
        f'<tr><th scope="row">{html.escape(label)}</th>{"".join(map(print_cell, cells))}</tr>'
        for label, cells in table.rows
    )
    notes = "".join(f"<li>{html.escape(note)}</li>" for note in table.footnotes)
    sentences = "".join(f"<p>{html.escape(note)}</p>\n" for note in table.notes)
    return (
        f"<table>\n<caption>{html.escape(table.heading)}</caption>\n<thead><tr>{head}</tr></thead>\n"
        f"<tbody>\n{body}\n</tbody>\n</table>\n" + (f"<ol>{notes}</ol>\n" if notes else "") + sentences
    )


def to_csv(table: Table) -> str:
    """The table as CSV: headers and cells in one line each; footnotes as [1]. Heading and notes are left out."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([" - ".join(lines) for lines in table.headers])
    for label, cells in table.rows:
        numbers = ["".join(f" [{number}]" for number in cell.footnotes) for cell in cells]
        writer.writerow([label, *(" / ".join(cell.texts) + number for cell, number in zip(cells, numbers))])
    return text.getvalue()


FORMATS = {"md": to_markdown, "html": to_html, "csv": to_csv}
