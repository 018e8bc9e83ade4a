"""An estimate of how long the runs that are not finished will take."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import Any

from diffbench.mechanisms.registry import compiles
from diffbench.system.compiler_caches import FRESH

Run = dict[str, str]  # {wildcard: text} of a run, and {column: text} of a row of its run.csv
RunKey = tuple[str, ...]  # see key_of
SHOWN = {
    "gpu": "GPU",
    "torch": "torch",
    "pipeline": "pipeline",
    "batch_size": "batch",
    "variant": "variant",
    "round": "round",
}
LIKE = {"warm": "eager", "eager": "warm"}  # a kind that takes about as long, used until a run of the kind has finished


def key_of(run: Run) -> RunKey:
    """The values that identify a run."""
    return tuple(run[axis] for axis in SHOWN)


def kind_of(run: Run, recipe: Mapping[str, Any], cache: str) -> str:
    """`eager`, `cold` or `warm`: runs of one kind take about as long. `recipe`: of the variant; `cache`: the config's."""
    if not compiles(recipe):
        return "eager"
    return "cold" if run["round"] == "1" or cache == FRESH else "warm"


class Estimate:
    """The time that unfinished runs will take, estimated from the durations of finished ones."""

    def __init__(self, kinds: Mapping[RunKey, str]) -> None:
        """`kinds`: {key: kind} of the runs to measure."""
        self.kinds, self.unfinished = kinds, Counter(kinds.values())
        self.running: dict[RunKey, float] = {}
        self.durations: defaultdict[str, list[float]] = defaultdict(list)
        self.since: float | None = None

    def start(self, key: RunKey, now: float) -> None:
        """A run starts, or starts again."""
        self.running[key] = now
        self.since = now if self.since is None else self.since

    def finish(self, key: RunKey, now: float) -> None:
        """A run ends with a row."""
        kind = self.kinds[key]
        self.durations[kind].append(now - self.running.pop(key))
        self.unfinished[kind] -= 1

    def fail(self, key: RunKey) -> None:
        """A run ends without a row, and may be tried again."""
        self.running.pop(key, None)

    def expected(self, kind: str) -> float | None:
        """The mean duration of a kind, or of a similar kind; None if no such run has finished. If only compiled runs are
        measured, the duration of cold ones is an upper limit for warm ones."""
        others = () if "eager" in self.unfinished else ("cold",)
        names = (kind, *([LIKE[kind], *others] if kind in LIKE else []))
        found = next((self.durations[name] for name in names if self.durations.get(name)), None)
        return sum(found) / len(found) if found else None

    def left(self, now: float) -> float | None:
        """Seconds until the last run ends, if as many run at a time as so far. None until a run of each kind, or of a similar
        one, has finished: runs that compile take much longer than the others."""
        expected: dict[str, float] = {}
        for kind in (kind for kind, count in self.unfinished.items() if count):
            seconds = self.expected(kind)
            if seconds is None:
                return None
            expected[kind] = seconds
        spent = {key: now - start for key, start in self.running.items()}
        work = sum(self.unfinished[kind] * seconds for kind, seconds in expected.items())
        work -= sum(min(seconds, expected[self.kinds[key]]) for key, seconds in spent.items())
        busy = sum(map(sum, self.durations.values())) + sum(spent.values())
        return work * (now - self.since) / busy if busy and self.since is not None else 0.0
