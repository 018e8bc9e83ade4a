"""Rule `best_table`: the best variant of each pipeline at each level of fidelity, with its Python code."""

from diffbench.terminal.rule_script import Snakemake, run_script

from pathlib import Path

from diffbench.catalogue.labels import read_labels
from diffbench.data.measurements import read_measurements
from diffbench.statistics.published import read_about, with_about
from diffbench.statistics.summary import read_summary
from diffbench.tables.best import render_best


def main(snakemake: Snakemake) -> None:
    """`input.rows` are those of a measured dataset; a published one has none."""
    about = read_about(snakemake.input.about[0]) if snakemake.input.about else None
    labels = with_about(read_labels(snakemake.input.catalogues), about)
    source = f"Source: {about['source']}.\n\n" if about else ""
    measurements = read_measurements(snakemake.input.rows) if snakemake.input.rows else None
    text = render_best(read_summary(snakemake.input.summary), labels, snakemake.params.baseline, measurements)
    Path(snakemake.output[0]).write_text(source + text, encoding="utf-8")


if __name__ == "__main__":
    run_script(main, snakemake)  # noqa: F821
