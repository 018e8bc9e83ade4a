"""
What Snakemake's report (`snakemake --report`) shows: figures, strips and the pages of html.smk, with their labels.

Makes no file. Captions are report/<name>.rst.
"""


def html_folders(dataset):
    """The folders of a dataset's HTML pages, which Snakemake's report shows."""
    return [f"results/{dataset}/html/{kind}" for kind in ("tables", "environments")]


def environment_records(dataset):
    """The records of the environments that the config's own dataset is measured in; none of another dataset's are there."""
    builds = PLAN.cells["torch"].unique() if dataset == PLAN.config["name"] else []
    return [environment_record(torch) for torch in builds if torch != INSTALLED and has_record(torch)]


def has_record(torch):
    """Whether the record of an environment is there or worth making: an environment that somebody removed is not built for it alone,
    but other pins than those recorded will be measured."""
    records = list(Path(environment_record(torch)).parent.glob(f"torch-{torch}.{'[0-9a-f]' * 12}.txt"))
    runs = [path for path in run_files("run.csv") if f"/torch~{torch}/" in path]
    return bool(CONDA or records or environment_is_there(torch) or not all(Path(path).is_file() for path in runs))


def reported_figure(path):
    """A figure's file, marked for Snakemake's report if it is the SVG: one of the two is enough there."""
    if not path.endswith(".svg"):
        return path
    name = Path(path).stem
    labels = {"figure": name, "GPU": "all", "batch size": "all", "dataset": "{dataset}"}
    return report(path, caption=f"../../report/{name}.rst", category="Figures", labels=labels)


def strip_pattern():
    """The names of the strips: GPU, torch, pipeline and batch size are told apart by what the plan has, for each may hold a `-`."""
    cells = PLAN.all_cells()
    known = {name: "|".join(map(re.escape, cells[name].unique())) for name in ("gpu", "torch")}
    return f"{{gpu,{known['gpu']}}}-{{torch,{known['torch']}}}-{{pipeline}}-batch-{{batch_size,[0-9]+}}.png"


def page_files(dataset, kind):
    """The rows, calls or strips that a dataset's page shows; none of a published one."""
    if dataset in PUBLISHED:
        return []
    names = {"rows": "measurements.csv", "calls": "calls.csv"}
    if dataset in MEASURED:
        return committed_files(dataset, names[kind]) if kind in names else []
    return [RESULTS / names.get(kind, kind)]


def measured_again(dataset):
    """What page.py makes a cell's command of: the pattern of its runs' files, the cells that have such runs (None: all), how many
    rounds (0: as many as were measured), the arguments of Snakemake, the settings of a run where Snakemake has none, and whether the
    command sets `threads`.
    """
    how = {"pattern": "", "cells": None, "rounds": 0, "arguments": [], "settings": [], "threads": dataset in MEASURED}
    if dataset in MEASURED:
        files = [path for path in committed_files(dataset, "config.yaml")]
        names = [read_yaml(path)["name"] for path in files]
    elif dataset == PLAN.config["name"]:
        files = [Path(path) for path in workflow.configfiles if Path(path).resolve() != BASE / "config/config.yaml"]
        names = [PLAN.config["name"]]
        axes = ("gpu", "torch", "pipeline", "batch_size", "variant")
        how["cells"] = ["/".join(map(str, cell)) for cell in PLAN.paths[[*axes]].drop_duplicates().values.tolist()]
        how["rounds"] = PLAN.config["rounds"]
        settings = [(f"--{key.replace('_', '-')}", str(SETTINGS[key])) for key in STOPPING]
        settings += [("--cache", PLAN.config["cache"])] * (PLAN.config["cache"] != SHARED)
        how["settings"] = [part for pair in settings for part in pair]
    else:
        return how
    paths = [str(path.relative_to(BASE)) if path.is_relative_to(BASE) else str(path) for path in files]
    how["arguments"] = ["--configfile", *paths] if paths else []
    how["pattern"] = f"results/{names[0]}/runs/{RUNS.wildcard_pattern}/run.csv" if names else ""
    return how
