"""Tables in the form of the published page: one a GPU and batch size, pipelines down, torch build x variant across."""

import numpy as np

from sizes import NATIVE
from thresholds import MOST_ROUNDS

from .builds import differences_of, releases_of
from .cells import FOOTNOTED, HOST_MEMORY, OUTSIDE, best_value, merge_stages, print_stage
from .formats import Cell, Table, to_markdown
from .labels import label_of, notes_on, torch_label
from .options import UNITS, TableOptions, value_of

SCALES = {"tiny": "miniature architectures", "full": "full-scale architectures"}
DEFAULT = TableOptions()


def columns_of(summary):
    """(torch, variant) of each column, variants outermost, in the order of the summary."""
    present = set(zip(summary["torch"], summary["variant"]))
    return [
        (torch, variant)
        for variant in summary["variant"].unique()
        for torch in summary["torch"].unique()
        if (torch, variant) in present
    ]


def name_column(part, torch, variant, labels):
    """Torch build and variant, as a column is headed."""
    return [f"torch {torch_label(part, torch)}", label_of(labels, "variants", variant)]


def headers_of(part, columns, labels, options):
    """The lines of each column's header; with speed-ups, a second column beside each."""
    headers = [["Pipeline"]]
    for torch, variant in columns:
        lines = name_column(part, torch, variant, labels)
        headers.append(lines)
        if options.speedups:
            headers.append([*lines, "speed-up"])
    return headers


def footnotes_of(rows, footnotes):
    """The numbers of a cell's footnotes, from the rows of its stages; adds to `footnotes` what has to be explained."""
    numbers = []
    for row in rows:
        # out of the machine's memory, not the device's: that is no property of the GPU
        told = row["status"] in (*FOOTNOTED, "ok") or HOST_MEMORY in row["detail"]
        notes = [row["detail"] if told else ""]
        if row["status"] == "ok" and row.get("unverified"):
            notes.append(f"not verified: {row['unverified']}")
        for note in filter(None, notes):
            if note not in footnotes:
                footnotes.append(note)
            if footnotes.index(note) + 1 not in numbers:
                numbers.append(footnotes.index(note) + 1)
    return numbers


def cell_of(rows, footnotes, options):
    """A Cell from the rows of its stages; adds to `footnotes` what has to be explained."""
    texts = [print_stage(row, options.decimals, options.unit) for row in rows]
    return Cell(merge_stages(texts), footnotes_of(rows, footnotes))


def print_speedup(row):
    """`1.56x (1.50 to 1.62), faster`: with interval and verdict where there are rounds enough for them; `-` without a number.

    Where the image is not the baseline's, that comes first.
    """
    if row["speedup"] != row["speedup"]:
        return OUTSIDE
    text = f"{'⚠ other image: ' if row['fidelity'] == 'different' else ''}{row['speedup']:.2f}x"
    if row["speedup_low"] == row["speedup_low"]:
        text += f" ({row['speedup_low']:.2f} to {row['speedup_high']:.2f}), {row['verdict']}"
    return text


def speedup_of(rows):
    """A Cell with the speed-up of each stage."""
    return Cell(merge_stages(list(map(print_speedup, rows))))


def cells_of(stages, columns, footnotes, options):
    """The Cells of one pipeline. `stages` maps (torch, variant) to the rows of its stages."""
    best = None
    if options.bold_best:
        best = best_value(
            [value_of(stages[column][0], options.unit) for column in columns if column in stages], options.unit
        )
    cells = []
    for column in columns:
        rows = stages.get(column)
        cell = cell_of(rows, footnotes, options) if rows else Cell([OUTSIDE])
        if rows and best is not None and value_of(rows[0], options.unit) == best:
            cell = cell._replace(bold=True)
        cells.append(cell)
        if options.speedups:
            cells.append(speedup_of(rows) if rows else Cell([OUTSIDE]))
    return cells


def build_table(summary, gpu, batch_size, labels, options=DEFAULT):
    """The Table of one GPU and batch size. `summary` holds the rows of the dataset, or more of them."""
    part = summary[(summary["gpu"] == gpu) & (summary["batch_size"] == batch_size)]
    if options.stages == "first":
        part = part[part["stage"] == 1]
    columns = [column for column in options.columns or columns_of(part) if column in columns_of(part)]
    pipelines = {}
    for row in part.to_dict("records"):
        stages = pipelines.setdefault(row["pipeline"], {})
        stages.setdefault((row["torch"], row["variant"]), []).append(row)
    footnotes, rows = [], []
    for pipeline, stages in pipelines.items():
        marks = dict.fromkeys(row["mark"] for of_column in stages.values() for row in of_column if row["mark"])
        label = " ".join([label_of(labels, "pipelines", pipeline), *marks])
        rows.append((label, cells_of(stages, columns, footnotes, options)))
    heading = heading_of(part, gpu, batch_size, labels)
    headers = headers_of(part, columns, labels, options)
    return Table(heading, headers, rows, footnotes, list(notes_of(part, labels, options)))


def heading_of(part, gpu, batch_size, labels):
    """`A100 (batch size: 1)`."""
    return f"{label_of(labels, 'gpus', gpu, next(iter(part['device_name']), None))} (batch size: {batch_size})"


