"""How to measure the cells of a dataset again, according to the plan and the config files of this start of Snakemake."""

from pathlib import Path

from diffbench.catalogue.definition import STOPPING, command_line_option
from diffbench.catalogue.yaml_file import read_yaml
from diffbench.data.remeasuring import CELL_OF_RUNS, Remeasurement
from diffbench.system.compiler_caches import SHARED


def remeasurement_of(dataset, plan, datasets, run_pattern, configfiles):
    """The Remeasurement of a dataset. That of a committed one comes from its config.yaml, if it has one; a published one has no
    runs. `run_pattern`: of a run's path below results/<name>/runs/; `configfiles`: those of this start."""
    root = plan.root
    if dataset in datasets.committed:
        files = datasets.committed_files(dataset, "config.yaml")
        pattern = f"results/{read_yaml(files[0])['name']}/runs/{run_pattern}/run.csv" if files else ""
        return Remeasurement(pattern, snakemake_arguments=as_options(files, root), sets_threads=True)
    if dataset != plan.config["name"]:
        return Remeasurement()
    config, settings = plan.config, plan.config["measurement"]
    files = [Path(path) for path in configfiles if Path(path).resolve() != Path(root) / "config/config.yaml"]
    options = [part for key in STOPPING for part in (command_line_option(key), str(settings[key]))]
    options += ["--cache", config["cache"]] * (config["cache"] != SHARED)
    return Remeasurement(
        run_pattern=f"results/{dataset}/runs/{run_pattern}/run.csv",
        cells=["/".join(map(str, cell)) for cell in plan.paths[CELL_OF_RUNS].drop_duplicates().values.tolist()],
        rounds=config["rounds"],
        snakemake_arguments=as_options(files, root),
        measure_arguments=tuple(options),
    )


def as_options(files, root):
    """`--configfile` and these files, relative to the project's folder if they are in it."""
    paths = [str(path.relative_to(root)) if path.is_relative_to(root) else str(path) for path in files]
    return ("--configfile", *paths) if paths else ()
