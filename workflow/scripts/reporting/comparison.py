"""Published and measured rates side by side, with their ratio, where their cells correspond."""

import pandas as pd

from .cells import OUTSIDE, print_stage
from .formats import Cell, Table, to_markdown
from .labels import label_of, torch_label
from .tables import provenance_of

MATCH = ["pipeline", "batch_size", "variant", "stage"]
NOTHING = (
    "No cell of the measured dataset corresponds to a published one: the same pipeline, batch size and variant at full scale "
    "in both."
)


def corresponding(published, measured):
    """The rows that correspond: same pipeline, batch size, variant and stage, full scale in both, measured with a number.

    Returns a DataFrame with the columns of both (suffixes _p and _m) and `ratio`, measured over published iterations per
    second; NaN where the published cell has none.
    """
    ours = measured[(measured["scale"] == "full") & (measured["status"] == "ok")]
    pairs = published[published["scale"] == "full"].merge(ours, on=MATCH, suffixes=("_p", "_m"))
    ratio = pairs["iterations_per_second_m"] / pairs["iterations_per_second_p"]
    return pd.concat([pairs, ratio.rename("ratio")], axis=1)


def header(part, side, labels, variant):
    """GPU, torch, Diffusers and variant of one column."""
    row = part.iloc[0]
    gpu = label_of(labels, "gpus", row[f"gpu_{side}"], row[f"device_name_{side}"])
    frame = part.rename(columns={f"torch_{side}": "torch", f"torch_version_{side}": "torch_version"})
    torch = torch_label(frame[["torch", "torch_version"]], row[f"torch_{side}"])
    return [
        f"{gpu}, torch {torch}, Diffusers {row[f'diffusers_version_{side}']}",
        label_of(labels, "variants", variant),
    ]


def cells_of(part, pipeline, variant):
    """Three Cells: published, measured, ratio; one text a stage."""
    rows = part[(part["pipeline"] == pipeline) & (part["variant"] == variant)].sort_values("stage").to_dict("records")
    if not rows:
        return [Cell([OUTSIDE])] * 3
    sides = [
        Cell([print_stage({key[:-2]: value for key, value in row.items() if key.endswith(side)}) for row in rows])
        for side in ("_p", "_m")
    ]
    ratios = [f"{row['ratio']:.2f}x" if row["ratio"] == row["ratio"] else OUTSIDE for row in rows]
    return [*sides, Cell(ratios)]


def build_comparison(part, labels, source, measured):
    """The Table of one published GPU and torch build against one measured, at one batch size."""
    headers, rows = [["Pipeline"]], []
    for variant in part["variant"].unique():
        of_variant = part[part["variant"] == variant]
        headers += [header(of_variant, side, labels, variant) for side in ("p", "m")]
        headers.append(["ratio", label_of(labels, "variants", variant)])
    for pipeline in part["pipeline"].unique():
        cells = [cell for variant in part["variant"].unique() for cell in cells_of(part, pipeline, variant)]
        rows.append((label_of(labels, "pipelines", pipeline), cells))
    row = part.iloc[0]
    names = [label_of(labels, "gpus", row[f"gpu_{side}"], row[f"device_name_{side}"]) for side in ("p", "m")]
    notes = [f"Published: {source}.", f"Measured: {provenance_of(measured)}", "Ratio: measured over published."]
    heading = f"{names[1]} over {names[0]}, torch {row['torch_p']} (batch size: {row['batch_size']})"
    return Table(heading, headers, rows, [], notes)


def render_comparison(published, measured, labels, source):
    """The Markdown of every comparison, a table a published GPU, torch build, batch size and measured GPU and torch build."""
    pairs = corresponding(published, measured)
    keys = ["gpu_m", "torch_m", "gpu_p", "torch_p", "batch_size"]
    texts = []
    for (gpu, torch, *_, batch_size), part in pairs.groupby(keys, sort=False):
        ours = measured[
            (measured["gpu"] == gpu) & (measured["torch"] == torch) & (measured["batch_size"] == batch_size)
        ]
        texts.append(to_markdown(build_comparison(part, labels, source, ours)))
    return "\n".join(texts) or NOTHING + "\n"
