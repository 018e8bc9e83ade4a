"""Draw the figure of README.md, after `snakemake --cores 1 measured`:

PYTHONPATH=workflow/scripts python docs/images/draw.py
"""

from pathlib import Path

from diffbench.catalogue.labels import read_labels
from diffbench.figures.figures import FIGURES, save_figure
from diffbench.statistics.published import read_about
from diffbench.statistics.summary import read_summary

ROOT = Path(__file__).resolve().parents[2]
DATASET = "h200-torch-2.11"
PIPELINES = ["sd-txt2img", "sdxl-txt2img", "flux.1-dev"]  # those with three rounds


def main():
    """Write docs/images/h200-speedup.png."""
    summary = read_summary(ROOT / "results" / DATASET / "summary.csv")
    labels = read_labels([ROOT / "config" / f"{kind}.yaml" for kind in ("gpus", "pipelines", "variants")])
    baseline = read_about(ROOT / "resources/measured" / DATASET / "about.yaml")["baseline"]
    figure = FIGURES["speedup"](summary[summary["pipeline"].isin(PIPELINES)], labels, baseline)
    save_figure(figure, [ROOT / "docs/images/h200-speedup.png"])


if __name__ == "__main__":
    main()
