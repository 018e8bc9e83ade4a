"""
Reporting: from rows to tables and figures.

REQUIRES:

    results/<name>/runs/…/run.csv          of the config's dataset, and outputs/ beside it
    resources/published/<dataset>.csv      of a published one, with its source in <dataset>.yaml
    resources/measured/<dataset>/          of a committed one: measurements.csv, calls.csv, about.yaml

MAKES:

    results/<name>/cells.csv               the cells of the matrix with their definitions
    results/<name>/measurements.csv        every row of every run; calls.csv has every call
    results/<name>/fidelity.csv            what every run made, against what the baseline made of the same seed
    results/<name>/strips/*.png            the images side by side, with their differences
    results/<dataset>/summary.csv          one row a cell and stage: median over rounds, speed-up against the baseline
    results/<dataset>/tables/*.md          one table a GPU and batch size; tables.md has all of them, extended.md with more columns
    results/<dataset>/figures/*.svg, .png  speed-ups, rates, throughput
    results/<name>/so_far/                 the same, of what has been measured so far
    results/<name>/<name>.zip              the rows and calls of what has been measured so far, for another machine
"""

REPORTING_FOLDERS = ("vocabulary", "catalogue", "data", "statistics", "tables", "figures", "page", "documents")
REPORT_ENVIRONMENT = str(BASE / "envs" / "report.yaml")
CATALOGUES = [BASE / "config" / f"{kind}.yaml" for kind in ("gpus", "pipelines", "variants")]
# an edited script makes its tables and figures anew; the rule's own code is no trigger (profiles/default)
REPORTING = [
    *sorted(
        path for path in (BASE / "workflow/scripts/diffbench").rglob("*.py") if path.parent.name in REPORTING_FOLDERS
    ),
    BASE / "envs/report.yaml",
]


# on a cluster too: they take seconds, and a queue takes longer
localrules:
    cells,
    measurements,
    fidelity,
    summary,
    published_summary,
    measured_summary,
    tables,
    figures,
    strips,
    so_far,
    bundle,


rule cells:
    """Write the cells of the matrix. Planning updates the file when they change (plan.smk). The rows are then collected and their
    definitions checked again, even if Snakemake has lost its records of what it made."""
    output:
        CELLS,
    log:
        RESULTS / "logs" / "cells.log",
    message:
        "Write the cells of the matrix: {output}"
    run:
        PLAN.write_cells(output[0])


rule measurements:
    """Put the rows of all runs, and those of other machines, into one file, and their calls into another."""
    input:
        cells=CELLS,  # not read: newer than the rows once cells have changed
        # calls.csv and outputs/ of a run are next to its run.csv, which is written last: each file is an input to plan
        runs=lambda wildcards: run_files("run.csv"),
        rows=external_files("rows"),
        calls=external_files("calls"),
    output:
        rows=RESULTS / "measurements.csv",
        calls=RESULTS / "calls.csv",
    log:
        RESULTS / "logs" / "measurements.log",
    conda:
        REPORT_ENVIRONMENT
    params:
        cells=lambda wildcards: PLAN.cells[[*CELL, "definition"]].values.tolist(),
    message:
        "Collect the rows of all runs in {output.rows}"
    script:
        "../scripts/measurements.py"


rule fidelity:
    """Compare the latents and images that every run made with those of the baseline."""
    input:
        rows=RESULTS / "measurements.csv",  # newer than any run
        code=REPORTING,
    output:
        RESULTS / "fidelity.csv",
    log:
        RESULTS / "logs" / "fidelity.log",
    conda:
        REPORT_ENVIRONMENT
    params:
        runs=lambda wildcards: run_files("run.csv"),
        baseline=PLAN.config["baseline"],
    message:
        "Compare what the runs made: {output}"
    script:
        "../scripts/fidelity.py"


rule summary:
    """Take the median over the rounds of each cell, and its speed-up."""
    input:
        rows=RESULTS / "measurements.csv",
        calls=RESULTS / "calls.csv",
        fidelity=[RESULTS / "fidelity.csv"] + external_files("fidelity"),
        ceilings=ceiling_files() + external_files("ceilings"),
        gpus=BASE / "config/gpus.yaml",
        code=REPORTING,
    output:
        RESULTS / "summary.csv",
    log:
        RESULTS / "logs" / "summary.log",
    conda:
        REPORT_ENVIRONMENT
    params:
        cells=lambda wildcards: PLAN.all_cells()[CELL].values.tolist(),
        baseline=PLAN.config["baseline"],
    message:
        "Summarize: {output}"
    script:
        "../scripts/summary.py"


rule published_summary:
    """Read a published dataset."""
    input:
        facts=BASE / "resources/published/{dataset}.csv",
        about=BASE / "resources/published/{dataset}.yaml",
        code=REPORTING,
    output:
        "results/{dataset}/summary.csv",
    log:
        "results/{dataset}/logs/summary.log",
    wildcard_constraints:
        dataset="|".join(map(re.escape, PUBLISHED)) or "none",
    conda:
        REPORT_ENVIRONMENT
    message:
        "Read the published dataset {wildcards.dataset}"
    script:
        "../scripts/published_summary.py"


