"""The content of a marked section: a table (extended or not), all tables, a figure, one cell of a dataset, its catalogue, the
dataset next to a published one, the duration of its runs, or a table of columns, statuses or mechanisms."""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

import pandas as pd

from diffbench.catalogue.labels import Labels, escape, label_of
from diffbench.data.errors import ReportError
from diffbench.data.rows import records
from diffbench.data.sizes import unsized
from diffbench.data.types import AnyPath, Row
from diffbench.tables.cell_text import merge_stages, print_stage
from diffbench.tables.comparison import NOTHING, render_comparison
from diffbench.tables.extended import build_extended
from diffbench.tables.formats import Table, to_markdown
from diffbench.tables.minutes import build_minutes, read_minutes
from diffbench.tables.notes import provenance_of
from diffbench.tables.support import build_catalogue
from diffbench.tables.tables import build_table, print_speedup, render_tables, table_keys
from diffbench.vocabulary.columns import TABLES
from diffbench.vocabulary.errors import find_near
from diffbench.vocabulary.sizes import NATIVE
from diffbench.vocabulary.statuses import OUTSIDE

from .markers import Marker
from .mechanism_tables import COLUMNS, render_mechanisms
from .vocabulary_tables import render_columns, render_statuses

OPTIONS = {  # kind: (options it needs, options it may have)
    "table": ({"dataset", "gpu", "batch_size"}, {"heading"}),
    "extended": ({"dataset", "gpu", "batch_size"}, {"heading"}),
    "tables": ({"dataset"}, set()),
    "figure": ({"dataset", "name"}, set()),
    "catalogue": ({"dataset"}, set()),
    "comparison": ({"dataset", "with"}, {"gpu", "torch", "batch_size"}),
    "minutes": ({"dataset"}, set()),
    "columns": ({"table"}, set()),
    "statuses": (set(), set()),
    "mechanisms": ({"show"}, set()),
    "cell": ({"dataset", "gpu", "batch_size", "pipeline", "torch", "variant"}, {"size", "stage", "show"}),
}
CELL_TEXTS: dict[str, Callable[[Row], str]] = {"rate": print_stage, "speedup": print_speedup}


def nearest(value: str, known: Sequence[str], what: str) -> str:
    """The `value`. Raises ReportError, which lists `known`, if it is not among them."""
    if value not in known:
        near = find_near(value, known)
        hint = f"did you mean {near!r}? " if near else ""
        raise ReportError(f"unknown {what} {value!r}; {hint}known are: {', '.join(known)}")
    return value


def check_options(marker: Marker) -> None:
    """Raises ReportError if an option is missing or unknown."""
    needed, allowed = OPTIONS[marker.kind]
    missing, unknown = needed - set(marker.options), set(marker.options) - needed - allowed
    if missing:
        raise ReportError(f"{marker.kind} lacks the option {', '.join(sorted(missing))}; add it")
    if unknown:
        raise ReportError(
            f"{marker.kind} has no option {', '.join(sorted(unknown))}; expected {', '.join(needed | allowed)}"
        )


class Dataset(NamedTuple):
    """A dataset that documents show: its summary and its labels, with its source if it has one."""

    summary: pd.DataFrame
    labels: Labels