def notes_of(part, labels, options):
    """Sentences below a table: compile errors with their reasons, the pipelines' notes, what was measured on what."""
    broken = part[(part["status"] == "compile-error") & part["detail"].astype(bool)]
    for row in broken.drop_duplicates(["pipeline", "detail"]).to_dict("records"):
        yield f"❌ {label_of(labels, 'pipelines', row['pipeline'])}: {row['detail']}"
    for mark in filter(None, part["mark"].unique()):
        yield f"{mark} {labels.get('marks', {}).get(mark, '')}".rstrip()
    if not part["text"].any():
        yield from notes_on(labels, part["pipeline"])
    measured = part[part["device_name"].astype(bool)]
    yield from warnings_of(part, labels)
    if len(measured) and set(part["gpu"]) & labels.get("untested", set()):
        yield "Devices of this kind are untested: nobody of the project has one, so look twice at these numbers."
    if options.speedups:
        yield from mean_speedups(part, labels)
        yield from advice_of(part, labels)
    if len(measured):
        yield from differences_of(measured)
        yield provenance_of(measured, options.unit)


def warnings_of(part, labels):
    """A sentence for every cell whose image is another than the baseline's: its number is not that of the same work."""
    for row in part[part["fidelity"] == "different"].to_dict("records"):
        column = " ".join(name_column(part, row["torch"], row["variant"], labels))
        of = f" (PSNR {row['psnr_db']:.0f} dB)" if row["psnr_db"] == row["psnr_db"] else ""
        yield f"⚠ {name_stage(row, part, labels)}, {column}: the image is not the baseline's{of}."


def mean_speedups(part, labels):
    """A sentence a column: the geometric mean of the speed-ups over the pipelines' first stages."""
    first = part[(part["stage"] == 1) & part["speedup"].notna()]
    for (torch, variant), rows in first.groupby(["torch", "variant"], sort=False):
        if len(rows) > 1 and (rows["speedup"] != 1).any():
            mean = np.exp(np.log(rows["speedup"]).mean())
            rate = np.exp(np.log(rows["iterations_per_second"]).mean())
            column = " ".join(name_column(part, torch, variant, labels))
            others = (rows["fidelity"] == "different").sum()
            warning = f" ⚠ {others} of them with another image." if others else ""
            rates = f"{rate / mean:.3g} to {rate:.3g} it/s"
            counted = f"{len(rows)} pipelines{'' if (rows['size'] == NATIVE).all() else ' and sizes'}"
            yield f"Geometric mean over {counted}, {column}: {mean:.2f}x ({rates}).{warning}"


def advice_of(part, labels):
    """A sentence that says how many rounds would settle each speed-up that is unclear."""
    unclear = part[part["verdict"] == "unclear"]
    advice = [
        f"{name_stage(row, part, labels)}, {' '.join(name_column(part, row['torch'], row['variant'], labels))}: "
        + (f"{row['rounds_needed']:.0f} rounds" if row["rounds_needed"] else f"more than {MOST_ROUNDS} rounds")
        for row in unclear.to_dict("records")
    ]
    if advice:
        yield f"Unclear: the interval holds 1; what would settle it, if all is as it seems: {'; '.join(advice)}."


def name_stage(row, part, labels):
    """`IF, stage 2`; the pipeline's name alone where it has one stage."""
    name = label_of(labels, "pipelines", row["pipeline"])
    staged = (part.loc[part["pipeline"] == row["pipeline"], "stage"] > 1).any()
    return f"{name}, stage {row['stage']}" if staged else name


def listed(values):
    """The different values, joined: `a; b`."""
    parts = [part for value in values for part in str(value).split("; ") if part]
    return "; ".join(dict.fromkeys(parts))


def provenance_of(measured, unit="it/s"):
    """One sentence: unit, rounds, device, releases, dtype, scale, weights and dates of the rows."""
    rounds = measured.loc[measured["status"] == "ok", "rounds"]
    counted = "no round" if rounds.empty else f"{rounds.min()} round{'s' if rounds.max() > 1 else ''}"
    if len(rounds) and rounds.min() != rounds.max():
        counted = f"{rounds.min()} to {rounds.max()} rounds"
    scale = " and ".join(SCALES.get(scale, scale) for scale in measured["scale"].unique())
    return (
        f"{UNITS[unit][3]}, median of {counted}{describe_intervals(measured)}. "
        f"Device: {listed(measured['device_name'])} ({listed(measured['threads'])} CPU threads); "
        f"{releases_of(measured)}, Python {listed(measured['python_version'])}, "
        f"Diffusers {listed(measured['diffusers_version'])}, {listed(measured['dtype'])}; "
        f"{scale} with {' and '.join(measured['weights'].unique())} weights; "
        f"measured {listed(sorted(measured['measured_on']))}."
    )


def describe_intervals(measured):
    """How wide the 95% intervals of the rates are; nothing where one round alone makes no claim."""
    width = (measured["iterations_per_second_high"] / measured["iterations_per_second_low"]).dropna() ** 0.5 - 1
    if not len(width):
        return ""
    widths = dict.fromkeys(f"{value:.1%}" for value in (width.min(), width.max()))
    return f" (95% intervals: ±{' to ±'.join(widths)})"


def table_keys(summary):
    """(gpu, batch_size) of every table, GPUs outermost, in the order of the summary."""
    pairs = summary[["gpu", "batch_size"]].drop_duplicates()
    return [
        (gpu, batch_size)
        for gpu in pairs["gpu"].unique()
        for batch_size in pairs.loc[pairs["gpu"] == gpu, "batch_size"]
    ]


def build_tables(summary, labels, options=DEFAULT):
    """{(gpu, batch_size): Table} of every table of the dataset."""
    parts = dict(list(summary.groupby(["gpu", "batch_size"], sort=False)))
    return {key: build_table(parts[key], *key, labels, options) for key in table_keys(summary)}


def render_tables(summary, labels, options=DEFAULT):
    """{(gpu, batch_size): Markdown} of every table of the dataset."""
    return {key: to_markdown(table) for key, table in build_tables(summary, labels, options).items()}
