"""Markdown tables in the form of the published page: one a GPU and batch size, pipelines down, torch build x variant across."""

from tabulate import tabulate

from .cells import FOOTNOTED, OUTSIDE, join_stages, print_stage
from .labels import escape, label_of, torch_label

SCALES = {"tiny": "miniature architectures", "full": "full-scale architectures"}


def heading(gpu_label, batch_size):
    return f"### {gpu_label} (batch size: {batch_size})"


def columns_of(summary):
    """(torch, variant) of each column, variants outermost, in the order of the summary."""
    present = set(zip(summary["torch"], summary["variant"]))
    return [
        (torch, variant)
        for variant in summary["variant"].unique()
        for torch in summary["torch"].unique()
        if (torch, variant) in present
    ]


def header_of(summary, column, labels):
    torch, variant = column
    variant_label = escape(label_of(labels, "variants", variant))
    return f"**torch {escape(torch_label(summary, torch))} - <br>{variant_label}**"


def print_cell(rows, footnotes):
    """The text of one cell from the rows of its stages; adds to `footnotes` what has to be explained."""
    texts = []
    for row in rows:
        text = print_stage(row)
        note = row["detail"] if row["status"] in FOOTNOTED or (row["status"] == "ok" and row["detail"]) else None
        if note:
            if note not in footnotes:
                footnotes.append(note)
            text += f" <sup>{footnotes.index(note) + 1}</sup>"
        texts.append(text)
    return join_stages(texts)


def render_table(summary, gpu, batch_size, labels, all_columns=None):
    """The Markdown of one table with heading, footnotes and provenance.

    `summary` holds every row of the dataset; `all_columns` fixes the columns (default: those of this GPU and batch size).
    """
    part = summary[(summary["gpu"] == gpu) & (summary["batch_size"] == batch_size)]
    columns = all_columns or columns_of(part)
    footnotes, lines = [], []
    cells = {
        key: list(rows.to_dict("records")) for key, rows in part.groupby(["pipeline", "torch", "variant"], sort=False)
    }
    for pipeline in part["pipeline"].unique():
        texts = [
            print_cell(cells[(pipeline, *column)], footnotes) if (pipeline, *column) in cells else OUTSIDE
            for column in columns
        ]
        marks = "".join(f" {mark}" for mark in part.loc[part["pipeline"] == pipeline, "mark"].unique() if mark)
        lines.append([escape(label_of(labels, "pipelines", pipeline)) + marks, *texts])
    headers = ["**Pipeline**"] + [header_of(summary, column, labels) for column in columns]
    table = tabulate(lines, headers, tablefmt="pipe", colalign=["center"] * len(headers), disable_numparse=True)
    gpu_label = escape(label_of(labels, "gpus", gpu, next(iter(part["device_name"]), None)))
    blocks = [heading(gpu_label, batch_size), table]
    if footnotes:
        blocks.append("\n".join(f"{number}. {escape(note)}" for number, note in enumerate(footnotes, start=1)))
    blocks += list(notes_of(part, labels))
    return "\n\n".join(blocks) + "\n"


def notes_of(part, labels):
    """Sentences below a table: compile errors with their reasons, the pipelines' notes, what was measured on what."""
    broken = part[(part["status"] == "compile-error") & part["detail"].astype(bool)].drop_duplicates(
        ["pipeline", "detail"]
    )
    for row in broken.to_dict("records"):
        yield f"❌ {escape(label_of(labels, 'pipelines', row['pipeline']))}: {escape(row['detail'])}"
    for mark in filter(None, part["mark"].unique()):
        yield escape(f"{mark} {labels.get('marks', {}).get(mark, '')}".rstrip())
    if not part["text"].any():
        yield from (escape(labels["notes"][name]) for name in part["pipeline"].unique() if name in labels["notes"])
    measured = part[part["device_name"].astype(bool)]
    if len(measured):
        yield provenance_of(measured)


def listed(values):
    """The different values, joined: `a; b`."""
    parts = [part for value in values for part in str(value).split("; ") if part]
    return "; ".join(dict.fromkeys(parts))


def provenance_of(measured):
    """One sentence: unit, rounds, device, releases, dtype, scale, weights and dates of the rows."""
    rounds = measured.loc[measured["status"] == "ok", "rounds"]
    counted = "no round" if rounds.empty else f"{rounds.min()} round{'s' if rounds.max() > 1 else ''}"
    if len(rounds) and rounds.min() != rounds.max():
        counted = f"{rounds.min()} to {rounds.max()} rounds"
    scale = " and ".join(SCALES.get(scale, scale) for scale in measured["scale"].unique())
    return (
        f"Iterations per second, median of {counted}. "
        f"Device: {escape(listed(measured['device_name']))} ({escape(listed(measured['threads']))} CPU threads); "
        f"torch {escape(listed(measured['torch_version']))}, Diffusers {escape(listed(measured['diffusers_version']))}, "
        f"{escape(listed(measured['dtype']))}; {scale} with {' and '.join(measured['weights'].unique())} weights; "
        f"measured {listed(sorted(measured['measured_on']))}."
    )


def table_keys(summary):
    """(gpu, batch_size) of every table, GPUs outermost, in the order of the summary."""
    pairs = summary[["gpu", "batch_size"]].drop_duplicates()
    return [
        (gpu, batch_size)
        for gpu in pairs["gpu"].unique()
        for batch_size in pairs.loc[pairs["gpu"] == gpu, "batch_size"]
    ]


def render_tables(summary, labels):
    """{(gpu, batch_size): Markdown} of every table of the dataset."""
    return {key: render_table(summary, *key, labels) for key in table_keys(summary)}
