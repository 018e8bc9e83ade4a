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
    return [environment_record(torch) for torch in builds if torch != INSTALLED]


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
    """What page.py makes a cell's command of: the files of its runs, the arguments of Snakemake, the settings of a run."""
    settings = PLAN.config["measurement"]
    how = {"paths": {}, "arguments": [], "settings": []}
    if dataset == PLAN.config["name"]:
        runs = zip(PLAN.paths.to_dict("records"), run_files("run.csv"))
        for row, path in runs:
            cell = "/".join(str(row[axis]) for axis in ("gpu", "torch", "pipeline", "batch_size", "variant"))
            how["paths"].setdefault(cell, []).append(path)
        files = [str(Path(path).relative_to(Path.cwd())) if Path(path).is_relative_to(Path.cwd()) else str(path) for path in workflow.configfiles]
        own = [path for path in files if path != "config/config.yaml"]
        how["arguments"] = ["--configfile", *own] if own else []
        how["settings"] = [
            part for key in STOPPING for part in (f"--{key.replace('_', '-')}", str(settings[key]))
        ]
    return how
