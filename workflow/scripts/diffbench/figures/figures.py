"""Figures, drawn with matplotlib and seaborn; the caption of every figure names the devices, releases and dates."""

from collections.abc import Iterable

import matplotlib
import pandas as pd
from matplotlib.figure import Figure

from diffbench.catalogue.labels import Labels
from diffbench.data.types import AnyPath, Baseline

matplotlib.use("Agg")
matplotlib.rcdefaults()  # ignore a matplotlibrc in the working folder

from pathlib import Path  # noqa: E402

from .batch_sizes import draw_speedups_by_batch_size, draw_throughput  # noqa: E402
from .breakeven import draw_breakeven  # noqa: E402
from .heatmap import draw_heatmap  # noqa: E402
from .rates import draw_rates, draw_speedups, draw_speedups_by_gpu  # noqa: E402
from .roofline import draw_roofline  # noqa: E402
from .style import styled  # noqa: E402

FIGURES = {  # name of its files: function of (summary, labels, baseline) that returns a matplotlib Figure
    "speedup": draw_speedups,
    "speedup-by-gpu": draw_speedups_by_gpu,
    "rates": draw_rates,
    "speedup-by-batch-size": draw_speedups_by_batch_size,
    "heatmap": draw_heatmap,
    "throughput": draw_throughput,
    "breakeven": draw_breakeven,
    "roofline": draw_roofline,
}
KINDS = ("svg", "png")
DOTS_PER_INCH, MOST_DOTS = 150, 60e6  # a PNG of a very large matrix gets fewer dots per inch


@styled
def save_figure(figure: Figure, paths: Iterable[AnyPath]) -> None:
    """Write the figure to every path (SVG, PNG) without a time stamp."""
    width, height = figure.get_size_inches()
    dpi = min(DOTS_PER_INCH, (MOST_DOTS / (width * height)) ** 0.5, 60000 / max(width, height))
    for path in paths:
        metadata = {"Date": None} if str(path).endswith(".svg") else {"Software": None}
        figure.savefig(path, dpi=dpi, bbox_inches="tight", metadata=metadata)


def figure_paths(folder: AnyPath) -> list[Path]:
    """The files of every figure."""
    return [Path(folder) / f"{name}.{kind}" for name in FIGURES for kind in KINDS]


def write_figures(summary: pd.DataFrame, labels: Labels, baseline: Baseline, paths: Iterable[AnyPath]) -> None:
    """Draw each figure once and write it to those of `paths` that have its name."""
    for name, draw in FIGURES.items():
        files = [path for path in map(Path, paths) if path.stem == name]
        if files:
            save_figure(draw(summary, labels, baseline), files)
