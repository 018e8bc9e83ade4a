"""Rule `tables`: one Markdown table a GPU and batch size, and all of them in one file."""

from scripting import run_script

from pathlib import Path

from render import write_tables
from reporting.labels import read_labels
from reporting.options import read_options
from reporting.published import read_about
from reporting.summary import read_summary


def main(snakemake):
    about = read_about(snakemake.input.about[0]) if snakemake.input.about else None
    labels = read_labels(snakemake.input.catalogues)
    if about:
        labels["marks"] = about["marks"]
    options = read_options(snakemake.params.options)
    write_tables(read_summary(snakemake.input.summary), labels, Path(snakemake.output.all).parent, options, about)


if __name__ == "__main__":
    run_script(main, snakemake)  # noqa: F821
