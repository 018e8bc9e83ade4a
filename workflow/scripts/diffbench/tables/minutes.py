"""How long each phase of the runs of a committed dataset took: minutes.csv, written by sessions on a GPU."""

import pandas as pd

from diffbench.catalogue.labels import Labels, label_of
from diffbench.data.csv_text import check_numbers, read_table
from diffbench.data.sizes import sized
from diffbench.data.types import AnyPath
from diffbench.vocabulary.columns import MINUTE_COLUMNS, PHASES

from .formats import Cell, Table

TIMES = ["wall_s", *PHASES.values()]
GROUP = ["pipeline", "batch_size", "variant"]
NOTES = [
    "Seconds: the mean over the rounds in a row; below, the sum over all runs and its shares. Compile: how much longer first "
    "calls took than later calls. Only finished runs count, not ceilings, stopped runs or waiting.",
]


def read_minutes(path: AnyPath) -> pd.DataFrame:
    """The rows of a minutes.csv, times as numbers. Raises ReportError if it is some other file."""
    remedy = "take it from the session's archive again"
    return sized(check_numbers(path, read_table(path, "minutes", MINUTE_COLUMNS, remedy), TIMES, remedy))


def build_minutes(minutes: pd.DataFrame, labels: Labels) -> Table:
    """The Table of the phases: a row for round 1 of each cell, which finds an empty compiler cache, and one for later rounds."""
    headers = [["Pipeline, variant"], ["rounds"], ["all"], *([phase] for phase in PHASES)]
    later, rows = minutes["round"] != "1", []
    for (pipeline, batch_size, variant, is_later), part in minutes.groupby([*GROUP, later], sort=False):
        name = f"{label_of(labels, 'pipelines', str(pipeline))}, {label_of(labels, 'variants', str(variant))}"
        name += f", batch size {batch_size}" * (minutes["batch_size"].nunique() > 1)
        rounds = "later" if is_later else "first"
        times = [f"{value:.1f}" for value in part[TIMES].mean()]
        rows.append((name, [Cell([text]) for text in (f"{rounds} ({len(part)})", *times)]))
    rows.sort(key=lambda row: row[0])
    sums = minutes[TIMES].sum()
    rows.append(("all runs", [Cell([text]) for text in (str(len(minutes)), *(f"{value:.0f}" for value in sums))]))
    shares = [f"{share:.0%}" for share in sums / sums["wall_s"]]
    rows.append(("share", [Cell([text]) for text in ("", *shares)]))
    return Table("Minutes", headers, rows, [], NOTES)
