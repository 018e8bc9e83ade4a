"""
Reporting: from the runs' rows to tables and figures.

REQUIRES:

    results/<name>/runs/…/run.csv

MAKES:

    results/<name>/measurements.csv   every row of every run
    results/<name>/summary.csv        one row a cell and stage: median over rounds, speed-up against the baseline
    results/<name>/tables/*.md        one table a GPU and batch size; tables.md has all of them
    results/<name>/figures/           speed-up of each pipeline by variant, SVG and PNG
    results/<name>/so_far/            the same, of what has been measured so far
"""

REPORT_ENVIRONMENT = str(Path(workflow.basedir) / "envs" / "report.yaml")


rule measurements:
    """Put the rows of all runs into one file."""
    input:
        run_files("run.csv"),
    output:
        RESULTS / "measurements.csv",
    log:
        RESULTS / "logs" / "measurements.log",
    conda:
        REPORT_ENVIRONMENT
    script:
        "../scripts/collect.py"


CATALOGUES = [Path(workflow.basedir) / "config" / f"{kind}.yaml" for kind in ("gpus", "pipelines", "variants")]
TABLES = [
    RESULTS / "tables" / f"{gpu}-batch-{batch_size}.md"
    for gpu, batch_size in PLAN.cells[["gpu", "batch_size"]].drop_duplicates().itertuples(index=False)
]


rule summary:
    """Take the median over the rounds of each cell, and its speed-up."""
    input:
        rules.measurements.output,
    output:
        RESULTS / "summary.csv",
    log:
        RESULTS / "logs" / "summary.log",
    conda:
        REPORT_ENVIRONMENT
    params:
        cells=PLAN.cells[CELL].values.tolist(),
        baseline=PLAN.config["baseline"],
    script:
        "../scripts/summarize.py"


rule tables:
    """Print the Markdown tables, one a GPU and batch size."""
    input:
        summary=rules.summary.output[0],
        catalogues=CATALOGUES,
    output:
        TABLES,
        all=RESULTS / "tables.md",
    log:
        RESULTS / "logs" / "tables.log",
    conda:
        REPORT_ENVIRONMENT
    script:
        "../scripts/tabulate_summary.py"


rule figures:
    """Draw the speed-up of each pipeline by variant."""
    input:
        summary=rules.summary.output[0],
        catalogues=CATALOGUES,
    output:
        multiext(str(RESULTS / "figures" / "speedup"), ".svg", ".png"),
    log:
        RESULTS / "logs" / "figures.log",
    conda:
        REPORT_ENVIRONMENT
    params:
        baseline=PLAN.config["baseline"],
    script:
        "../scripts/draw.py"


rule so_far:
    """Make tables and figures of what has been measured so far, beside a running benchmark if need be."""
    log:
        RESULTS / "logs" / "so_far.log",
    conda:
        REPORT_ENVIRONMENT
    params:
        runs=run_files("run.csv"),
        folder=RESULTS / "so_far",
        cells=PLAN.cells.values.tolist(),
        baseline=PLAN.config["baseline"],
        catalogues=CATALOGUES,
    script:
        "../scripts/so_far.py"
