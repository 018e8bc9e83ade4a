"""The cells of a summary, the names that tables, figures and pages print for them, and the sentences about their origin."""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import pandas as pd

from diffbench.catalogue.labels import Labels, label_of, notes_on, torch_label
from diffbench.data.rows import is_number, records, tuples
from diffbench.data.types import Baseline, Row
from diffbench.statistics.build_differences import differences_of
from diffbench.vocabulary.statuses import OPEN, SYMBOLS

from .cell_text import print_stage
from .column_names import Names
from .keys import Column, Group
from .notes import SCALES

ALL = 0  # instead of a stage's number: all stages, one after the other


def print_rate(rate: float) -> str:
    """Three significant digits or so: 0.43, 1.55, 21.7, 176."""
    return f"{rate:.3g}" if rate < 1 else f"{rate:.{max(0, 3 - len(str(int(rate))))}f}"


def print_failure(row: Row) -> str:
    """What is printed instead of a row's number: `OOM after warmup`, `compile error`, `timeout`."""
    text = print_stage(row) if row["status"] != "ok" else "no number"
    for sign, words in SYMBOLS.items():  # a font may lack the sign, and next to a bar it is lost
        text = text.replace(sign, words)
    return text


def joined(names: Iterable[str]) -> str:
    """`A100, V100 and T4`."""
    names = list(dict.fromkeys(names))
    return " and ".join([", ".join(names[:-1])] * (len(names) > 1) + names[-1:])


def name_baseline(baseline: Baseline, labels: Labels) -> str:
    """`no compile` for {variant: eager}; `torch 2.0, no compile` for {torch: "2.0", variant: eager}."""
    parts = [f"torch {baseline['torch']}"] if "torch" in baseline else []
    if "variant" in baseline:
        parts.append(label_of(labels, "variants", baseline["variant"]))
    return ", ".join(parts)


class Cells:
    """The rows of a summary by (gpu, batch_size, pipeline, stage) and (torch, variant), and the names they are shown by."""

    def __init__(self, summary: pd.DataFrame, labels: Labels) -> None:
        self.summary, self.labels = summary, labels
        self.indices: dict[tuple[str, ...], dict[tuple[Any, ...], list[int]]] = {}  # see `places`
        self.names, self.builds = Names(summary, labels), set(summary["torch"])
        self.rows: dict[tuple[Any, ...], Row] = {}  # by GPU, batch size, pipeline, stage, torch build and variant
        self.stages: dict[tuple[Any, ...], set[int]] = {}
        for row in records(summary):
            place = row["gpu"], row["batch_size"], row["pipeline"]
            self.rows[(*place, row["stage"], row["torch"], row["variant"])] = row
            self.stages.setdefault(place, set()).add(row["stage"])
        self.staged = self.names.staged

    def places(self, keys: Mapping[str, Any]) -> list[int]:
        """The places in the summary of the rows that have `keys`."""
        names = tuple(keys)
        if names not in self.indices:
            self.indices[names] = {}
            for place, values in enumerate(tuples(self.summary[list(names)])):
                self.indices[names].setdefault(values, []).append(place)
        return self.indices[names].get(tuple(keys.values()), []) if keys else list(range(len(self.summary)))

    def part(self, **keys: Any) -> pd.DataFrame:
        """The rows of the summary that have `keys`."""
        return self.summary.iloc[self.places(keys)]

    def unique(self, column: str, **keys: Any) -> list[Any]:
        """The different values of a column in their order, of the rows that have `keys`."""
        return list(self.summary[column].iloc[self.places(keys)].unique())

    def groups(self, **keys: Any) -> list[Group]:
        """The Groups of the rows that have `keys`, in the dataset's order."""
        stages: dict[str, set[int]] = {}
        for pipeline, stage in tuples(self.summary[["pipeline", "stage"]].iloc[self.places(keys)]):
            stages.setdefault(pipeline, set()).add(stage)
        return [Group(pipeline, stage) for pipeline, of_pipeline in stages.items() for stage in sorted(of_pipeline)]

    def get(self, gpu: str, batch_size: int, group: Group, column: Column) -> Row | None:
        """The row of a cell's stage; the row of its first stage if the whole cell failed; None outside the matrix."""
        place = gpu, batch_size, group.pipeline
        row = self.rows.get((*place, group.stage, *column))
        if row is None and group.stage in self.stages.get(place, ()):
            row = self.rows.get((*place, 1, *column))
            return None if row is None or is_number(row["iterations_per_second"]) else row
        return row

    def name_gpu(self, gpu: str) -> str:
        names = [name for name in self.unique("device_name", gpu=gpu) if isinstance(name, str) and name]
        return label_of(self.labels, "gpus", gpu, next(iter(names), None))

    def name_group(self, group: Group) -> str:
        name = label_of(self.labels, "pipelines", group.pipeline)
        if group.pipeline not in self.staged:
            return name
        return f"{name}, all stages" if group.stage == ALL else f"{name}, stage {group.stage}"

    def name_column(self, column: Column) -> str:
        name = label_of(self.labels, "variants", column.variant)
        return f"torch {self.names.torch(column.torch)}, {name}" if len(self.builds) > 1 else name

    def newest_torch(self, variant: str) -> str:
        """The build with the highest release that has rows of `variant`; nightly counts as the newest."""
        builds = self.unique("torch", variant=variant)

        def release(torch: str) -> list[int]:
            return [int(digits) for digits in re.findall(r"\d+", self.names.torch(torch))[:3]]

        return str(max(reversed(builds), key=lambda torch: ("nightly" in torch, release(torch))))


