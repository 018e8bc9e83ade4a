"""Rule `fidelity`: the latents and image of every run, compared with the baseline's from the same seed."""

from diffbench.terminal.rule_script import Snakemake, run_script

from diffbench.data.fidelity_csv import write_fidelity
from diffbench.data.outputs import read_runs
from diffbench.statistics.fidelity import compare_runs


def main(snakemake: Snakemake) -> None:
    """`params.runs` are the run.csv files of the dataset; the outputs are next to them."""
    runs = read_runs(snakemake.params.runs)
    write_fidelity(compare_runs(runs, snakemake.params.baseline), snakemake.output[0])


if __name__ == "__main__":
    run_script(main, snakemake)  # noqa: F821
