"""Extended tables of rows, and their columns."""

from diffbench.tables.extended import build_all_extended
from printed_tables import LABELS


def columns_of(table):
    """{header: [text of each row]}"""
    headers = [" ".join(lines) for lines in table.headers]
    rows = [[label, *(cell.texts[0] for cell in cells)] for label, cells in table.rows]
    return dict(zip(headers, map(list, zip(*rows))))


def extended(summary):
    (table,) = build_all_extended(summary, LABELS).values()
    return table
