"""Rule `comparison_table`: published and measured numbers side by side."""

from diffbench.terminal.rule_script import Snakemake, run_script

from pathlib import Path

from diffbench.catalogue.labels import read_labels
from diffbench.statistics.published import read_about
from diffbench.statistics.summary import read_summary
from diffbench.tables.comparison import NOTHING, render_comparison


def main(snakemake: Snakemake) -> None:
    measured, published = read_summary(snakemake.input.measured), read_summary(snakemake.input.published)
    labels, source = read_labels(snakemake.input.catalogues), read_about(snakemake.input.about)["source"]
    text = render_comparison(published, measured, labels, source) or f"{NOTHING}\n"
    Path(snakemake.output[0]).write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    run_script(main, snakemake)  # noqa: F821
