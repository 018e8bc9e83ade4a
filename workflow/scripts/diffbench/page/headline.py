"""The headline of a dataset: best speed-up, biggest loss, cells that failed, flags."""

from collections import Counter
from typing import NamedTuple
from urllib.parse import urlencode

import pandas as pd

from diffbench.catalogue.labels import Labels, label_of, torch_label
from diffbench.data.rows import is_number, records
from diffbench.data.types import Row
from diffbench.statistics.flag_kinds import kinds_of
from diffbench.statistics.ratios import base_rate, print_times, rate_in, unit_of
from diffbench.tables.cells import joined, print_rate
from diffbench.tables.column_names import Names
from diffbench.vocabulary.badges import DIFFERENT
from diffbench.vocabulary.statuses import FAILED, OPEN, OUTSIDE, words_of
from diffbench.vocabulary.units import IMAGES


class Headline(NamedTuple):
    """One of the first things that a reader of the page sees; `link` is the query of the page that shows more, or empty."""

    title: str
    value: str
    text: str
    link: str = ""


def cell_key(row: Row) -> str:
    """The name of a cell and stage in a link of the page."""
    return "/".join(str(row[axis]) for axis in ("gpu", "torch", "pipeline", "batch_size", "variant", "stage"))


def describe(row: Row, summary: pd.DataFrame, labels: Labels) -> str:
    """`SD - txt2img, batch size 1, compile, torch 2.0, A100`."""
    gpu = label_of(labels, "gpus", row["gpu"], row["device_name"] or None)
    variant, build = label_of(labels, "variants", row["variant"]), torch_label(summary, row["torch"])
    return f"{Names(summary, labels).stage(row)}, batch size {row['batch_size']}, {variant}, torch {build}, {gpu}"


def headline_of(summary: pd.DataFrame, labels: Labels, baseline: str) -> list[Headline]:
    """The headlines of a dataset. `baseline` is its printed name.

    Of measured cells only those judged `faster` and `slower` count, because one round gives no verdict; a faster cell
    with a different image does not count. The numbers of a published page are taken as they are.
    """
    rows = [row for row in records(summary) if is_number(row["speedup"])]
    judged = (summary["rounds"] > 0).any()
    faster = [row for row in rows if row["speedup"] > 1 and (row["verdict"] == "faster" or not judged)]
    slower = [row for row in rows if row["speedup"] < 1 and (row["verdict"] == "slower" or not judged)]
    wins = [row for row in faster if row["fidelity"] != DIFFERENT]
    best = max(wins, key=lambda row: row["speedup"], default=None)
    worst = min(slower, key=lambda row: row["speedup"], default=None)
    return [
        speedup_item("Best speed-up", best, "faster", summary, labels, baseline),
        speedup_item("Biggest loss", worst, "slower", summary, labels, baseline),
        failures_item(summary),
        flags_item(summary),
    ]


def print_known(rate: float | None) -> str:
    """A rate that a row with a speed-up has."""
    return print_rate(rate) if rate is not None else OUTSIDE


def speedup_item(
    title: str, row: Row | None, word: str, summary: pd.DataFrame, labels: Labels, baseline: str
) -> Headline:
    if row is None:
        text = f"No cell is shown to be {word} than {baseline}."
        if summary["rounds"].max() == 1:
            text += " One round per cell gives no verdict."
        return Headline(title, "none", text)
    unit = unit_of(row)
    text = f"{describe(row, summary, labels)}: {print_known(rate_in(row, unit))} {unit}"
    interval = "interval unknown"
    if row["verdict"]:
        interval = f"95% interval {row['speedup_low']:.2f} to {row['speedup_high']:.2f}"
    steps = "; step counts differ, so the speed-up is per image" * (unit == IMAGES)
    text = f"{text} compared with {print_known(base_rate(row))} {unit} for {baseline}{steps}; {interval}."
    return Headline(title, print_times(row["speedup"], unit), text, urlencode({"cell": cell_key(row)}))


def failures_item(summary: pd.DataFrame) -> Headline:
    counts = Counter(status for status in summary["status"] if status in FAILED)
    if not counts:
        text = (
            "Nothing has been measured yet."
            if (summary["status"] == OPEN.name).all()
            else "Every measured cell has a number."
        )
        return Headline("Without a number", "0", text)
    text = joined(f"{count} {words_of(status)}" for status, count in counts.most_common())
    link = urlencode({"status": ",".join(counts)})
    return Headline("Without a number", str(counts.total()), f"{text}.", link)


def flags_item(summary: pd.DataFrame) -> Headline:
    flagged = [kinds_of(text) for text in summary["flags"] if text]
    if not flagged:
        noted = summary["device_name"].astype(bool).any()
        text = "Nothing looked wrong." if noted else "The source reports no flags."
        return Headline("Flagged cells", "0", text)
    counts = Counter(kind for kinds in flagged for kind in kinds)
    text = joined(f"{kind} in {count}" for kind, count in counts.most_common(5))
    return Headline("Flagged cells", str(len(flagged)), f"{text}.", urlencode({"flagged": 1}))