rule measured_summary:
    """Summarize committed measurements."""
    input:
        rows=BASE / "resources/measured/{dataset}/measurements.csv",
        calls=lambda wildcards: committed_files(wildcards.dataset, "calls.csv"),
        fidelity=lambda wildcards: committed_files(wildcards.dataset, "fidelity.csv"),
        ceilings=lambda wildcards: committed_files(wildcards.dataset, "ceilings.csv"),
        gpus=BASE / "config/gpus.yaml",
        about=BASE / "resources/measured/{dataset}/about.yaml",
        code=REPORTING,
    output:
        "results/{dataset}/summary.csv",
    log:
        "results/{dataset}/logs/summary.log",
    wildcard_constraints:
        dataset="|".join(map(re.escape, MEASURED)) or "none",
    conda:
        REPORT_ENVIRONMENT
    params:
        baseline=lambda wildcards: baseline_of(wildcards.dataset),
    message:
        "Summarize the committed dataset {wildcards.dataset}"
    script:
        "../scripts/summary.py"


rule tables:
    """Print the Markdown tables of a dataset, one a GPU and batch size."""
    input:
        summary="results/{dataset}/summary.csv",
        about=lambda wildcards: about_files(wildcards.dataset),
        catalogues=CATALOGUES,
        code=REPORTING,
    output:
        directory("results/{dataset}/tables"),
        all="results/{dataset}/tables.md",
        extended="results/{dataset}/extended.md",
    log:
        "results/{dataset}/logs/tables.log",
    conda:
        REPORT_ENVIRONMENT
    params:
        options=lambda wildcards: table_options(wildcards.dataset),
    message:
        "Print the tables: {output.all}"
    script:
        "../scripts/tables.py"


rule figures:
    """Draw the figures of a dataset."""
    input:
        summary="results/{dataset}/summary.csv",
        about=lambda wildcards: about_files(wildcards.dataset),
        catalogues=CATALOGUES,
        code=REPORTING,
    output:
        [reported_figure(path) for path in figure_files("{dataset}")],
    log:
        "results/{dataset}/logs/figures.log",
    conda:
        REPORT_ENVIRONMENT
    params:
        baseline=lambda wildcards: baseline_of(wildcards.dataset),
    message:
        "Draw the figures of {wildcards.dataset}"
    script:
        "../scripts/figures.py"


rule strips:
    """Put the images of each pipeline side by side, with badges and differences."""
    input:
        rows=RESULTS / "measurements.csv",  # newer than any run
        fidelity=RESULTS / "fidelity.csv",
        summary=RESULTS / "summary.csv",
        catalogues=CATALOGUES,
        code=REPORTING,
    output:
        report(
            directory(RESULTS / "strips"),
            patterns=[strip_pattern()],
            caption="../../report/strip.rst",
            category="Images",
            labels={"pipeline": "{pipeline}", "GPU": "{gpu}", "batch size": "{batch_size}", "torch": "{torch}"},
        ),
    log:
        RESULTS / "logs" / "strips.log",
    conda:
        REPORT_ENVIRONMENT
    params:
        runs=lambda wildcards: run_files("run.csv"),
        baseline=PLAN.config["baseline"],
    message:
        "Put the images side by side: {output}"
    script:
        "../scripts/strips.py"


rule so_far:
    """Make tables and figures of what has been measured so far, beside a running benchmark if need be."""
    log:
        RESULTS / "logs" / "so_far.log",
    conda:
        REPORT_ENVIRONMENT
    params:
        runs=lambda wildcards: run_files("run.csv"),
        external={kind: external_files(kind) for kind in ("rows", "calls", "fidelity", "ceilings")},
        folder=RESULTS / "so_far",
        ceilings=ceiling_files(),
        gpus=BASE / "config/gpus.yaml",
        cells=lambda wildcards: PLAN.all_cells().values.tolist(),
        baseline=PLAN.config["baseline"],
        options=PLAN.config["tables"],
        catalogues=CATALOGUES,
    script:
        "../scripts/so_far.py"


rule bundle:
    """Pack what has been measured so far into one archive, to be unpacked and named as `external` on another machine."""
    log:
        RESULTS / "logs" / "bundle.log",
    conda:
        REPORT_ENVIRONMENT
    params:
        runs=lambda wildcards: run_files("run.csv"),
        ceilings=ceiling_files(),
        environments=[path for torch in PLAN.config["torch"] for path in [environment_record(torch)] if path],
        cells=lambda wildcards: PLAN.cells.values.tolist(),
        config=PLAN.config,
        archive=RESULTS / f"{PLAN.config['name']}.zip",
    script:
        "../scripts/bundle.py"


rule published:
    """Make the tables and figures of every published dataset; needs no GPU and measures nothing."""
    input:
        [f"results/{dataset}/tables.md" for dataset in PUBLISHED],
        [f"results/{dataset}/index.html" for dataset in PUBLISHED],
        [html_folders(dataset) for dataset in PUBLISHED],
        [figure_files(dataset) for dataset in PUBLISHED],


rule measured:
    """Make the tables and figures of every committed dataset; needs no GPU and measures nothing."""
    input:
        [f"results/{dataset}/tables.md" for dataset in MEASURED],
        [f"results/{dataset}/index.html" for dataset in MEASURED],
        [html_folders(dataset) for dataset in MEASURED],
        [figure_files(dataset) for dataset in MEASURED],
