"""
The reader's page: a dataset as one HTML file that opens from disk.

REQUIRES:

    results/<dataset>/summary.csv          of the config's dataset, a published or a committed one
    results/<name>/strips/                 the images of the config's own dataset; also its rows and calls, if measured

MAKES:

    results/<dataset>/index.html           headline, table, figures and every cell with its rounds, calls and command
"""


localrules:
    page,


rule page:
    """Make the reader's page of a dataset: one HTML file that needs no network."""
    input:
        summary="results/{dataset}/summary.csv",
        about=lambda wildcards: DATASETS.about_files(wildcards.dataset),
        rows=lambda wildcards: FILES.page_inputs(wildcards.dataset, "rows"),
        calls=lambda wildcards: FILES.page_inputs(wildcards.dataset, "calls"),
        strips=lambda wildcards: FILES.page_inputs(wildcards.dataset, "strips"),
        catalogues=CATALOGUES,
        parts=sorted(path for path in (BASE / "report/page").rglob("*") if path.is_file()),
        code=REPORTING,
    output:
        "results/{dataset}/index.html",
    log:
        "results/{dataset}/logs/page.log",
    conda:
        REPORT_ENVIRONMENT
    params:
        baseline=lambda wildcards: DATASETS.baseline(wildcards.dataset),
        remeasurement=lambda wildcards: remeasurement_of(
            wildcards.dataset, PLAN, DATASETS, RUNS.wildcard_pattern, workflow.configfiles
        ),
    message:
        "Make the reader's page: {output}"
    script:
        "../scripts/page.py"
