"""Rule `page`: the reader's page of a dataset, one HTML file."""

from diffbench.terminal.rule_script import Snakemake, run_script

import base64
import io
from pathlib import Path

import pandas as pd
from PIL import Image

from diffbench.catalogue.labels import read_labels
from diffbench.data.measurements import read_calls, read_measurements
from diffbench.data.rows import records
from diffbench.data.types import AnyPath
from diffbench.page.details import read_details
from diffbench.page.headline import cell_key
from diffbench.page.page import build_page
from diffbench.statistics.published import read_about, with_about
from diffbench.statistics.summary import read_summary

MOST_STRIPS_BYTES = 2_500_000  # of all images in a page
STRIP_WIDTH = 1200  # pixels


def read_strips(folder: AnyPath, summary: pd.DataFrame) -> dict[str, str]:
    """{"gpu/torch/pipeline/batch": data URL} of the strips in the folder, reduced in size, as many as fit in a page."""
    strips, size = {}, 0
    for gpu, torch, pipeline, batch_size in (
        summary[["gpu", "torch", "pipeline", "batch_size"]].drop_duplicates().itertuples(index=False, name=None)
    ):
        path = Path(folder) / f"{gpu}-{torch}-{pipeline}-batch-{batch_size}.png"
        if not path.is_file():
            continue
        with Image.open(path) as image:
            image = image.convert("RGB")
            image.thumbnail((STRIP_WIDTH, STRIP_WIDTH))
            packed = io.BytesIO()
            image.save(packed, "WEBP", quality=80)
        text = base64.b64encode(packed.getvalue()).decode("ascii")
        if size + len(text) > MOST_STRIPS_BYTES:
            continue
        size += len(text)
        strips[f"{gpu}/{torch}/{pipeline}/{batch_size}"] = f"data:image/webp;base64,{text}"
    return strips


def main(snakemake: Snakemake) -> None:
    """`input.rows` and `input.calls` are those of a measured dataset, `input.strips` its images; a published one has none."""
    files = snakemake.input
    about = read_about(files.about[0]) if files.about else None
    labels = with_about(read_labels(files.catalogues), about)
    summary = read_summary(files.summary)
    measurements = read_measurements([files.rows[0]]) if files.rows else None
    calls = read_calls([files.calls[0]]) if files.calls else None
    strips = read_strips(files.strips[0], summary) if files.strips else {}
    commands = {cell_key(row): snakemake.params.remeasurement.command(row) for row in records(summary)}
    details = read_details(measurements, calls, commands, strips)
    page = build_page(
        summary, labels, snakemake.params.baseline, about or {"title": snakemake.wildcards.dataset}, details
    )
    Path(snakemake.output[0]).write_text(page, encoding="utf-8")


if __name__ == "__main__":
    run_script(main, snakemake)  # noqa: F821
