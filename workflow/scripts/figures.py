"""Rule `figures`: every figure of a dataset, each as SVG and PNG."""

from diffbench.terminal.rule_script import Snakemake, run_script

from diffbench.catalogue.labels import read_labels
from diffbench.figures.figures import write_figures
from diffbench.statistics.published import read_about, with_about
from diffbench.statistics.summary import read_summary


def main(snakemake: Snakemake) -> None:
    """Writes the figures that the rule's outputs name: figures/<name>.svg, figures/<name>.png."""
    about = read_about(snakemake.input.about[0]) if snakemake.input.about else None
    labels = with_about(read_labels(snakemake.input.catalogues), about)
    summary = read_summary(snakemake.input.summary)
    write_figures(summary, labels, snakemake.params.baseline, snakemake.output)


if __name__ == "__main__":
    run_script(main, snakemake)  # noqa: F821
