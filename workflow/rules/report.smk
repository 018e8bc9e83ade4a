"""
Reporting: from rows to tables and figures.

REQUIRES:

    results/<name>/runs/…/run.csv          of the config's dataset, and outputs/ next to it
    resources/published/<dataset>.csv      of a published one, with its source in <dataset>.yaml
    resources/measured/<dataset>/          of a committed one: measurements.csv, calls.csv, about.yaml

MAKES:

    results/<name>/cells.csv               the cells of the matrix with their definitions
    results/<name>/measurements.csv        every row of every run; calls.csv has every call
    results/<name>/fidelity.csv            the latents and image of every run, compared with the baseline's from the same seed
    results/<name>/strips/*.png            the images side by side, with their differences
    results/<dataset>/summary.csv          one row per cell and stage: median over rounds, speed-up against the baseline
    results/<dataset>/tables/*.md          one table per GPU and batch size; tables.md has all of them, extended.md with more columns
    results/<dataset>/figures/*.svg, .png  speed-ups, rates, throughput
    results/<name>/so_far/                 the same for the results so far
    results/<name>/<name>.zip              the rows and calls measured so far, for another machine
"""

REPORT_ENVIRONMENT = str(BASE / "envs/report.yaml")
CATALOGUES = [BASE / "config" / f"{kind}.yaml" for kind in ("gpus", "pipelines", "variants")]
# tables, figures and pages are made again when one of these changes
REPORTING = [BASE / "envs/report.yaml", *reporting_code(BASE)]


# local on a cluster too: they take seconds, less than waiting in a queue
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
    """Write the cells of the matrix. Planning updates the file if they change (plan.smk). The rows are then collected and their
    definitions checked again, even if Snakemake has lost its records of the files that it made."""
    output:
        RESULTS / "cells.csv",
    log:
        RESULTS / "logs" / "cells.log",
    message:
        "Write the cells of the matrix: {output}"
    run:
        PLAN.write_cells(output[0])


rule measurements:
    """Put the rows of all runs, and those of other machines, into one file, and their calls into another."""
    input:
        cells=RESULTS / "cells.csv",  # not read, but newer than the rows after cells have changed
        # not calls.csv and outputs/ next to each run.csv, which is written last: every input makes planning slower
        runs=lambda wildcards: FILES.runs(),
        rows=FILES.external("rows"),
        calls=FILES.external("calls"),
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
        runs=lambda wildcards: FILES.runs(),
        baseline=PLAN.config["baseline"],
    message:
        "Compare the images of the runs: {output}"
    script:
        "../scripts/fidelity.py"


rule summary:
    """Take the median over the rounds of each cell, and its speed-up."""
    input:
        rows=RESULTS / "measurements.csv",
        calls=RESULTS / "calls.csv",
        fidelity=[RESULTS / "fidelity.csv"] + FILES.external("fidelity"),
        ceilings=FILES.ceilings() + FILES.external("ceilings"),
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
        dataset=one_of(DATASETS.published),
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
        calls=lambda wildcards: DATASETS.committed_files(wildcards.dataset, "calls.csv"),
        fidelity=lambda wildcards: DATASETS.committed_files(wildcards.dataset, "fidelity.csv"),
        ceilings=lambda wildcards: DATASETS.committed_files(wildcards.dataset, "ceilings.csv"),
        gpus=BASE / "config/gpus.yaml",
        about=BASE / "resources/measured/{dataset}/about.yaml",
        code=REPORTING,
    output:
        "results/{dataset}/summary.csv",
    log:
        "results/{dataset}/logs/summary.log",
    wildcard_constraints:
        dataset=one_of(DATASETS.committed),
    conda:
        REPORT_ENVIRONMENT
    params:
        baseline=lambda wildcards: DATASETS.baseline(wildcards.dataset),
    message:
        "Summarize the committed dataset {wildcards.dataset}"
    script:
        "../scripts/summary.py"


rule tables:
    """Print the Markdown tables of a dataset, one per GPU and batch size."""
    input:
        summary="results/{dataset}/summary.csv",
        about=lambda wildcards: DATASETS.about_files(wildcards.dataset),
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
        options=lambda wildcards: DATASETS.table_options(wildcards.dataset),
    message:
        "Print the tables: {output.all}"
    script:
        "../scripts/tables.py"


rule figures:
    """Draw the figures of a dataset."""
    input:
        summary="results/{dataset}/summary.csv",
        about=lambda wildcards: DATASETS.about_files(wildcards.dataset),
        catalogues=CATALOGUES,
        code=REPORTING,
    output:
        # the report shows one of the two
        [report(path, **figure_in_report(path)) for path in FILES.figures("{dataset}", "svg")],
        FILES.figures("{dataset}", "png"),
    log:
        "results/{dataset}/logs/figures.log",
    conda:
        REPORT_ENVIRONMENT
    params:
        baseline=lambda wildcards: DATASETS.baseline(wildcards.dataset),
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
            patterns=[FILES.strip_pattern()],
            caption="../../report/strip.rst",
            category="Images",
            labels={"pipeline": "{pipeline}", "GPU": "{gpu}", "batch size": "{batch_size}", "torch": "{torch}"},
        ),
    log:
        RESULTS / "logs" / "strips.log",
    conda:
        REPORT_ENVIRONMENT
    params:
        runs=lambda wildcards: FILES.runs(),
        baseline=PLAN.config["baseline"],
    message:
        "Put the images side by side: {output}"
    script:
        "../scripts/strips.py"


rule so_far:
    """Make tables and figures from the results so far, even while a benchmark is running."""
    log:
        RESULTS / "logs" / "so_far.log",
    conda:
        REPORT_ENVIRONMENT
    params:
        runs=lambda wildcards: FILES.runs(),
        external={kind: FILES.external(kind) for kind in ("rows", "calls", "fidelity", "ceilings")},
        folder=RESULTS / "so_far",
        ceilings=FILES.ceilings(),
        gpus=BASE / "config/gpus.yaml",
        cells=lambda wildcards: PLAN.all_cells().values.tolist(),
        baseline=PLAN.config["baseline"],
        options=PLAN.config["tables"],
        catalogues=CATALOGUES,
    script:
        "../scripts/so_far.py"


rule bundle:
    """Pack the results so far into one archive, which can be unpacked and named as `external` on another machine."""
    log:
        RESULTS / "logs" / "bundle.log",
    conda:
        REPORT_ENVIRONMENT
    params:
        runs=lambda wildcards: FILES.runs(),
        ceilings=FILES.ceilings(),
        environments=[path for torch in PLAN.config["torch"] for path in BUILDS.record(torch)],
        cells=lambda wildcards: PLAN.cells.values.tolist(),
        config=PLAN.config,
        archive=RESULTS / f"{PLAN.config['name']}.zip",
    script:
        "../scripts/bundle.py"


rule published:
    """Make the tables and figures of every published dataset; needs no GPU and measures nothing."""
    input:
        FILES.all_of(DATASETS.published),


rule measured:
    """Make the tables and figures of every committed dataset; needs no GPU and measures nothing."""
    input:
        FILES.all_of(DATASETS.committed),
