"""Rule `published_summary`: a published dataset, as a summary."""

from diffbench.terminal.rule_script import Snakemake, run_script

from diffbench.documents.render import write_summary
from diffbench.statistics.published import read_published


def main(snakemake: Snakemake) -> None:
    write_summary(read_published(snakemake.input.facts), snakemake.output[0])


if __name__ == "__main__":
    run_script(main, snakemake)  # noqa: F821
