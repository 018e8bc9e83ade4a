"""
Handlers: the checks and messages before the first job and after the last one. They make no files except environments.
"""

from snakemake.settings.enums import Quietness

from diffbench.plan.start_checks import check_jobs, check_submission, describe_start
from diffbench.terminal.start_and_end import print_tables, show_progress


onstart:
    jobs = list(workflow.dag.needrun_jobs())
    with exit_with_reason():
        if RESOURCES.on_cluster():
            check_submission(config, PLAN, getattr(workflow.executor_settings, "array_jobs", None))
        else:
            # with a limit of jobs per second, Snakemake looks for jobs more and more often while a run is measured
            workflow.scheduler.job_rate_limiter = None
        check_jobs(jobs, config, REPORT_ENVIRONMENT, CONDA)
        if not workflow.remote_exec:
            for line in describe_start(config, PLAN):
                print(line, file=sys.stderr)
        BUILDS.build_missing(jobs, RESULTS / "logs")
    is_quiet = {Quietness.ALL, Quietness.PROGRESS} & set(workflow.output_settings.quiet or ())
    if workflow.is_main_process and not (is_quiet or workflow.output_settings.verbose or workflow.touch):
        display = show_progress(
            logger,
            PLAN,
            workflow.dag,
            lambda run: FILES.run_pattern.format(**run),
            INVOCATION.command("so_far"),
            LEFT_OUT,
        )
    else:
        display = None
    if ENDING:
        ENDING.attach(display, at_once=workflow.execution_settings.keep_going)


onsuccess:
    print_tables(RESULTS, STARTED, LEFT_OUT)
