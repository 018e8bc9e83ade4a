"""Printed tables, taken apart into their cells."""

from conftest import ROOT
from diffbench.catalogue.labels import read_labels
from diffbench.data.measurements import to_frame
from diffbench.statistics.summary import summarize
from diffbench.tables.tables import render_tables
from summaries import cells_of

LABELS = read_labels([ROOT / "config" / f"{kind}.yaml" for kind in ("gpus", "pipelines", "variants")])


def tables_of(rows, cells=None, labels=LABELS):
    return render_tables(
        summarize(to_frame(rows), cells_of(rows) if cells is None else cells, {"variant": "eager"}), labels
    )


def cells_in(line):
    return [cell.strip() for cell in line.strip("|").split("|")]
