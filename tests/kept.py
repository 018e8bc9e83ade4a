"""Run folders with what their calls made, as a measurement leaves them."""

import numpy as np
from PIL import Image

from conftest import ROOT
from diffbench.catalogue.labels import read_labels
from diffbench.data.measurements import to_frame
from diffbench.data.outputs import read_runs
from diffbench.figures.strips import Images, draw_strip
from diffbench.statistics.fidelity import badges, compare_runs
from diffbench.statistics.summary import summarize
from diffbench.system.files import to_csv
from diffbench.vocabulary.columns import COLUMNS
from summaries import cells_of

BASELINE = {"variant": "eager"}
LABELS = read_labels([ROOT / "config" / f"{kind}.yaml" for kind in ("gpus", "pipelines", "variants")])
PLACE = ("A100", "2.0", "sd-txt2img", 1)


def picture(side=16, seed=0):
    return np.random.default_rng(seed).integers(40, 200, (side, side, 3), dtype=np.uint8)


def shifted(image, levels):
    """The image with every value higher by `levels`: its mean squared error is their square."""
    return (image + levels).astype(np.uint8)


LATENTS = np.linspace(-3, 2, 4 * 8 * 8, dtype=np.float32).reshape(4, 8, 8)


class Runs:
    """Run folders as a measurement leaves them."""

    def __init__(self, folder, make_row):
        self.folder, self.make_row, self.rows, self.paths = folder, make_row, [], []

    def add(self, image=None, latents=None, **keys):
        """A run with one row; image and latents of its stage, where it kept any."""
        row = self.make_row(**keys)
        folder = self.folder / str(len(self.paths))
        (folder / "outputs").mkdir(parents=True)
        if image is not None:
            Image.fromarray(image).save(folder / "outputs" / f"stage-{row['stage']}.png")
        if latents is not None:
            np.save(folder / "outputs" / f"stage-{row['stage']}.npy", latents, allow_pickle=False)
        (folder / "run.csv").write_text(to_csv([row], COLUMNS), encoding="utf-8")
        self.rows.append(row)
        self.paths.append(folder / "run.csv")
        return folder / "outputs"

    def compare(self, baseline=BASELINE):
        return compare_runs(read_runs(self.paths), baseline)

    def badges(self, baseline=BASELINE):
        """The badges by (torch, variant)."""
        return badges(self.compare(baseline), baseline).set_index(["torch", "variant"])

    def summary(self, baseline=BASELINE, cells=None):
        return summarize(to_frame(self.rows), cells_of(self.rows) if cells is None else cells, baseline)

    def draw(self, labels=LABELS, baseline=BASELINE, place=PLACE, cells=None):
        images = Images(read_runs(self.paths), self.compare(baseline), baseline)
        return draw_strip(self.summary(baseline, cells), images, labels, baseline, place)
