"""Rule `comparison`: published and measured side by side."""

from scripting import run_script

from pathlib import Path

from reporting.comparison import NOTHING, render_comparison
from reporting.labels import read_labels
from reporting.published import read_about
from reporting.summary import read_summary


def main(snakemake):
    measured, published = read_summary(snakemake.input.measured), read_summary(snakemake.input.published)
    labels, source = read_labels(snakemake.input.catalogues), read_about(snakemake.input.about)["source"]
    text = render_comparison(published, measured, labels, source) or f"{NOTHING}\n"
    Path(snakemake.output[0]).write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    run_script(main, snakemake)  # noqa: F821
