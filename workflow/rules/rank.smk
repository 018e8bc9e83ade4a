"""
Ranking: the variants of a dataset as steps of a ladder, and the best of them.

REQUIRES:

    results/<dataset>/summary.csv          of the config's dataset, a published or a committed one
    results/<name>/measurements.csv        the measured rounds, to compare the best variant with the others

MAKES:

    results/<dataset>/ladder.md            each variant compared with the one before and with the first
    results/<dataset>/figures/ladder.*     the same as a waterfall
    results/<dataset>/best.md              the fastest variant at each level of fidelity, with its Python code
"""


localrules:
    ladder_table,
    ladder,
    best_table,
    best,


rule ladder_table:
    """Print and draw the variants of a dataset as steps, in the order of its matrix."""
    input:
        summary="results/{dataset}/summary.csv",
        about=lambda wildcards: DATASETS.about_files(wildcards.dataset),
        catalogues=CATALOGUES,
        code=REPORTING,
    output:
        table="results/{dataset}/ladder.md",
        # the report shows one of the two
        svg=report("results/{dataset}/figures/ladder.svg", **figure_in_report("ladder")),
        png="results/{dataset}/figures/ladder.png",
    log:
        "results/{dataset}/logs/ladder.log",
    conda:
        REPORT_ENVIRONMENT
    params:
        baseline=lambda wildcards: DATASETS.baseline(wildcards.dataset),
    message:
        "Make the ladder: {output.table}"
    script:
        "../scripts/ladder_table.py"


rule best_table:
    """Choose the fastest variant of each pipeline at each level of fidelity, and write its Python code."""
    input:
        summary="results/{dataset}/summary.csv",
        about=lambda wildcards: DATASETS.about_files(wildcards.dataset),
        rows=lambda wildcards: FILES.page_inputs(wildcards.dataset, "rows"),
        catalogues=CATALOGUES,
        code=REPORTING,
    output:
        "results/{dataset}/best.md",
    log:
        "results/{dataset}/logs/best.log",
    conda:
        REPORT_ENVIRONMENT
    params:
        baseline=lambda wildcards: DATASETS.baseline(wildcards.dataset),
    message:
        "Choose the best variants: {output}"
    script:
        "../scripts/best_table.py"


rule ladder:
    """Measure the config's matrix if necessary, and print its variants as steps (other datasets: results/<dataset>/ladder.md)."""
    input:
        RESULTS / "ladder.md",
    log:
        RESULTS / "logs" / "print-ladder.log",
    conda:
        REPORT_ENVIRONMENT
    shell:
        "cat {input:q} 2> {log:q}"


use rule ladder as best with:
    input:
        RESULTS / "best.md",
    log:
        RESULTS / "logs" / "print-best.log",
