"""
Documents: the published numbers beside one's own, and the marked spaces of Markdown files.

REQUIRES:

    results/<dataset>/summary.csv          of every dataset that is compared or named in a document

MAKES:

    results/<name>/comparison/*.md         published and measured side by side
    the marked spaces of the config's `documents`
    results/<name>/catalogue.md            which pipeline runs with which variant
"""


localrules:
    catalogue,
    comparison_table,
    documents,
    documents_check,


rule comparison:
    """Put the published tables and the config's measured dataset side by side, with their ratio."""
    input:
        expand(RESULTS / "comparison" / "{dataset}.md", dataset=PUBLISHED),


rule comparison_table:
    """Put a published dataset's tables and the config's measured dataset side by side, with the ratio where both have a number."""
    input:
        measured=RESULTS / "summary.csv",
        published="results/{dataset}/summary.csv",
        about=BASE / "resources/published/{dataset}.yaml",
        catalogues=CATALOGUES,
        code=REPORTING,
    output:
        RESULTS / "comparison" / "{dataset}.md",
    log:
        RESULTS / "logs" / "comparison-{dataset}.log",
    conda:
        REPORT_ENVIRONMENT
    message:
        "Compare with {wildcards.dataset}: {output}"
    script:
        "../scripts/comparison_table.py"


rule documents:
    """Fill the marked spaces of the config's documents from the datasets that they name."""
    input:
        summaries=[f"results/{dataset}/summary.csv" for dataset in DOCUMENTED],
        figures=[figure_files(dataset) for dataset in DOCUMENTED],
        abouts=list(ABOUTS.values()),
        minutes=list(MINUTES.values()),
        catalogues=CATALOGUES,
    log:
        RESULTS / "logs" / "documents.log",
    conda:
        REPORT_ENVIRONMENT
    params:
        documents=DOCUMENTS,
        datasets=DOCUMENTED,
        abouts=ABOUTS,
        minutes=MINUTES,
        check=False,
    message:
        "Fill the documents: {params.documents}"
    script:
        "../scripts/documents.py"


use rule documents as documents_check with:
    log:
        RESULTS / "logs" / "documents_check.log",
    params:
        documents=DOCUMENTS,
        datasets=DOCUMENTED,
        abouts=ABOUTS,
        minutes=MINUTES,
        check=True,
    message:
        "Look whether the documents are filled: {params.documents}"


rule catalogue:
    """Print which pipeline runs with which variant, as far as it was measured: n/a with its reason."""
    input:
        rows=[BASE / "resources/measured" / dataset / "measurements.csv" for dataset in MEASURED],
        catalogues=CATALOGUES,
    log:
        RESULTS / "logs" / "catalogue.log",
    conda:
        REPORT_ENVIRONMENT
    params:
        runs=lambda wildcards: run_files("run.csv"),
        path=RESULTS / "catalogue.md",
    script:
        "../scripts/catalogue.py"
