"""Published and measured rates side by side, with their ratio where both have one."""

import numpy as np

from .cells import OUTSIDE, merge_stages, print_stage
from .formats import Cell, Table, to_markdown
from .labels import label_of, torch_label
from .tables import provenance_of

MATCH = ["pipeline", "batch_size", "variant", "stage"]
NOTHING = (
    "No cell of the measured dataset corresponds to a published one: the same pipeline, batch size and variant at full scale "
    "in both."
)


def corresponding(published, measured):
    """The keys (gpu, torch, gpu and torch of the published, batch_size) of every measured and published table that both have
    a pipeline, variant and stage at full scale, ours with a number."""
    ours = measured[measured["status"] == "ok"]
    pairs = published[published["scale"] == "full"].merge(ours, on=MATCH, suffixes=("_p", ""))
    return list(
        dict.fromkeys(pairs[["gpu", "torch", "gpu_p", "torch_p", "batch_size"]].itertuples(index=False, name=None))
    )


def rows_of(summary, **values):
    """{stage: row} of the rows with these values, in the order of their stages."""
    part = summary[np.logical_and.reduce([summary[column] == value for column, value in values.items()])]
    return {row["stage"]: row for row in part.sort_values("stage").to_dict("records")}


def header(summary, labels, variant):
    """GPU, torch, Diffusers and variant of one column."""
    row = summary[summary["variant"] == variant].iloc[0]
    gpu = label_of(labels, "gpus", row["gpu"], row["device_name"])
    torch = torch_label(summary[["torch", "torch_version"]], row["torch"])
    return [f"{gpu}, torch {torch}, Diffusers {row['diffusers_version']}", label_of(labels, "variants", variant)]


def ratio_of(theirs, ours):
    """Measured over published iterations per second, as text; `-` where either has none."""
    if not theirs or not ours or ours["status"] != "ok" or theirs["status"] != "ok":
        return OUTSIDE
    return f"{ours['iterations_per_second'] / theirs['iterations_per_second']:.2f}x"


def cells_of(theirs, ours):
    """Three Cells: published, measured, ratio; one text a stage. Each side is {stage: row}."""
    printed = [merge_stages([print_stage(row) for row in side.values()]) or [OUTSIDE] for side in (theirs, ours)]
    ratios = merge_stages([ratio_of(theirs.get(stage), ours.get(stage)) for stage in {**theirs, **ours}]) or [OUTSIDE]
    return [Cell(texts) for texts in (*printed, ratios)]


def build_comparison(published, measured, labels, source):
    """The Table of one published GPU, torch build and batch size against one measured: the published pipelines, and the variants
    that both have."""
    headers, rows = [["Pipeline"]], []
    variants = [name for name in published["variant"].unique() if name in set(measured["variant"])]
    for variant in variants:
        headers += [header(side, labels, variant) for side in (published, measured)]
        headers.append(["ratio", label_of(labels, "variants", variant)])
    for pipeline in published["pipeline"].unique():
        cells = []
        for variant in variants:
            sides = [rows_of(side, pipeline=pipeline, variant=variant) for side in (published, measured)]
            cells += cells_of(*sides)
        rows.append((label_of(labels, "pipelines", pipeline), cells))
    theirs, ours = published.iloc[0], measured.iloc[0]
    names = [label_of(labels, "gpus", row["gpu"], row["device_name"]) for row in (theirs, ours)]
    notes = [f"Published: {source}.", f"Measured: {provenance_of(measured)}", "Ratio: measured over published."]
    heading = f"{names[1]} over {names[0]}, torch {theirs['torch']} (batch size: {theirs['batch_size']})"
    return Table(heading, headers, rows, [], notes)


def render_comparison(published, measured, labels, source):
    """The Markdown of every comparison, a table a published GPU, torch build, batch size and measured GPU and torch build."""
    measured, texts = measured[measured["scale"] == "full"], []
    for gpu, torch, their_gpu, their_torch, batch_size in corresponding(published, measured):
        ours = measured[
            (measured["gpu"] == gpu) & (measured["torch"] == torch) & (measured["batch_size"] == batch_size)
        ]
        theirs = published[
            (published["gpu"] == their_gpu)
            & (published["torch"] == their_torch)
            & (published["batch_size"] == batch_size)
        ]
        texts.append(to_markdown(build_comparison(theirs, ours, labels, source)))
    return "\n".join(texts) or NOTHING + "\n"
