"""What a user sees while runs are measured: a row for each finished run, the time so far, and an estimate of the time left.

A run is a dictionary of its wildcards, all of them text: gpu, torch, pipeline (named at its size), batch_size, variant, round.
Times are in seconds of one clock that never goes back.
"""

import csv
from collections import Counter, defaultdict

from diffbench.catalogue.definition import ROOT, entry, recipe_of
from diffbench.mechanisms.registry import compiles
from diffbench.system.compiler_caches import FRESH
from diffbench.vocabulary.columns import CELL
from diffbench.vocabulary.sizes import name_at, split_name

SHOWN = {
    "gpu": "GPU",
    "torch": "torch",
    "pipeline": "pipeline",
    "batch_size": "batch",
    "variant": "variant",
    "round": "round",
}
ALWAYS = ("pipeline", "batch_size", "variant", "round")  # the others have a column if their values differ
NUMBERS = ("batch_size", "round")  # aligned to the right
LIKE = {"warm": "eager", "eager": "warm"}  # the kind that takes about as long, where none of a kind has finished


def key_of(run):
    """What tells a run from all others."""
    return tuple(run[axis] for axis in SHOWN)


def kind_of(run, recipe, cache):
    """`eager`, `cold` or `warm`: runs of one kind take about as long. `recipe`: of the variant; `cache`: the config's."""
    if not compiles(recipe):
        return "eager"
    return "cold" if run["round"] == "1" or cache == FRESH else "warm"


def baseline_run(run, baseline):
    """The run of the same round that a run's speed-up is against; `baseline`: {axis: value} as in the config."""
    pipeline, size = split_name(run["pipeline"])
    cell = {
        **run,
        "pipeline": pipeline,
        "size": size,
        **{axis: str(baseline[axis]) for axis in CELL if axis in baseline},
    }
    return {**{axis: cell[axis] for axis in SHOWN}, "pipeline": name_at(cell["pipeline"], cell["size"])}


def clock(seconds):
    """`0:07`, `12:30`, `1:02:03`."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def read_rows(path):
    """The rows of a run.csv by their stage, values as text; none if it cannot be read."""
    try:
        with open(path, encoding="utf-8", newline="") as file:
            return {row["stage"]: row for row in csv.DictReader(file)}
    except (OSError, KeyError):
        return {}


def ratio(row, base):
    """`1.52x`, of iterations per second; `12.10x per image` where step counts differ; nothing where one has no rate."""
    same = row.get("iterations") == base.get("iterations")
    rates = [one.get("iterations_per_second" if same else "images_per_second") for one in (row, base)]
    if not all(rates):
        return ""
    return f"{float(rates[0]) / float(rates[1]):.2f}x" + " per image" * (not same)


def stage_label(pipeline, stage, stages):
    """`if, stage 2`, or the pipeline's name where it has one stage."""
    return f"{pipeline}, stage {stage}" if stages > 1 else pipeline


class Estimate:
    """How long the runs that are not finished will take, from the durations of those that are."""

    def __init__(self, kinds):
        """`kinds`: {key: kind} of the runs to measure."""
        self.kinds, self.unfinished = kinds, Counter(kinds.values())
        self.running, self.durations = {}, defaultdict(list)
        self.since = None

    def start(self, key, now):
        """A run begins, or begins again."""
        self.running[key] = now
        self.since = now if self.since is None else self.since

    def finish(self, key, now):
        """A run ends with a row."""
        kind = self.kinds[key]
        self.durations[kind].append(now - self.running.pop(key))
        self.unfinished[kind] -= 1

    def fail(self, key):
        """A run ends without a row, and may be tried again."""
        self.running.pop(key, None)

    def expected(self, kind):
        """The mean duration of a kind, or else of one that is like it; None if no such run has finished. Where nothing but
        compiled runs is measured, cold ones tell how long warm ones take at most."""
        others = () if "eager" in self.unfinished else ("cold",)
        names = (kind, *([LIKE[kind], *others] if kind in LIKE else []))
        found = next((self.durations[name] for name in names if self.durations.get(name)), None)
        return found and sum(found) / len(found)

    def left(self, now):
        """Seconds until the last run ends, if as many run at a time as did so far; None as long as finished runs do not tell:
        those that compile take much longer than the others."""
        expected = {kind: self.expected(kind) for kind, count in self.unfinished.items() if count}
        if None in expected.values():
            return None
        spent = {key: now - start for key, start in self.running.items()}
        work = sum(self.unfinished[kind] * seconds for kind, seconds in expected.items())
        work -= sum(min(seconds, expected[self.kinds[key]]) for key, seconds in spent.items())
        busy = sum(map(sum, self.durations.values())) + sum(spent.values())
        return work * (now - self.since) / busy if busy else 0.0


