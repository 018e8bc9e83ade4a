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
