"""Rule `best_of`: the best variant of each pipeline at each level of fidelity, with the lines of Python that make it."""

from scripting import run_script

from pathlib import Path

from reporting.best import render_best
from reporting.labels import read_labels
from reporting.published import read_about
from reporting.read import read_measurements
from reporting.summary import read_summary


def main(snakemake):
    """`input.rows` are those of a measured dataset; a published one has none."""
    labels, head = read_labels(snakemake.input.catalogues), ""
    if snakemake.input.about:
        about = read_about(snakemake.input.about[0])
        labels["marks"], head = about["marks"], f"Source: {about['source']}.\n\n"
    measurements = read_measurements(snakemake.input.rows) if snakemake.input.rows else None
    text = render_best(read_summary(snakemake.input.summary), labels, snakemake.params.baseline, measurements)
    Path(snakemake.output[0]).write_text(head + text, encoding="utf-8")


if __name__ == "__main__":
    run_script(main, snakemake)  # noqa: F821
