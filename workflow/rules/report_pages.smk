"""
Pages: tables and versions as HTML, because Snakemake's report shows Markdown and CSV only as downloads.

REQUIRES:

    results/<dataset>/summary.csv
    results/<name>/environments/torch-*.txt   of the config's dataset, if the workflow made the environment

MAKES:

    results/<dataset>/html/tables/*.html        one page per GPU and batch size, normal and extended
    results/<dataset>/html/environments/*.html  one page per torch build
"""


localrules:
    report_pages,


rule report_pages:
    """Print the tables of a dataset, and the versions of its torch builds, as HTML pages for Snakemake's report."""
    input:
        summary="results/{dataset}/summary.csv",
        records=lambda wildcards: BUILDS.records(FILES.runs()) if wildcards.dataset == DATASETS.own else [],
        about=lambda wildcards: DATASETS.about_files(wildcards.dataset),
        catalogues=CATALOGUES,
        code=REPORTING,
    output:
        tables=report(
            directory("results/{dataset}/html/tables"),
            patterns=["{gpu}-batch-{batch_size,[0-9]+}-{kind,table|extended}.html"],
            caption="../../report/table.rst",
            category="Tables",
            labels={"GPU": "{gpu}", "batch size": "{batch_size}", "kind": "{kind}", "dataset": "{dataset}"},
        ),
        environments=report(
            directory("results/{dataset}/html/environments"),
            patterns=["torch-{torch}.html"],
            caption="../../report/environment.rst",
            category="Environments",
            labels={"torch": "{torch}", "dataset": "{dataset}"},
        ),
    log:
        "results/{dataset}/logs/report_pages.log",
    conda:
        REPORT_ENVIRONMENT
    params:
        options=lambda wildcards: DATASETS.table_options(wildcards.dataset),
    message:
        "Print the pages of the report: {output}"
    script:
        "../scripts/report_pages.py"
