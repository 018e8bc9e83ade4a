"""How the minutes of a session are spent: the phases of each run, from the events that its measuring process reports."""

import json

from diffbench.vocabulary.columns import PHASES

OF_PHASE = {
    "load": "load",
    "first-call": "calls",
    "warmup": "calls",
    "evidence": "evidence",
}  # by what the process reports


class Watch:
    """Notices when the file of a run's events begins, and reads it once the run is over."""

    def __init__(self, path):
        self.path, self.found_s = path, None

    def look(self, now_s):
        """Look for the file, unless it is found."""
        if self.found_s is None and self.path.exists():
            self.found_s = now_s

    def events(self):
        """What the process has reported; nothing where it never began."""
        if not self.path.exists():
            return []
        lines = self.path.read_text(encoding="utf-8").splitlines(keepends=True)
        return [json.loads(line) for line in lines if line.endswith("\n")]


def phases_of(begin_s, found_s, events, end_s, compile_s):
    """{phase: seconds} of a run: all of PHASES, which add up to its time.

    `found_s` is when the measuring process had started, `events` what it reported, `compile_s` how much of its calls it spent
    compiling. All that is not known (no events) is `start`. Times are those of time.monotonic, which all processes share.
    """
    spent = dict.fromkeys(PHASES, 0.0)
    phase, since_s = "start", begin_s

    def enter(name, at_s):
        nonlocal phase, since_s
        spent[phase] += max(at_s - since_s, 0)
        phase, since_s = name, max(at_s, since_s)

    if events:
        enter("import", min(found_s, events[0]["at_s"]))
    for event in events:
        if event["event"] == "phase":
            enter(OF_PHASE.get(event["phase"], "calls"), event["at_s"])
        elif event["event"] == "outcome":
            enter("end", event["at_s"])
    enter("end", end_s)
    spent["compile"] = min(max(compile_s, 0), spent["calls"])
    spent["calls"] -= spent["compile"]
    return spent


def describe(spent, wall_s):
    """Lines that say how the minutes of a session were spent: `spent` are seconds by name, the rest of `wall_s` is idle."""
    idle_s = wall_s - sum(spent.values())
    measuring = sum(spent.get(name, 0) for name in ("compile", "calls", "ceilings", "checks"))
    yield f"{wall_s / 60:.1f} minutes, of which {100 * measuring / wall_s:.0f}% were calls, compilation, ceilings or checks:"
    parts = [
        f"{name} {seconds:.0f} s ({100 * seconds / wall_s:.0f}%)" for name, seconds in {**spent, "idle": idle_s}.items()
    ]
    yield "  " + ", ".join(parts)
