"""The headline of a dataset: best speed-up, biggest loss, cells that failed, flags."""

from collections import Counter
from urllib.parse import urlencode

from diffbench.catalogue.labels import label_of, torch_label
from diffbench.data.rows import is_number, records
from diffbench.statistics.flags import kinds_of
from diffbench.statistics.ratios import base_rate, print_times, rate_in, unit_of
from diffbench.tables.cells import joined, print_rate
from diffbench.tables.column_names import Names
from diffbench.vocabulary.badges import DIFFERENT
from diffbench.vocabulary.statuses import FAILED, OPEN, words_of
from diffbench.vocabulary.units import IMAGES


def cell_key(row):
    """What names a cell and stage in a link of the page."""
    return "/".join(str(row[axis]) for axis in ("gpu", "torch", "pipeline", "batch_size", "variant", "stage"))


def describe(row, summary, labels):
    """`SD - txt2img, batch size 1, compile, torch 2.0, A100`."""
    gpu = label_of(labels, "gpus", row["gpu"], row["device_name"] or None)
    variant, build = label_of(labels, "variants", row["variant"]), torch_label(summary, row["torch"])
    return f"{Names(summary, labels).stage(row)}, batch size {row['batch_size']}, {variant}, torch {build}, {gpu}"


def headline_of(summary, labels, baseline):
    """A list of {title, value, text, link}: what a reader should see first. `baseline` is its printed name.

    Of measured cells only those judged `faster` and `slower` count, for one round makes no claim; a faster cell with another
    image is no win. What a published page says is taken as it stands.
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


def speedup_item(title, row, word, summary, labels, baseline):
    if row is None:
        text = f"No cell is shown to be {word} than {baseline}."
        if summary["rounds"].max() == 1:
            text += " One round of a cell makes no claim."
        return {"title": title, "value": "none", "text": text, "link": ""}
    unit = unit_of(row)
    text = f"{describe(row, summary, labels)}: {print_rate(rate_in(row, unit))} {unit}"
    interval = "no interval is known"
    if row["verdict"]:
        interval = f"95% interval {row['speedup_low']:.2f} to {row['speedup_high']:.2f}"
    steps = "; step counts differ, so the speed-up is per image" * (unit == IMAGES)
    text = f"{text} over {print_rate(base_rate(row))} {unit} of {baseline}{steps}; {interval}."
    return {
        "title": title,
        "value": print_times(row["speedup"], unit),
        "text": text,
        "link": urlencode({"cell": cell_key(row)}),
    }


def failures_item(summary):
    counts = Counter(status for status in summary["status"] if status in FAILED)
    if not counts:
        text = (
            "Nothing has been measured yet."
            if (summary["status"] == OPEN.name).all()
            else "Every measured cell has one."
        )
        return {"title": "Without a number", "value": "0", "text": text, "link": ""}
    text = joined(f"{count} {words_of(status)}" for status, count in counts.most_common())
    link = urlencode({"status": ",".join(counts)})
    return {"title": "Without a number", "value": str(counts.total()), "text": f"{text}.", "link": link}


def flags_item(summary):
    flagged = [kinds_of(text) for text in summary["flags"] if text]
    if not flagged:
        noted = summary["device_name"].astype(bool).any()
        text = "Nothing looked wrong." if noted else "Whoever measured this noted none."
        return {"title": "Flagged cells", "value": "0", "text": text, "link": ""}
    counts = Counter(kind for kinds in flagged for kind in kinds)
    text = joined(f"{kind} in {count}" for kind, count in counts.most_common(5))
    return {"title": "Flagged cells", "value": str(len(flagged)), "text": f"{text}.", "link": urlencode({"flagged": 1})}
