"""The datasets of a start of Snakemake: the config's own, the published and the committed ones, and how each is reported.

A published or committed dataset is reported with settings from its own files, so that another config does not make its
tables, figures and page again.
"""

from pathlib import Path

from diffbench.catalogue.datasets import find_datasets
from diffbench.catalogue.sources import ROOT
from diffbench.catalogue.yaml_file import read_yaml
from diffbench.vocabulary.errors import DiffbenchError


class Datasets:
    """`own`: the config's name; `published` and `committed`: the names of those that come with the project.

    Raises DiffbenchError if the config has the name of one of those.
    """

    def __init__(self, plan, root=ROOT):
        self.plan, self.folder = plan, Path(root) / "resources"
        self.published, self.committed = find_datasets(root)
        self.own = plan.config["name"]
        if self.own in [*self.published, *self.committed]:
            raise DiffbenchError(
                f"config: name: found {self.own!r}, the name of a published or committed dataset; choose another"
            )

    def about_files(self, dataset):
        """The file that describes the source of a published or committed dataset; none for the config's own."""
        if dataset in self.published:
            return [self.folder / "published" / f"{dataset}.yaml"]
        return [self.folder / "measured" / dataset / "about.yaml"] if dataset in self.committed else []

    def committed_files(self, dataset, name):
        """The file of this name of a committed dataset, if it has one."""
        path = self.folder / "measured" / dataset / name
        return [path] if dataset in self.committed and path.is_file() else []

    def baseline(self, dataset):
        """The baseline of a dataset's speed-ups."""
        about = self.about_files(dataset)
        return read_yaml(about[0])["baseline"] if about else self.plan.config["baseline"]

    def table_options(self, dataset):
        """The config's options of tables. Its `columns` name its own matrix, so they apply to its own dataset only."""
        options = self.plan.config["tables"]
        return {key: value for key, value in options.items() if key != "columns" or dataset == self.own}

    def documented(self, named):
        """The names in `named` that are datasets: published ones, committed ones, the config's own."""
        return [name for name in [*self.published, *self.committed, self.own] if name in named]