def describe_origin(rows: pd.DataFrame, cells: Cells) -> list[str]:
    """Sentences for the caption: devices, releases, precision, scale, weights and dates of `rows`, which variants were not
    verified, and the pipelines' notes."""
    rows = rows[rows["status"] != OPEN.name]
    if not len(rows):
        return ["Nothing here has been measured yet."]

    def values(column: str, of: pd.DataFrame = rows) -> list[str]:
        texts = [value for value in of[column] if isinstance(value, str)] if column in of else []
        return list(dict.fromkeys(part for text in texts for part in text.split("; ") if part))

    def named(column: str, identity: str, name: Callable[[str], str]) -> str:
        """The values of a column, and the printed names of the identities that have none."""
        names = {key: values(column, part) or [name(str(key))] for key, part in rows.groupby(identity, sort=False)}
        return joined(value for several in names.values() for value in several)

    device = "Device: " + named("device_name", "gpu", cells.name_gpu)
    threads = f" ({joined(values('threads'))} CPU threads)" if values("threads") else ""
    releases = ["torch " + named("torch_version", "torch", lambda torch: torch_label(rows, torch))]
    releases += [f"Diffusers {joined(values('diffusers_version'))}"] if values("diffusers_version") else []
    releases += [joined(values("dtype"))] if values("dtype") else []
    kinds = [joined(SCALES.get(scale, scale) for scale in values("scale"))] if values("scale") else []
    kinds += [f"{joined(values('weights'))} weights"] if values("weights") else []
    dates = sorted(values("measured_on"))
    dated = ["measured " + " to ".join(dict.fromkeys([dates[0], dates[-1]]))] if dates else []
    origin = "; ".join([device + threads, ", ".join(releases), *([" with ".join(kinds)] if kinds else []), *dated])
    notes = [
        describe_unverified(rows, cells),
        *differences_of(rows),
        *(note_of(str(name), part, cells.labels) for name, part in rows.groupby("pipeline", sort=False)),
    ]
    return [origin + ".", *dict.fromkeys(filter(None, notes))]


def describe_unverified(rows: pd.DataFrame, cells: Cells) -> str | None:
    """A sentence that names the variants with a number whose evidence is incomplete; None without any."""
    variants = rows.loc[(rows["status"] == "ok") & rows["unverified"].astype(bool), "variant"].unique()
    names = joined(label_of(cells.labels, "variants", variant) for variant in variants)
    return f"Not verified (the tables give the reason): {names}." if names else None


def note_of(pipeline: str, rows: pd.DataFrame, labels: Labels) -> str | None:
    """The meaning of the marks on a published page's rows, else the catalogue's note on the pipeline, else None."""
    meanings = labels.get("marks", {})
    marks = [mark for mark in rows["mark"].unique() if mark in meanings] if "mark" in rows else []
    if marks:
        return f"{label_of(labels, 'pipelines', pipeline)}: {' '.join(meanings[mark] for mark in marks)}"
    return next(iter(notes_on(labels, [pipeline])), None)
