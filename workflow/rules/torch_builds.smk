"""
Torch builds: where their environments are, which Python measures, and what a job runs.

MAKES:

    .environments/torch-<name>.<pins>/   the environment, if uv builds it; conda has its own place

Environments are built before the first job, by the process that was started, and only for jobs that are to run. <pins> is a hash of
what the file pins, so that other pins are another folder. Nothing deletes or changes a complete environment: jobs may run in it. Remove
those that you no longer need; one that is needed again is built again, and no run is measured again because of that.
"""

import subprocess
from types import SimpleNamespace

from diffbench.commands.environment import COMPLETE
from diffbench.plan.matrix import PATH, check_installed
from diffbench.catalogue.definition import option
from diffbench.plan.packages import check_packages


@cache
def environment_file(torch):
    """The environment file of a torch build, for conda; none for the Python that runs Snakemake."""
    return None if torch == INSTALLED else environment_path(torch, BASE)


@cache
def environment_folder(torch):
    """The folder of the environment that uv builds."""
    return Path(f".environments/torch-{torch}.{PLAN.pins(torch)}").absolute()


def environment_is_there(torch):
    """Whether uv has built the environment to its end."""
    return (environment_folder(torch) / COMPLETE).is_file()


def environment_record(torch):
    """The file that says what the environment holds; none for the Python that runs Snakemake."""
    return [] if torch == INSTALLED else ENVIRONMENT_RECORD.format(torch=torch, pins=PLAN.pins(torch))


@cache
def python_of(torch):
    """The Python that measures a torch build: the one that conda activates, uv's, or this one."""
    if torch == INSTALLED:
        return sys.executable
    return "python" if CONDA else str(environment_folder(torch) / "bin" / "python")


@cache
def look_command(torch, *arguments):
    """The command that looks at a torch build's environment: what a job does first."""
    if torch == INSTALLED:
        return "true"
    program = [str(BASE / "workflow/scripts/environment.py"), torch, *arguments]
    if CONDA:
        return shlex.join(["python", *program])
    wait_s = workflow.execution_settings.latency_wait if on_cluster() else 0
    folder = str(environment_folder(torch))
    return shlex.join([sys.executable, *program, "--folder", folder, "--wait-s", str(wait_s)])


@cache
def expected_versions(torch, variant=None):
    """What the measuring process of a torch build must find imported: see Plan.expected."""
    return PLAN.expected(torch, variant)


@cache
def cell_command(gpu, torch, pipeline, batch_size, variant, definition):
    """The command of a cell's runs, but for what a round and its allocation add."""
    name, size = split_name(pipeline)
    settings = PLAN.config["measurement"]
    options = {
        "--pipeline": name,
        "--batch-size": batch_size,
        "--size": size,
        "--variant": variant,
        "--gpu": gpu,
        "--torch": torch,
        "--rounds": None if PLAN.config["keep_caches"] else PLAN.config["rounds"],
        "--cache": PLAN.config["cache"],  # of a cell that compiles its definition has it
        # what null stands for depends on where Snakemake is started: no reason to measure again
        "--threads": PLAN.threads(gpu, on_cluster()),
        "--weights": PLAN.config["weights"],
        "--scale": PLAN.config["scale"],
        **{option(key): settings[key] for key in STOPPING},
        "--time-limit-s": settings["time_limit_s"],
        "--memory-limit-mib": settings.get("memory_limit_mib"),
        "--definition": definition,
        "--expect": expected_versions(torch, variant),
    }
    program = [python_of(torch), str(BASE / "workflow/scripts/measure.py")]
    return shlex.join([*program, *(f"{name}={value}" for name, value in options.items())])


def job_of_run(wildcards, output):
    """The job of the run that makes `output`, its run.csv: `message`, `look` (the command that looks at its environment) and
    `command`. What all rounds of a cell share is made once."""
    cell = [wildcards[axis] for axis in PATH if axis != "round"]
    gpu, torch, pipeline, batch_size, variant = cell
    command = cell_command(*cell, PLAN.definition(wildcards))
    return SimpleNamespace(
        message=f"Run {PLAN.number(wildcards)} of {len(PLAN.runs)}: {pipeline}, batch size {batch_size}, {variant}, "
        f"round {wildcards.round}, on {gpu}, torch {torch}, {PLAN.threads(gpu, on_cluster())} CPU thread(s)",
        look=look_command(torch),
        command=f"{command} --round={wildcards.round} --output={shlex.quote(os.path.dirname(output))}",
    )


def build_environment(torch):
    """Build the environment of a torch build with uv. Exits with one line if it cannot be built."""
    log = RESULTS / "logs" / f"build-{torch}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    print(f"Environment of torch {torch}: {environment_folder(torch)}", file=sys.stderr)
    program = [sys.executable, str(BASE / "workflow/scripts/environment.py"), torch, "--make"]
    with open(log, "w", encoding="utf-8") as file:
        result = subprocess.run([*program, "--folder", str(environment_folder(torch))], stdout=file, stderr=file)
    if result.returncode:
        sys.exit(log.read_text(encoding="utf-8").rstrip().rpartition("\n")[2] or f"error: see {log}")


def refuse_missing_torch():
    """Stop before any job if runs of this start need torch in the Python that runs Snakemake, and it has none."""
    measuring = [job for job in workflow.dag.needrun_jobs() if job.rule.name in ("ceiling", "measure")]
    try:
        if any(job.wildcards.torch == INSTALLED for job in measuring):
            check_installed(config["torch"])
    except DiffbenchError as error:
        sys.exit(f"error: {error}")


def refuse_missing_packages():
    """Stop before any job if scripts of this start need a package that the Python that runs Snakemake has not."""
    scripts = [job for job in workflow.dag.needrun_jobs() if job.rule.script]
    try:
        if scripts and not CONDA:
            check_packages(REPORT_ENVIRONMENT)
    except DiffbenchError as error:
        sys.exit(f"error: {error}")


def build_environments():
    """Build with uv the environments that jobs of this start need, before any job: Snakemake has conda do the same.

    An environment is the output of no rule. If it were, jobs would have it as input, and Snakemake runs a job again whose input
    is missing and made again, also if it is `ancient`: who removed an environment would lose all that was measured in it.
    """
    jobs = [
        job
        for job in workflow.dag.needrun_jobs()
        if job.rule.name in ("environment", "ceiling", "measure", "fetch_weights")
    ]
    for torch in sorted({job.wildcards.torch for job in jobs} - {INSTALLED}):
        if not CONDA and not environment_is_there(torch):
            build_environment(torch)