class Progress:
    """The rows of the table, and what runs at the moment."""

    def __init__(self, config, runs, measured, path_of, now, root=ROOT):
        """`config`: resolved; `runs`: those to measure; `measured`: how many are measured already; `path_of`: gives the path of
        a run's run.csv."""
        self.runs = {key_of(run): run for run in runs}
        self.open, self.waiting = set(self.runs), defaultdict(list)
        self.done, self.total = measured, measured + len(self.runs)
        self.baseline, self.path_of, self.began = config["baseline"], path_of, now
        recipes = {variant: recipe_of(variant, root) for variant in {run["variant"] for run in runs}}
        self.estimate = Estimate({key_of(run): kind_of(run, recipes[run["variant"]], config["cache"]) for run in runs})
        self.columns = [axis for axis in SHOWN if axis in ALWAYS or len({run[axis] for run in runs}) > 1]
        labels = {axis: {run[axis] for run in runs} for axis in self.columns}
        stages = {name: len(entry("pipelines", split_name(name)[0], root)["stages"]) for name in labels["pipeline"]}
        labels["pipeline"] = [stage_label(name, stages[name], stages[name]) for name in stages]
        self.widths = {axis: max(map(len, [SHOWN[axis], *labels[axis]])) for axis in self.columns}

    def header(self):
        """The line above the rows."""
        return self.line(("run", "time", "left"), SHOWN, "it/s", "speed-up")

    def line(self, counts, labels, result, speedup):
        """One line: three texts of how far the measurement is, the labels of a run by axis, its result and speed-up."""
        width = 2 * len(str(self.total)) + 1
        cells = [counts[0].rjust(max(width, 3)), *(text.rjust(7) for text in counts[1:])]
        for axis in self.columns:
            pad = str.rjust if axis in NUMBERS else str.ljust
            cells.append(pad(labels[axis], self.widths[axis]))
        return "  ".join([*cells, result.rjust(7), speedup]).rstrip()

    def start(self, run, now):
        """A run begins."""
        self.estimate.start(key_of(run), now)

    def fail(self, run):
        """A run ends without a row."""
        self.estimate.fail(key_of(run))

    def finish(self, run, now):
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
            found = {stage: row for stage, row in own.items() if ratio(row, rows.get(stage, {}))}
            lines += self.lines(("", "", ""), other, found, rows)
        return lines

    def lines(self, counts, run, rows, bases):
        """A line for each stage of a run, with its rate, or its status and why."""
        lines = []
        for stage, row in rows.items():
            labels = {**run, "pipeline": stage_label(run["pipeline"], stage, len(rows))}
            rate = row["iterations_per_second"]
            result = f"{float(rate):.2f}" if rate else f"{row['status']} during {row['phase']}: {row['detail']}"
            lines.append(self.line(counts, labels, result, ratio(row, bases.get(stage, {}))))
            counts = ("", "", "")
        return lines

    def now(self, now):
        """What runs at the moment, for the live line; nothing if nothing does."""
        running = self.estimate.running
        if not running:
            return ""
        if len(running) == 1:
            ((key, since),) = running.items()
            run = self.runs[key]
            what = f"{run['pipeline']}, batch size {run['batch_size']}, {run['variant']}, round {run['round']}"
        else:
            since, what = min(running.values()), f"{len(running)} runs"
        left = self.estimate.left(now)
        more = "" if left is None else f", about {clock(left)} left"
        return f"{clock(now - since)} {what}; {self.done}/{self.total}{more}"
