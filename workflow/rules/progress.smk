"""
Progress: what is printed while jobs run, instead of Snakemake's block for each. Makes no file.
"""

from snakemake.settings.enums import Quietness

from diffbench.terminal import job_lines
from diffbench.terminal.progress import Progress


def run_path(run):
    """The file that a run's rows are in; `run`: its wildcards."""
    return f"{RESULTS}/runs/{RUNS.wildcard_pattern.format(**run)}/run.csv"


def describe_table(measuring, total):
    """What a reader of the table must know."""
    baseline = ", ".join(f"{axis} {value}" for axis, value in PLAN.config["baseline"].items())
    done = f"{total - measuring} of {total} runs are measured already" if measuring < total else f"{total} runs"
    return [
        *describe_left_out(),
        f"{done}. Speed-ups are over the baseline ({baseline}) in the same round; images are compared at the end.",
        f"Tables of what is measured so far: {own_command('so_far')}",
    ]


def show_progress():
    """Print a row for each run that ends, and a line for each other job; nothing for who asked Snakemake to be quiet."""
    shown = None
    quiet = {Quietness.ALL, Quietness.PROGRESS} & set(workflow.output_settings.quiet or ())
    if not (quiet or workflow.output_settings.verbose or workflow.touch) and workflow.is_main_process:
        needed = [dict(job.wildcards.items()) for job in workflow.dag.needrun_jobs() if job.rule.name == "measure"]
        total = sum(job.rule.name == "measure" for job in workflow.dag.jobs)
        progress = Progress(PLAN.config, needed, total - len(needed), run_path, time.monotonic()) if needed else None
        shown = job_lines.show(logger, progress, describe_table(len(needed), total) if needed else [])
    if ENDING:
        ENDING.attach(shown, at_once=workflow.execution_settings.keep_going)
