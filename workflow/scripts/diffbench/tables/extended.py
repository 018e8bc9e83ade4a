"""The extended table: one row per pipeline, stage, torch build and variant, with everything known about it."""

from collections.abc import Callable, Iterable

import numpy as np
import pandas as pd

from diffbench.catalogue.labels import Labels, label_of
from diffbench.data.rows import is_number, records
from diffbench.data.types import Row
from diffbench.statistics.breakeven import count_images
from diffbench.statistics.flag_kinds import kinds_of
from diffbench.statistics.intervals import TOO_FEW, is_useful
from diffbench.statistics.peak_memory import kinds_in, name_peaks, print_peak
from diffbench.vocabulary.badges import DIFFERENT, OTHER_IMAGE
from diffbench.vocabulary.columns import BREAKEVEN, INTERVALS
from diffbench.vocabulary.statuses import COMPILE_ERROR, OUTSIDE

from .cell_text import print_stage
from .column_names import Names
from .formats import Cell, Table
from .keys import TableKey
from .notes import notes_of
from .table_options import TableOptions, interval_of
from .tables import add_footnote, heading_of, print_speedup, table_keys, unverified_of

DEFAULT = TableOptions()


def print_rate(row: Row, options: TableOptions) -> str:
    """`21.70 (21.50 to 21.91)`, `21.70 (too few rounds)`, or the status."""
    text = print_stage(row, options.decimals, options.unit)
    interval = interval_of(row, options.unit)
    if interval is None:
        return text
    useful = is_useful(*interval)
    return f"{text} ({' to '.join(f'{end:.{options.decimals}f}' for end in interval) if useful else TOO_FEW})"


def print_fidelity(row: Row) -> str:
    """`equivalent (52 dB)`; a different image is marked."""
    if not row["fidelity"]:
        return OUTSIDE
    decibel = f" ({row['psnr_db']:.0f} dB)" if is_number(row["psnr_db"]) and row["psnr_db"] < np.inf else ""
    return f"{f'{OTHER_IMAGE} ' if row['fidelity'] == DIFFERENT else ''}{row['fidelity']}{decibel}"


def print_images(row: Row, state: str) -> str:
    """The break-even in images with its interval: `124 (116 to 133)`, `at once`, `never`."""
    images, low, high = (row[name] for name in (BREAKEVEN[state], *INTERVALS[BREAKEVEN[state]]))
    if not is_number(images):
        return OUTSIDE
    interval = f" ({count_images(low)} to {count_images(high)})" if is_number(low) and low != high else ""
    return count_images(images) + interval


def number(column: str, digits: int) -> Callable[[Row], str]:
    """A function that prints a column with so many significant digits below 100, or `-`."""

    def print_number(row: Row) -> str:
        value = row[column]
        if not is_number(value):
            return OUTSIDE
        return f"{value:.0f}" if value >= 100 else f"{value:.{digits}g}"

    return print_number


def print_ceiling(row: Row) -> str:
    """`34% (compute)`, `<1% (memory)`: the minimum time that the device's ceilings allow, as a share of the time taken."""
    if not is_number(row["ceiling_percent"]):
        return OUTSIDE
    share = f"{row['ceiling_percent']:.0f}"
    return f"{'<1' if share == '0' else share}% ({row['bound']})"


PEAKS = ("peak memory", "starting / warm (MiB)")  # its header and cells depend on the kinds of peak in the table
COLUMNS: dict[
    tuple[str, ...], Callable[[Row], str]
] = {  # header: how its cells are printed; an empty column is left out
    ("speed-up",): print_speedup,
    ("image",): print_fidelity,
    ("start-up", "cold (s)"): number("startup_cold_s", 3),
    ("start-up", "warm (s)"): number("startup_warm_s", 3),
    ("break-even", "cold (images)"): lambda row: print_images(row, "cold"),
    ("break-even", "warm (images)"): lambda row: print_images(row, "warm"),
    ("graphs",): number("graphs", 3),
    PEAKS: lambda row: print_peak(row, mixed=False, start=True),
    ("share of the ceiling",): print_ceiling,
    ("energy (J/image)",): number("energy_per_image_j", 3),
    ("price (USD/1000 images)",): number("price_per_1000_images_usd", 3),
    ("flags",): lambda row: ", ".join(kinds_of(row["flags"])) or OUTSIDE,
}


def build_extended(
    summary: pd.DataFrame, gpu: str, batch_size: int, labels: Labels, options: TableOptions = DEFAULT
) -> Table:
    """The extended Table of one GPU and batch size."""
    part = summary[(summary["gpu"] == gpu) & (summary["batch_size"] == batch_size)]
    rows, names = records(part), Names(part, labels)
    is_mixed = len(kinds_in(rows)) > 1

    def print_peaks(row: Row) -> str:
        return print_peak(row, is_mixed, start=True)

    printers = {**COLUMNS, PEAKS: print_peaks}
    printed = {header: [print_cell(row) for row in rows] for header, print_cell in printers.items()}
    shown = {header: texts for header, texts in printed.items() if set(texts) != {OUTSIDE}}
    headers = [[name_peaks(rows), PEAKS[1]] if header == PEAKS else [*header] for header in shown]
    body = []
    footnotes: list[str] = []
    for place, row in enumerate(rows):
        column = " - ".join(names.column(row["torch"], row["variant"]))
        numbers: list[int] = []
        add_footnote(unverified_of(row), numbers, footnotes)
        cells = [Cell([print_rate(row, options)], numbers), *(Cell([texts[place]]) for texts in shown.values())]
        body.append((f"{names.stage(row)}, {column}", cells))
    notes = failures_of(rows, names) + list(notes_of(part, labels, options._replace(speedups=True)))
    headers = [["Pipeline, torch, variant"], [options.unit], *headers]
    return Table(f"{heading_of(part, gpu, batch_size, labels)}, extended", headers, body, footnotes, notes)


def failures_of(rows: Iterable[Row], names: Names) -> list[str]:
    """A sentence for every failed cell, except for compile errors, which already have one."""
    return [
        f"{names.stage(row)}, {label_of(names.labels, 'variants', row['variant'])}: {row['detail']}"
        for row in rows
        if row["detail"] and row["status"] != COMPILE_ERROR.name
    ]


def build_all_extended(summary: pd.DataFrame, labels: Labels, options: TableOptions = DEFAULT) -> dict[TableKey, Table]:
    """Every extended table of the dataset."""
    parts = dict(list(summary.groupby(["gpu", "batch_size"], sort=False)))
    return {key: build_extended(parts[key], *key, labels, options) for key in table_keys(summary)}
