"""Rule `best_table`: the best variant of each pipeline at each level of fidelity, with the lines of Python that make it."""

from diffbench.terminal.rule_script import run_script

from pathlib import Path

from diffbench.catalogue.labels import read_labels
from diffbench.data.measurements import read_measurements
from diffbench.statistics.published import read_about
from diffbench.statistics.summary import read_summary
from diffbench.tables.best import render_best


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
