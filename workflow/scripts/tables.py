"""Rule `tables`: one Markdown table per GPU and batch size, and all of them in one file."""

from diffbench.terminal.rule_script import Snakemake, run_script

from pathlib import Path

from diffbench.catalogue.labels import read_labels
from diffbench.documents.render import write_tables
from diffbench.statistics.published import read_about, with_about
from diffbench.statistics.summary import read_summary
from diffbench.tables.table_options import read_options


def main(snakemake: Snakemake) -> None:
    about = read_about(snakemake.input.about[0]) if snakemake.input.about else None
    labels = with_about(read_labels(snakemake.input.catalogues), about)
    options = read_options(snakemake.params.options)
    write_tables(read_summary(snakemake.input.summary), labels, Path(snakemake.output.all).parent, options, about)


if __name__ == "__main__":
    run_script(main, snakemake)  # noqa: F821
