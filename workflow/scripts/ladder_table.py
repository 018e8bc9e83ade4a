"""Rule `ladder_table`: the variants of a dataset as steps, a table and a waterfall."""

from diffbench.terminal.rule_script import Snakemake, run_script

from pathlib import Path

from diffbench.catalogue.labels import read_labels
from diffbench.figures.figures import save_figure
from diffbench.figures.ladder import draw_ladder
from diffbench.statistics.published import read_about, with_about
from diffbench.statistics.summary import read_summary
from diffbench.tables.ladder import render_ladders


def main(snakemake: Snakemake) -> None:
    about = read_about(snakemake.input.about[0]) if snakemake.input.about else None
    labels = with_about(read_labels(snakemake.input.catalogues), about)
    source = f"Source: {about['source']}.\n\n" if about else ""
    summary, baseline = read_summary(snakemake.input.summary), snakemake.params.baseline
    text = render_ladders(summary, labels, baseline)
    Path(snakemake.output.table).write_text(source + text, encoding="utf-8")
    save_figure(draw_ladder(summary, labels, baseline), [snakemake.output.svg, snakemake.output.png])


if __name__ == "__main__":
    run_script(main, snakemake)  # noqa: F821
