"""Rule `page`: the reader's page of a dataset, one HTML file."""

from diffbench.terminal.rule_script import run_script

import base64
import io
import shlex
from pathlib import Path

from PIL import Image

from diffbench.catalogue.labels import read_labels
from diffbench.data.measurements import read_calls, read_measurements
from diffbench.data.rows import records
from diffbench.page.headline import cell_key
from diffbench.page.page import build_page
from diffbench.page.page_data import read_details
from diffbench.statistics.published import read_about
from diffbench.statistics.summary import read_summary
from diffbench.vocabulary.sizes import split_name

MOST_STRIPS_BYTES = 2_500_000  # of all images in a page
STRIP_WIDTH = 1200  # pixels


def read_strips(folder, summary):
    """{"gpu/torch/pipeline/batch": data URL} of the strips in the folder, smaller than they are, as many as a page can hold."""
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


def commands_of(summary, how):
    """{cell: the command that measures it again}. `how` has the `pattern` of its runs' files, the `cells` that have some (None:
    all), the number of `rounds`, the `arguments` of Snakemake, and whether the command sets `threads`; any other
    cell is measured by the program itself, with its `settings`."""
    commands = {}
    for row in records(summary):
        key = cell_key(row)
        if how["pattern"] and (how["cells"] is None or key.rpartition("/")[0] in how["cells"]):
            rounds = how["rounds"] or row["rounds"] or 1
            paths = [how["pattern"].format(**{**row, "round": number}) for number in range(1, int(rounds) + 1)]
            program = ["snakemake", *paths, "--cores", "1", "--forcerun", "measure", *how["arguments"]]
            if how["threads"] and str(row["threads"]).isdigit():
                program += ["--config", f"threads={row['threads']}"]
            commands[key] = shlex.join(program)
            continue
        pipeline, size = split_name(row["pipeline"])
        options = {"gpu": row["gpu"], "torch": row["torch"], "pipeline": pipeline, "batch-size": row["batch_size"]}
        options |= {"size": size, "variant": row["variant"]}
        options |= {name: row[name] for name in ("weights", "scale") if row[name]}
        options |= {"threads": row["threads"]} if str(row["threads"]).isdigit() else {}
        texts = [part for name, value in options.items() for part in (f"--{name}", str(value))]
        program = ["python", "workflow/scripts/measure.py", *texts, *how["settings"], "--output", "again"]
        commands[key] = shlex.join(program)
    return commands


def main(snakemake):
    """`input.rows` and `input.calls` are those of a measured dataset, `input.strips` its images; a published one has none."""
    found, how = snakemake.input, snakemake.params.how
    about = read_about(found.about[0]) if found.about else {"title": snakemake.params.title}
    labels = read_labels(found.catalogues) | {"marks": about.get("marks", {})}
    summary = read_summary(found.summary)
    measurements = read_measurements([found.rows[0]]) if found.rows else None
    calls = read_calls([found.calls[0]]) if found.calls else None
    strips = read_strips(found.strips[0], summary) if found.strips else {}
    details = read_details(measurements, calls, commands_of(summary, how), strips)
    page = build_page(summary, labels, snakemake.params.baseline, about, details)
    Path(snakemake.output[0]).write_text(page, encoding="utf-8")


if __name__ == "__main__":
    run_script(main, snakemake)  # noqa: F821
