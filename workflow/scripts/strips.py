"""Rule `strips`: the images of each pipeline side by side, one PNG per GPU, torch build, pipeline and batch size."""

from diffbench.terminal.rule_script import Snakemake, run_script

from diffbench.catalogue.labels import read_labels
from diffbench.data.fidelity_csv import read_fidelity
from diffbench.data.outputs import read_runs
from diffbench.figures.strips import write_strips
from diffbench.statistics.summary import read_summary


def main(snakemake: Snakemake) -> None:
    """`params.runs` are the run.csv files of the dataset; the outputs are next to them."""
    summary, fidelity = read_summary(snakemake.input.summary), read_fidelity(snakemake.input.fidelity)
    labels, runs = read_labels(snakemake.input.catalogues), read_runs(snakemake.params.runs)
    write_strips(summary, runs, fidelity, labels, snakemake.params.baseline, snakemake.output[0])


if __name__ == "__main__":
    run_script(main, snakemake)  # noqa: F821
