"""The files below results/ for a start of Snakemake: runs, ceilings, figures and pages, and the files of other machines."""

import re
from functools import cache
from pathlib import Path

FIGURE_NAMES = (
    "speedup",
    "speedup-by-gpu",
    "rates",
    "speedup-by-batch-size",
    "heatmap",
    "throughput",
    "breakeven",
    "roofline",
)
FIGURE_KINDS = ("svg", "png")
PAGE_INPUTS = {"rows": "measurements.csv", "calls": "calls.csv", "strips": "strips"}  # of the config's own dataset
COMMITTED_INPUTS = ("rows", "calls")  # those that a committed dataset has, too
REPORTING_FOLDERS = (  # of the package: the code that determines the content of tables, figures and pages
    *("vocabulary", "libraries", "mechanisms", "catalogue"),
    *("data", "statistics", "tables", "figures", "page", "documents"),
)


class ResultFiles:
    """The files of a Plan and its Datasets; `runs`: the Paramspace of the plan's paths.

    `folder` is that of the config's own dataset. A `…_pattern` has Snakemake's wildcards.
    """

    def __init__(self, plan, datasets, runs):
        self.plan, self.datasets, self.paramspace = plan, datasets, runs
        self.folder = Path("results") / plan.config["name"]
        self.run_pattern = f"{self.folder}/runs/{runs.wildcard_pattern}/run.csv"
        self.ceiling_pattern = self.folder / "ceilings/gpu~{gpu}/torch~{torch}.csv"
        self.record_pattern = str(self.folder / "environments/torch-{torch}.{pins}.txt")
        self.fetched_pattern = self.folder / "weights/torch~{torch}"
        self.runs = cache(self.runs)

    def runs(self):
        """The run.csv of every run of the matrix, in the order of its cells and rounds.

        Rules call this only when a job of theirs is planned: a job on a cluster reads the rules too, but does not need the
        other runs.
        """
        return [f"{self.folder}/runs/{instance}/run.csv" for instance in self.paramspace.instance_patterns]

    def external(self, kind):
        """The files of one kind (`rows`, `calls`, `fidelity`, `ceilings`) that other machines have sent."""
        files = [getattr(source, kind) for source in self.plan.sources]
        return files if kind == "rows" else list(dict.fromkeys(path for paths in files for path in paths))

    def ceilings(self):
        """The ceilings of every device and torch build of the matrix."""
        pairs = self.plan.cells[["gpu", "torch"]].drop_duplicates()
        pattern = str(self.ceiling_pattern)
        return [pattern.format(gpu=gpu, torch=torch) for gpu, torch in pairs.itertuples(index=False)]

    def fetched(self):
        """The flag files that mark the hub's files as fetched, for every torch build of the config."""
        return [str(self.fetched_pattern).format(torch=torch) for torch in self.plan.config["torch"]]

    def figures(self, dataset, *kinds):
        """The files of every figure of a dataset in these kinds, `svg` or `png`; in all kinds if none is given."""
        return [f"results/{dataset}/figures/{name}.{kind}" for name in FIGURE_NAMES for kind in kinds or FIGURE_KINDS]

    def html_folders(self, dataset):
        """The folders of a dataset's HTML pages, which Snakemake's report shows."""
        return [f"results/{dataset}/html/{kind}" for kind in ("tables", "environments")]

    def all_of(self, datasets):
        """Tables, page and figures of published or committed datasets."""
        return [
            path
            for name in datasets
            for path in (
                f"results/{name}/tables.md",
                f"results/{name}/index.html",
                *self.html_folders(name),
                *self.figures(name),
            )
        ]

    def page_inputs(self, dataset, kind):
        """The `rows`, `calls` or `strips` that a dataset's page shows, if it has them: a published one has none."""
        if dataset in self.datasets.published:
            return []
        if dataset in self.datasets.committed:
            return self.datasets.committed_files(dataset, PAGE_INPUTS[kind]) if kind in COMMITTED_INPUTS else []
        return [self.folder / PAGE_INPUTS[kind]]

    def strip_pattern(self):
        """The name of a strip. The GPU and the torch build are those of the plan, because a name may contain a `-`."""
        cells = self.plan.all_cells()
        gpus, builds = (one_of(cells[name].unique()) for name in ("gpu", "torch"))
        return f"{{gpu,{gpus}}}-{{torch,{builds}}}-{{pipeline}}-batch-{{batch_size,[0-9]+}}.png"


def one_of(names):
    """A regular expression that matches these names and nothing else."""
    return "|".join(map(re.escape, names)) or "(?!)"


def reporting_code(root):
    """The files of the code that makes tables, figures and pages: the scripts of rules, and the folders that they import."""
    scripts = Path(root) / "workflow/scripts"
    folders = [path for folder in REPORTING_FOLDERS for path in sorted((scripts / "diffbench" / folder).rglob("*.py"))]
    return [*sorted(scripts.glob("*.py")), *folders]


def figure_in_report(path):
    """How Snakemake's report shows a figure: the arguments of `report()`."""
    name = Path(path).stem
    return {
        "caption": f"../../report/{name}.rst",
        "category": "Figures",
        "labels": {"figure": name, "GPU": "all", "batch size": "all", "dataset": "{dataset}"},
    }
