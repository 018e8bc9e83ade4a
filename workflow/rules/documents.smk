"""
Documents: comparisons of the config's numbers with published ones, and the marked spaces of Markdown files.

REQUIRES:

    results/<dataset>/summary.csv          of every dataset that is compared or named in a document

MAKES:

    results/<name>/comparison/*.md         published and measured side by side
    the marked spaces of the config's `documents`
    results/<name>/catalogue.md            which pipeline runs with which variant
"""

from diffbench.documents.markers import named_datasets

DOCUMENTS = PLAN.config["documents"]
DOCUMENTED = DATASETS.documented(named_datasets(DOCUMENTS))
ABOUTS = {name: str(path) for name in DOCUMENTED for path in DATASETS.about_files(name)}
MINUTES = {name: str(path) for name in DOCUMENTED for path in DATASETS.committed_files(name, "minutes.csv")}
DOCUMENT_PARAMS = {
    "documents": DOCUMENTS,
    "datasets": DOCUMENTED,
    "abouts": ABOUTS,
    "minutes": MINUTES,
    "command": INVOCATION.command("documents"),
}


localrules:
    catalogue,
    comparison_table,
    documents,
    documents_check,


rule comparison:
    """Put the published tables and the config's measured dataset side by side, with their ratio."""
    input:
        expand(RESULTS / "comparison" / "{dataset}.md", dataset=DATASETS.published),


rule comparison_table:
    """Put a published dataset's tables and the config's measured dataset side by side, with the ratio if both have a number."""
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
        figures=[FILES.figures(dataset) for dataset in DOCUMENTED],
        abouts=list(ABOUTS.values()),
        minutes=list(MINUTES.values()),
        catalogues=CATALOGUES,
    log:
        RESULTS / "logs" / "documents.log",
    conda:
        REPORT_ENVIRONMENT
    params:
        **DOCUMENT_PARAMS,
        check=False,
    message:
        "Fill the documents: {params.documents}"
    script:
        "../scripts/documents.py"


use rule documents as documents_check with:
    log:
        RESULTS / "logs" / "documents_check.log",
    params:
        **DOCUMENT_PARAMS,
        check=True,
    message:
        "Check whether the documents are up to date: {params.documents}"


rule catalogue:
    """Print which pipeline runs with which variant, for measured cells only, with the reason for each n/a."""
    input:
        rows=[BASE / "resources/measured" / dataset / "measurements.csv" for dataset in DATASETS.committed],
        catalogues=CATALOGUES,
    log:
        RESULTS / "logs" / "catalogue.log",
    conda:
        REPORT_ENVIRONMENT
    params:
        runs=lambda wildcards: FILES.runs(),
        path=RESULTS / "catalogue.md",
    script:
        "../scripts/catalogue.py"