class Renderer:
    """Renders markers. By the name of a dataset: `datasets`, the folders of their `figures`, and their minutes.csv (`minutes`),
    if any."""

    def __init__(
        self,
        datasets: Mapping[str, Dataset],
        figures: Mapping[str, AnyPath],
        minutes: Mapping[str, AnyPath] | None = None,
    ) -> None:
        self.datasets, self.figures, self.minutes_files = datasets, figures, minutes or {}

    def __call__(self, marker: Marker) -> str:
        check_options(marker)
        if marker.kind == "columns":
            return render_columns(nearest(marker.options["table"], list(TABLES), "table"))
        if marker.kind == "statuses":
            return render_statuses()
        if marker.kind == "mechanisms":
            return render_mechanisms(nearest(marker.options["show"], list(COLUMNS), "show"))
        name = nearest(marker.options["dataset"], list(self.datasets), "dataset")
        return getattr(self, marker.kind)(marker, *self.datasets[name])

    def gpu(self, marker: Marker, summary: pd.DataFrame, labels: Labels) -> str:
        """The GPU's name, from its name or its label."""
        names = list(summary["gpu"].unique())
        by_label = {label_of(labels, "gpus", name): name for name in names}
        return nearest(by_label.get(marker.options["gpu"], marker.options["gpu"]), names, "gpu")

    def batch_size(self, marker: Marker, summary: pd.DataFrame) -> int:
        sizes = [str(size) for size in summary["batch_size"].unique()]
        return int(nearest(marker.options["batch_size"], sizes, "batch size"))

    def table(
        self, marker: Marker, summary: pd.DataFrame, labels: Labels, build: Callable[..., Table] = build_table
    ) -> str:
        key = (self.gpu(marker, summary, labels), self.batch_size(marker, summary))
        if key not in table_keys(summary):
            raise ReportError(f"the dataset has no table of {key[0]} at batch size {key[1]}")
        text = to_markdown(build(summary, *key, labels))
        return text if marker.options.get("heading", "yes") == "yes" else text.split("\n", 2)[2]

    def extended(self, marker: Marker, summary: pd.DataFrame, labels: Labels) -> str:
        """The table with everything that is known about a cell."""
        return self.table(marker, summary, labels, build_extended)

    def tables(self, marker: Marker, summary: pd.DataFrame, labels: Labels) -> str:
        return "\n".join(render_tables(summary, labels).values())

    def catalogue(self, marker: Marker, summary: pd.DataFrame, labels: Labels) -> str:
        return "\n".join(map(to_markdown, build_catalogue(summary, labels)))

    def comparison(self, marker: Marker, summary: pd.DataFrame, labels: Labels) -> str:
        """The dataset's numbers next to a published one's, with their ratio; `gpu`, `torch` and `batch_size` select in that."""
        published, theirs = self.datasets[nearest(marker.options["with"], list(self.datasets), "dataset")]
        chosen = published
        if "gpu" in marker.options:
            chosen = chosen[chosen["gpu"] == self.gpu(marker, published, theirs)]
        if "torch" in marker.options:
            chosen = chosen[
                chosen["torch"] == nearest(marker.options["torch"], list(published["torch"].unique()), "torch")
            ]
        if "batch_size" in marker.options:
            chosen = chosen[chosen["batch_size"] == self.batch_size(marker, published)]
        text = render_comparison(chosen, summary, labels, theirs.get("source", marker.options["with"]))
        if not text:
            raise ReportError(f"{NOTHING[0].lower()}{NOTHING[1:-1]}; choose another dataset, gpu, torch or batch_size")
        return text

    def minutes(self, marker: Marker, summary: pd.DataFrame, labels: Labels) -> str:
        """The time that each phase of its runs took."""
        name = marker.options["dataset"]
        if name not in self.minutes_files:
            raise ReportError(f"the dataset {name} has no minutes.csv; choose one that a session on a GPU measured")
        return to_markdown(build_minutes(read_minutes(self.minutes_files[name]), labels)).split("\n", 2)[2]

    def figure(self, marker: Marker, summary: pd.DataFrame, labels: Labels) -> str:
        """An image link, relative to the document, with a description as alternative text."""
        folder = Path(self.figures[marker.options["dataset"]])
        name = nearest(marker.options["name"], sorted(path.stem for path in folder.glob("*.svg")), "figure")
        link = quote(os.path.relpath(folder / f"{name}.svg", Path(marker.path).resolve().parent))
        measured = summary[summary["device_name"].astype(bool)]
        origin = provenance_of(measured) if len(measured) else f"Dataset {marker.options['dataset']}."
        return f"![{escape(name.replace('-', ' '))}. {escape(origin)}]({link})"

    def cell(self, marker: Marker, summary: pd.DataFrame, labels: Labels) -> str:
        """One number inside a sentence, as it prints in the table: the rate, or with `show=speedup` the speed-up."""
        summary, options = unsized(summary), {"size": NATIVE, **marker.options}
        part = summary[(summary["gpu"] == self.gpu(marker, summary, labels))]
        part = part[part["batch_size"] == self.batch_size(marker, summary)]
        for axis in ("pipeline", "size", "torch", "variant"):
            nearest(options[axis], list(summary[axis].unique()), axis)
            part = part[part[axis] == options[axis]]
        if "stage" in options:
            part = part[part["stage"].astype(str) == options["stage"]]
        if part.empty:
            raise ReportError(f"the dataset has no such cell (its table prints '{OUTSIDE}')")
        show = CELL_TEXTS[nearest(options.get("show", "rate"), list(CELL_TEXTS), "show")]
        return " / ".join(merge_stages([show(row) for row in records(part)]))
