"""Rule `figures`: the speed-up of each pipeline by variant."""

from reporting.errors import run_script
from reporting.figures import draw_speedups, save_figure
from reporting.labels import label_of, read_labels
from reporting.summary import read_summary


def name_baseline(baseline, labels):
    """`no compile` for {variant: eager}; `torch 2.0, no compile` for {torch: "2.0", variant: eager}."""
    parts = [f"torch {baseline['torch']}"] if "torch" in baseline else []
    if "variant" in baseline:
        parts.append(label_of(labels, "variants", baseline["variant"]))
    return ", ".join(parts)


def main(snakemake):
    labels = read_labels(snakemake.input.catalogues)
    summary = read_summary(snakemake.input.summary)
    figure = draw_speedups(summary, labels, name_baseline(snakemake.params.baseline, labels))
    save_figure(figure, snakemake.output)


if __name__ == "__main__":
    run_script(main, snakemake)  # noqa: F821
