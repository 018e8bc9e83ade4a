"""Strips: the images of a pipeline side by side, the baseline's first, each with its badge and its difference from that one."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from diffbench.catalogue.labels import Labels, label_of, torch_label
from diffbench.data.outputs import kept_runs, read_output
from diffbench.data.rows import records, tuples
from diffbench.data.sizes import sized
from diffbench.data.types import AnyPath, Baseline, Row
from diffbench.statistics.fidelity import OTHER_WEIGHTS, UNKNOWN_WEIGHTS, badges
from diffbench.statistics.speedup import is_baseline
from diffbench.tables.cells import Cells, describe_origin
from diffbench.tables.keys import CellKey, Column, Group
from diffbench.vocabulary.badges import DIFFERENT
from diffbench.vocabulary.columns import KEY
from diffbench.vocabulary.sizes import split_name
from diffbench.vocabulary.thresholds import CLOSE_PSNR_DB, CLOSE_SSIM, EQUIVALENT_PSNR_DB

from .baseline import base_of
from .figures import DOTS_PER_INCH, save_figure
from .images import AMPLIFIED, describe_badge, difference_of, draw_difference, draw_panel, words_for
from .style import finish, grid_of, shown, styled

SMALLEST, LARGEST = 2.0, 3.4  # inches: the side of an image
GAP, SHALLOW = 0.4, 0.1  # inches: around an image, and the height of a row without differences
MEANINGS = (
    "identical: latents and image are the same bit for bit. "
    f"equivalent: PSNR of {EQUIVALENT_PSNR_DB:g} dB or more, or at least that between the baseline's own rounds. "
    f"close: PSNR of {CLOSE_PSNR_DB:g} dB and SSIM of {CLOSE_SSIM:g} or more. "
    "different: less, so its speed does not count as a speed-up."
)


def shown_runs(runs: pd.DataFrame, fidelity: pd.DataFrame, baseline: Baseline) -> dict[tuple[Any, ...], str]:
    """{KEY: folder} of the run whose image is shown for a cell and stage: for the baseline, the round that all others are
    compared with; for any other cell, the round that differs most from it."""
    columns = [*KEY, "round", "baseline_round", "psnr_db"]
    kept = kept_runs(runs).merge(fidelity[columns], on=[*KEY, "round"], how="left")
    reference = is_baseline(kept, baseline) & (kept["round"] == kept["baseline_round"])
    order = kept["psnr_db"].fillna(-1).where(~reference, -2)
    first = kept.assign(order=order).sort_values(["order", "round"], kind="stable").drop_duplicates(KEY)
    return dict(zip(first[KEY].itertuples(index=False, name=None), first["outputs"]))


class Images:
    """The images of a dataset and their badges (see fidelity.badges), by the values of KEY."""

    def __init__(self, runs: pd.DataFrame, fidelity: pd.DataFrame, baseline: Baseline) -> None:
        runs, fidelity = sized(runs), sized(fidelity)
        self.folders = shown_runs(runs, fidelity, baseline)
        rows = records(badges(fidelity, baseline))
        self.badges = {tuple(row[column] for column in KEY): row for row in rows}

    def read(self, key: tuple[Any, ...]) -> np.ndarray | None:
        """uint8, height x width x 3; None if the cell and stage has no image."""
        return read_output(self.folders[key], key[-1]).image if key in self.folders else None


def columns_of_strip(part: pd.DataFrame, torch: str, baseline: Baseline) -> list[Column]:
    """The columns of a strip: the torch build's variants, each after its baseline.

    `part`: the summary's rows of one GPU, pipeline and batch size.
    """
    present = set(map(Column, part["torch"], part["variant"]))
    own = [Column(torch, variant) for variant in part.loc[part["torch"] == torch, "variant"].unique()]
    columns = dict.fromkeys(column for one in own for column in (base_of(one, baseline), one))
    return [column for column in columns if column in present]


class Strip:
    """The images of one GPU, torch build, pipeline and batch size by (stage, column), a column being (torch, variant)."""

    def __init__(self, summary: pd.DataFrame, images: Images, labels: Labels, baseline: Baseline, key: CellKey) -> None:
        self.gpu, self.torch, self.pipeline, self.batch_size = key
        rows = summary[(summary["gpu"] == self.gpu) & (summary["pipeline"] == self.pipeline)]
        rows = rows[rows["batch_size"] == self.batch_size]
        self.columns = columns_of_strip(rows, self.torch, baseline)
        self.rows = rows[[column in self.columns for column in zip(rows["torch"], rows["variant"])]]
        self.stages = sorted(self.rows["stage"].unique().tolist())
        self.cells = Cells(self.rows, labels)
        self.bases = {column: base_of(column, baseline) for column in self.columns}
        self.compared = any(base != column for column, base in self.bases.items())  # else the baseline is alone
        self.pixels: dict[tuple[int, Column], np.ndarray | None] = {}
        self.badges: dict[tuple[int, Column], Row | None] = {}
        for stage in self.stages:
            for column in self.columns:
                size = split_name(self.pipeline)[1]
                cell = (self.gpu, column.torch, self.pipeline, self.batch_size, size, column.variant, stage)
                self.pixels[stage, column] = images.read(cell)
                self.badges[stage, column] = images.badges.get(cell)
        self.differences = {
            (stage, column): difference_of(image, self.pixels.get((stage, self.bases[column])))
            for (stage, column), image in self.pixels.items()
            if column != self.bases[column] and self.is_compared(stage, column)
        }

    def is_compared(self, stage: int, column: Column) -> bool:
        """Whether a cell's image may be compared with the baseline's: not if fidelity.compare_runs refused to."""
        badge = self.badges[stage, column]
        return badge is None or OTHER_WEIGHTS not in badge["note"] and UNKNOWN_WEIGHTS not in badge["note"]

    def draw_cell(self, axes: np.ndarray, stage: int, column: Column) -> None:
        """An image in the first of the axes and, if there is a second, its difference from the baseline's."""
        image, badge, base = self.pixels[stage, column], self.badges[stage, column], self.bases[column]
        text = describe_badge(badge, column == base) if badge or image is not None else ""
        words = words_for(self.cells.get(self.gpu, self.batch_size, Group(self.pipeline, stage), column))
        draw_panel(
            axes[0], words if image is None else image, text, badge is not None and badge["fidelity"] == DIFFERENT
        )
        axes[0].set_title(shown(self.cells.name_column(column), 34, 3))
        if len(axes) > 1:
            draw_difference(axes[1], self.differences.get((stage, column)))

    def heights(self, stage: int, side: float) -> list[float]:
        """Inches of a stage's rows: its images, and its differences if there is something to compare."""
        seen = [self.differences.get((stage, column)) for column in self.columns]
        below = side / 2 + GAP if any(value is not None and value.any() for value in seen) else SHALLOW
        return [side + GAP, below] if self.compared else [side + GAP]

    def draw(self) -> Figure:
        """A Figure with one row per stage and one column per variant."""
        largest = max((max(image.shape) for image in self.pixels.values() if image is not None), default=0)
        side = min(max(largest / DOTS_PER_INCH, SMALLEST), LARGEST)
        heights = [self.heights(stage, side) for stage in self.stages]
        figure, grid = grid_of([side + GAP] * len(self.columns), sum(heights, []))
        figure.set_layout_engine("constrained", h_pad=0.07)
        for number, stage in enumerate(self.stages):
            rows = grid[number * len(heights[0]) : (number + 1) * len(heights[0])]
            for place, column in enumerate(self.columns):
                self.draw_cell(rows[:, place], stage, column)
            if self.cells.staged:
                rows[0, 0].set_ylabel(f"stage {stage}")
        return finish(figure, self.title(), self.caption())

    def title(self) -> str:
        pipeline = label_of(self.cells.labels, "pipelines", self.pipeline)
        build = torch_label(self.rows, self.torch)
        return f"{pipeline}, batch size {self.batch_size}, {self.cells.name_gpu(self.gpu)}, torch {build}"

    def caption(self) -> list[str]:
        """Sentences: what the images are, the meaning of the badges, devices, releases and dates."""
        sentences = [
            "The first image of a call with a fixed seed; with several rounds, the one that differs most from the baseline."
        ]
        if self.rows["weights"].str.contains("random").any():
            sentences.append("The weights are random, so the images only show whether they are alike.")
        if self.compared:
            sentences += [f"Below each image: its absolute difference from the baseline's, × {AMPLIFIED}.", MEANINGS]
        return [*sentences, *describe_origin(self.rows, self.cells)]


@styled
def draw_strip(summary: pd.DataFrame, images: Images, labels: Labels, baseline: Baseline, key: CellKey) -> Figure:
    """The Figure of one strip; `key` says which."""
    return Strip(summary, images, labels, baseline, key).draw()


def write_strips(
    summary: pd.DataFrame,
    runs: pd.DataFrame,
    fidelity: pd.DataFrame,
    labels: Labels,
    baseline: Baseline,
    folder: AnyPath,
) -> None:
    """Write <gpu>-<torch>-<pipeline>-batch-<n>.png for every such part of the summary into the folder.

    `runs`: outputs.read_runs; `fidelity`: fidelity.compare_runs or read_fidelity. Raises ReportError if a file is damaged.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    images = Images(runs, fidelity, baseline)
    for key in map(CellKey._make, tuples(summary[[*CellKey._fields]].drop_duplicates())):
        figure = draw_strip(summary, images, labels, baseline, key)
        save_figure(figure, [folder / f"{key.gpu}-{key.torch}-{key.pipeline}-batch-{key.batch_size}.png"])
