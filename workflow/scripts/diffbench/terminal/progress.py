"""The progress of a measurement, for the user: a row per finished run, the time so far, and an estimate of the time left.

A run is a dictionary of its wildcards, all of them text: gpu, torch, pipeline (named at its size), batch_size, variant, round.
Times are in seconds of one clock that never goes back.
"""

import csv
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from diffbench.catalogue.definition import entry, recipe_of
from diffbench.catalogue.sources import ROOT
from diffbench.data.types import AnyPath, Baseline
from diffbench.vocabulary.columns import CELL
from diffbench.vocabulary.sizes import name_at, split_name

from .estimate import SHOWN, Estimate, Run, RunKey, key_of, kind_of

Counts = tuple[str, str, str]  # runs done, time since the start, time left
ALWAYS = ("pipeline", "batch_size", "variant", "round")  # the others have a column only if their values differ
NUMBERS = ("batch_size", "round")  # aligned to the right


def baseline_run(run: Run, baseline: Baseline) -> Run:
    """The baseline's run of the same round; `baseline`: {axis: value} as in the config."""
    pipeline, size = split_name(run["pipeline"])
    cell = {
        **run,
        "pipeline": pipeline,
        "size": size,
        **{axis: str(baseline[axis]) for axis in CELL if axis in baseline},
    }
    return {**{axis: cell[axis] for axis in SHOWN}, "pipeline": name_at(cell["pipeline"], cell["size"])}


def clock(seconds: float) -> str:
    """`0:07`, `12:30`, `1:02:03`."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def read_rows(path: AnyPath) -> dict[str, Run]:
    """The rows of a run.csv by their stage, values as text; none if it cannot be read."""
    try:
        with open(path, encoding="utf-8", newline="") as file:
            return {row["stage"]: row for row in csv.DictReader(file)}
    except (OSError, KeyError):
        return {}


def ratio(row: Mapping[str, str], base: Mapping[str, str]) -> str:
    """`1.52x`, of iterations per second; `12.10x per image` if step counts differ; empty if one has no rate."""
    same = row.get("iterations") == base.get("iterations")
    column = "iterations_per_second" if same else "images_per_second"
    rate, base_rate = row.get(column), base.get(column)
    if not rate or not base_rate:
        return ""
    return f"{float(rate) / float(base_rate):.2f}x" + " per image" * (not same)


def stage_label(pipeline: str, stage: str | int, stages: int) -> str:
    """`if, stage 2`, or only the pipeline's name if it has one stage."""
    return f"{pipeline}, stage {stage}" if stages > 1 else pipeline


class Progress:
    """The rows of the table, and the current runs."""

    def __init__(
        self,
        config: Mapping[str, Any],
        runs: Sequence[Run],
        measured: int,
        path_of: Callable[[Run], AnyPath],
        now: float,
        root: AnyPath = ROOT,
    ) -> None:
        """`config`: resolved; `runs`: those to measure; `measured`: how many are measured already; `path_of`: returns the path
        of a run's run.csv."""
        self.runs = {key_of(run): run for run in runs}
        self.open = set(self.runs)
        self.waiting: defaultdict[RunKey, list[tuple[Run, dict[str, Run]]]] = defaultdict(list)
        self.done, self.total = measured, measured + len(self.runs)
        self.baseline, self.path_of, self.began = config["baseline"], path_of, now
        recipes = {variant: recipe_of(variant, root) for variant in {run["variant"] for run in runs}}
        self.estimate = Estimate({key_of(run): kind_of(run, recipes[run["variant"]], config["cache"]) for run in runs})
        self.columns = [axis for axis in SHOWN if axis in ALWAYS or len({run[axis] for run in runs}) > 1]
        labels = {axis: {run[axis] for run in runs} for axis in self.columns}
        stages = {name: len(entry("pipelines", split_name(name)[0], root)["stages"]) for name in labels["pipeline"]}
        labels["pipeline"] = {stage_label(name, stages[name], stages[name]) for name in stages}
        self.widths = {axis: max(map(len, [SHOWN[axis], *labels[axis]])) for axis in self.columns}

    def header(self) -> str:
        """The line above the rows."""
        return self.line(("run", "time", "left"), SHOWN, "it/s", "speed-up")

    def line(self, counts: Counts, labels: Mapping[str, str], result: str, speedup: str) -> str:
        """One line: the `counts`, the labels of a run by axis, its result and speed-up."""
        width = 2 * len(str(self.total)) + 1
        cells = [counts[0].rjust(max(width, 3)), *(text.rjust(7) for text in counts[1:])]
        for axis in self.columns:
            pad = str.rjust if axis in NUMBERS else str.ljust
            cells.append(pad(labels[axis], self.widths[axis]))
        return "  ".join([*cells, result.rjust(7), speedup]).rstrip()

    def start(self, run: Run, now: float) -> None:
        """A run starts."""
        self.estimate.start(key_of(run), now)

    def fail(self, run: Run) -> None:
        """A run ends without a row."""
        self.estimate.fail(key_of(run))

    def finish(self, run: Run, now: float) -> list[str]:
        """A run ends: its row, and the speed-ups of those that waited for it as their baseline."""
        key, base = key_of(run), baseline_run(run, self.baseline)
        self.estimate.finish(key, now)
        self.open.discard(key)
        self.done += 1
        rows = read_rows(self.path_of(run))
        bases = read_rows(self.path_of(base)) if base != run and key_of(base) not in self.open else {}
        if base != run and not bases:
            self.waiting[key_of(base)].append((run, rows))
        left = self.estimate.left(now)
        counts = (f"{self.done}/{self.total}", clock(now - self.began), "?" if left is None else clock(left))
        lines = self.lines(counts, run, rows, bases)
        for other, own in self.waiting.pop(key, []):
            compared = {stage: row for stage, row in own.items() if ratio(row, rows.get(stage, {}))}
            lines += self.lines(("", "", ""), other, compared, rows)
        return lines

    def lines(self, counts: Counts, run: Run, rows: Mapping[str, Run], bases: Mapping[str, Run]) -> list[str]:
        """A line for each stage of a run, with its rate, or its status and the reason."""
        lines = []
        for stage, row in rows.items():
            labels = {**run, "pipeline": stage_label(run["pipeline"], stage, len(rows))}
            rate = row["iterations_per_second"]
            result = f"{float(rate):.2f}" if rate else f"{row['status']} during {row['phase']}: {row['detail']}"
            lines.append(self.line(counts, labels, result, ratio(row, bases.get(stage, {}))))
            counts = ("", "", "")
        return lines

    def now(self, now: float) -> str:
        """The live line about the current runs; empty if nothing runs."""
        running = self.estimate.running
        if not running:
            return ""
        if len(running) == 1:
            ((key, since),) = running.items()
            run = self.runs[key]
            shown = f"{run['pipeline']}, batch size {run['batch_size']}, {run['variant']}, round {run['round']}"
        else:
            since, shown = min(running.values()), f"{len(running)} runs"
        left = self.estimate.left(now)
        more = "" if left is None else f", about {clock(left)} left"
        return f"{clock(now - since)} {shown}; {self.done}/{self.total}{more}"
