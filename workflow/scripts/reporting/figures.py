"""Figures, drawn with seaborn; every figure says on what and when it was measured."""

import textwrap

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402
import seaborn as sns  # noqa: E402

from .cells import print_stage  # noqa: E402
from .labels import label_of, torch_label  # noqa: E402
from .tables import provenance_of, table_keys  # noqa: E402

HATCHES = ["", "///", "...", "xxx", "\\\\\\", "++", "oo", "**"]
SETTINGS = {
    "svg.hashsalt": "diffbench",  # the same figure gives the same file
    "svg.fonttype": "none",
    "text.parse_math": False,  # a `$` in a label is a `$`
    "axes.spines.top": False,
    "axes.spines.right": False,
}


def bar_table(part, labels):
    """One row a pipeline's stage and column: `x` (label of pipeline and stage), `column`, `speedup`, `text`."""
    stages = part.groupby("pipeline")["stage"].transform("max")
    names = [label_of(labels, "pipelines", name) for name in part["pipeline"]]
    several_torch = part["torch"].nunique() > 1
    columns = [
        (f"torch {torch_label(part, torch)}, " if several_torch else "") + label_of(labels, "variants", variant)
        for torch, variant in zip(part["torch"], part["variant"])
    ]
    return part.assign(
        x=[f"{name}\nstage {stage}" if many > 1 else name for name, stage, many in zip(names, part["stage"], stages)],
        column=columns,
        text=[print_stage(row) for row in part.to_dict("records")],
    )


def draw_bars(axes, bars, order, columns, palette):
    """Grouped bars of speed-ups; a cell without a number is written where its bar would stand."""
    sns.barplot(bars, x="x", y="speedup", hue="column", order=order, hue_order=columns, palette=palette, ax=axes)
    width = 0.8 / len(columns)
    for index, container in enumerate(axes.containers[: len(columns)]):
        for bar in container:
            bar.set_hatch(HATCHES[index % len(HATCHES)])
            bar.set_edgecolor("white")
            if bar.get_height() == bar.get_height():
                axes.annotate(
                    f"{bar.get_height():.2f}",
                    (bar.get_x() + bar.get_width() / 2, bar.get_height()),
                    ha="center",
                    va="bottom",
                    fontsize=7,
                )
    for row in bars[bars["speedup"].isna()].to_dict("records"):
        shift = (columns.index(row["column"]) - (len(columns) - 1) / 2) * width
        text = row["text"].replace("❌", "compile error")
        axes.annotate(text, (order.index(row["x"]) + shift, 0.02), rotation=90, ha="center", va="bottom", fontsize=7)


def draw_speedups(summary, labels, baseline):
    """A figure with one panel a GPU and batch size: the speed-up of each pipeline by variant over the baseline."""
    keys = table_keys(summary)
    with matplotlib.rc_context(SETTINGS):
        widest = max(len(summary[summary["gpu"] == gpu].groupby(["pipeline", "stage"])) for gpu, _ in keys)
        figure, panels = plt.subplots(
            len(keys), 1, figsize=(max(6.4, 1.2 * widest), 3.2 * len(keys) + 0.8), squeeze=False, sharey=True
        )
        every = bar_table(summary, labels)
        columns = list(dict.fromkeys(every["column"]))
        palette = sns.color_palette("colorblind", len(columns))
        for axes, (gpu, batch_size) in zip(panels[:, 0], keys):
            bars = every[(every["gpu"] == gpu) & (every["batch_size"] == batch_size)]
            draw_bars(axes, bars, list(dict.fromkeys(bars["x"])), columns, palette)
            axes.axhline(1, color="black", linewidth=0.8, linestyle="--")
            axes.margins(y=0.12)
            gpu_label = label_of(labels, "gpus", gpu, next(iter(bars["device_name"]), None))
            axes.set(title=f"{gpu_label}, batch size {batch_size}", xlabel="", ylabel=f"speed-up over {baseline}")
            axes.tick_params(axis="x", labelsize=8)
            axes.legend(title="", fontsize=8, loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False)
        measured = summary[summary["device_name"].astype(bool)]
        if len(measured):
            figure.supxlabel(textwrap.fill(provenance_of(measured).replace("\\", ""), 120), fontsize=7)
        figure.tight_layout()
    return figure


def save_figure(figure, paths):
    """Write the figure to every path (SVG, PNG) without a time stamp, and close it."""
    for path in paths:
        metadata = {"Date": None} if str(path).endswith(".svg") else {"Software": None}
        figure.savefig(path, dpi=150, bbox_inches="tight", metadata=metadata)
    plt.close(figure)
