"""Rule `figures`: every figure of a dataset, each as SVG and PNG."""

from scripting import run_script

from reporting.figures import write_figures
from reporting.labels import read_labels
from reporting.published import read_about
from reporting.summary import read_summary


def main(snakemake):
    """Writes those of the figures that the rule's outputs name: figures/<name>.svg, figures/<name>.png."""
    labels = read_labels(snakemake.input.catalogues)
    if snakemake.input.about:
        labels["marks"] = read_about(snakemake.input.about[0])["marks"]
    summary = read_summary(snakemake.input.summary)
    write_figures(summary, labels, snakemake.params.baseline, snakemake.output)


if __name__ == "__main__":
    run_script(main, snakemake)  # noqa: F821
