"""The best variant of each pipeline at each level of fidelity, and the lines of Python that make it."""

from functools import cache
from typing import NamedTuple

import numpy as np
import pandas as pd

from diffbench.catalogue.definition import entry
from diffbench.catalogue.labels import label_of
from diffbench.data.rows import is_number, records, tuples
from diffbench.statistics.speedup import compare, is_baseline, round_rates
from diffbench.vocabulary.badges import BADGES, CLOSE, DIFFERENT, EQUIVALENT, IDENTICAL, OTHER_IMAGE
from diffbench.vocabulary.columns import KEY
from diffbench.vocabulary.errors import DiffbenchError
from diffbench.vocabulary.sizes import sized, split_name
from diffbench.vocabulary.statuses import OUTSIDE
from diffbench.vocabulary.units import IMAGES, ITERATIONS, RATES

from .cells import print_rate
from .column_names import Names
from .formats import Cell, Table, to_markdown
from .recipes import write_recipes
from .table_options import TableOptions
from .tables import heading_of, notes_of, table_keys, unverified_of

PLACE = ["gpu", "torch", "pipeline", "batch_size"]
ORDER = (*BADGES, "")  # from the best to what was not compared
LEVELS = {  # how it is headed: the last of ORDER that it takes
    "identical image": IDENTICAL,
    "equivalent or better": EQUIVALENT,
    "close or better": CLOSE,
    "any image": "",
}
UNITS = (IMAGES, ITERATIONS)
LEGEND = (
    "The fastest variant whose image is this much like the baseline's, with its speed-up over the baseline. A variant that "
    "several rounds do not show to be faster than the baseline is passed over; if all are, the baseline is the best. Without "
    "several rounds there is no verdict: the highest number stands, and a note says where there was only one round. An image "
    "that was not compared counts as any image."
)
STAGES = "Several stages count as one: one image through all of them, one after the other."
ONE_ROUND = "One round cannot show which variant is the fastest: the order may be chance."


class Whole(NamedTuple):
    """A cell with all its stages: `values` by unit (None without a number), the worst badge, whether it is the baseline."""

    variant: str
    rows: list
    values: dict
    badge: str
    own: bool


class Choice(NamedTuple):
    """The best at a level. `passed`: (variant, speed-up, verdict) of those that have a higher number but are not shown to be
    faster than the baseline; `rivals`: (variant, ratio, low, high) of those that are not shown to be slower than the best."""

    whole: Whole
    value: float
    unit: str
    speedup: float | None
    verdict: str
    passed: list
    rivals: list


@cache
def steps_of(pipeline):
    """{stage: steps} of a pipeline in the catalogue."""
    stages = entry("pipelines", split_name(pipeline)[0])["stages"]
    return {number: stage["steps"] for number, stage in enumerate(stages, start=1)}


def values_of(rows):
    """{unit: value} of a cell's rows, one per stage: images per second that go through all stages one after the other, and all
    iterations over the time of all stages, in the catalogue's numbers of steps."""
    images = [row["images_per_second"] for row in rows]
    rates = [row["iterations_per_second"] for row in rows]
    values = dict.fromkeys(UNITS)
    if all(is_number(value) and value > 0 for value in images):
        values[IMAGES] = 1 / sum(1 / value for value in images)
    if len(rows) == 1:
        values[ITERATIONS] = rates[0]
    else:
        try:
            steps = [steps_of(rows[0]["pipeline"]).get(row["stage"]) for row in rows]
        except DiffbenchError:
            steps = [None]
        if all(steps):
            values[ITERATIONS] = sum(steps) / sum(count / rate for count, rate in zip(steps, rates))
    return values


def wholes_of(summary, baseline):
    """{PLACE's values: {variant: Whole}} of the cells that have a number in every stage that the place has."""
    places, stages = {}, {}
    for row, own in zip(records(summary), is_baseline(summary, baseline).tolist()):
        place = tuple(row[axis] for axis in PLACE)
        stages.setdefault(place, set()).add(row["stage"])
        places.setdefault(place, {}).setdefault(row["variant"], ([], own))[0].append(row)
    return {
        place: {
            variant: whole_of(variant, rows, own)
            for variant, (rows, own) in variants.items()
            if {row["stage"] for row in rows} == stages[place]
            and all(is_number(row["iterations_per_second"]) for row in rows)
        }
        for place, variants in places.items()
    }


def whole_of(variant, rows, own):
    badge = IDENTICAL if own else max((row["fidelity"] for row in rows), key=ORDER.index)
    return Whole(variant, rows, values_of(rows), badge, own)


class Comparison:
    """The wholes of all places, compared in pairs of rounds as stages are (speedup.compare). `measurements` as of
    read.to_frame; None, as of a published page, has neither intervals nor verdicts."""

    def __init__(self, places, measurements):
        wholes = [whole for of_place in places.values() for whole in of_place.values()]
        rows = [
            {key: whole.rows[0][key] for key in KEY}
            | {"stage": 1, "iterations": np.nan}
            | {column: np.nan if whole.values[unit] is None else whole.values[unit] for unit, column in RATES.items()}
            for whole in wholes
        ]
        self.known = {}
        self.frame = pd.DataFrame(rows, columns=[*KEY, "iterations", *RATES.values()])
        self.rounds = whole_rounds(sized(measurements), wholes) if measurements is not None else round_rates()

    def against(self, baseline, unit):
        """{(*PLACE's values, variant): (speed-up, low, high, verdict)} of all wholes over their `baseline`, in the unit."""
        asked = (*baseline.items(), unit)
        if asked not in self.known:
            found = compare(self.frame, baseline, self.rounds, unit)
            keys = tuples(self.frame[[*PLACE, "variant"]])
            values = (found[name].tolist() for name in ("speedup", "speedup_low", "speedup_high", "verdict"))
            self.known[asked] = dict(zip(keys, zip(*values)))
        return self.known[asked]


def whole_rounds(measurements, wholes):
    """speedup.round_rates of the wholes: the rounds in which all stages are ok, as stage 1."""
    cells = KEY[:-1]
    stages = {tuple(whole.rows[0][key] for key in cells): len(whole.rows) for whole in wholes}
    parts, rows = {}, []
    for row in records(measurements.loc[measurements["status"] == "ok", [*KEY, "round", "device_id", *RATES.values()]]):
        parts.setdefault((tuple(row[key] for key in cells), row["round"]), []).append(row)
    for (cell, _), part in parts.items():
        if len(part) == stages.get(cell):
            values = values_of(part)
            rates = {unit: np.nan if values[unit] is None else np.log(values[unit]) for unit in RATES}
            rows.append({**part[0], "stage": 1, **rates})
    rounds = round_rates()
    return pd.DataFrame(rows, columns=rounds.columns).astype(rounds.dtypes) if rows else rounds


def choose(place, wholes, places, baseline, comparison):
    """{level: Choice} of a place; a level that nothing reaches has none."""

    def base_of(whole):
        names = dict(zip(PLACE, place)) | {"variant": whole.variant} | baseline
        return places.get(tuple(names[axis] for axis in PLACE), {}).get(names["variant"])

    counted = [*wholes.values(), *filter(None, map(base_of, wholes.values()))]
    unit = UNITS[any(whole.values[IMAGES] is None for whole in counted)]
    compared = comparison.against(baseline, unit)
    found = []
    for variant, whole in wholes.items():
        value, (speedup, _, _, verdict) = whole.values[unit], compared[(*place, variant)]
        if value is not None:
            found.append((value, whole, speedup if is_number(speedup) else None, verdict))
    choices = {}
    for level, last in LEVELS.items():
        those = [one for one in found if ORDER.index(one[1].badge) <= ORDER.index(last)]
        safe = [one for one in those if one[3] in ("", "faster")] or those
        if safe:
            value, whole, speedup, verdict = max(safe, key=lambda one: one[0])
            passed = [(one[1].variant, *one[2:]) for one in those if one[0] > value]
            beside = comparison.against({"variant": whole.variant}, unit)
            rivals = [(one[1].variant, *beside[(*place, one[1].variant)]) for one in those if one[0] <= value]
            rivals = [rival[:-1] for rival in rivals if rival[-1] not in ("", "slower")]
            choices[level] = Choice(whole, value, unit, speedup, verdict, passed, rivals)
    return choices


def print_choice(choice, labels, footnotes):
    """The Cell of a level: `compile: 44.0 it/s (2.03x)`."""
    if choice is None:
        return Cell([OUTSIDE])
    sign = f"{OTHER_IMAGE} other image: " if choice.whole.badge == DIFFERENT else ""
    name = label_of(labels, "variants", choice.whole.variant)
    ratio = OUTSIDE if choice.speedup is None else f"{choice.speedup:.2f}x"
    ratio += f", {choice.verdict}" if choice.verdict not in ("", "faster") else ""
    notes = [
        f"{label_of(labels, 'variants', variant)} has {speedup:.2f}x by its median, but that is {verdict}."
        for variant, speedup, verdict in choice.passed
    ]
    if choice.rivals:
        rivals = [
            f"{label_of(labels, 'variants', variant)} ({ratio:.2f}x of it, {low:.2f} to {high:.2f})"
            for variant, ratio, low, high in choice.rivals
        ]
        notes.append(f"Not distinguishable from {name}: {', '.join(rivals)}.")
    unverified = dict.fromkeys(filter(None, map(unverified_of, choice.whole.rows)))
    notes += [f"{name} is {text}." for text in unverified]
    numbers = []
    for note in notes:
        footnotes += [note] * (note not in footnotes)
        numbers.append(footnotes.index(note) + 1)
    return Cell([f"{sign}{name}: {print_rate(choice.value)} {choice.unit} ({ratio})"], numbers)


def build_best(part, choices, gpu, batch_size, labels):
    """The Table of one GPU and batch size, whose rows of the summary are `part`."""
    names, footnotes, rows, chosen = Names(part, labels), [], [], []
    several = part["torch"].nunique() > 1
    for place, of_level in choices.items():
        _, torch, pipeline, _ = place
        name = label_of(labels, "pipelines", pipeline)
        if several:
            name += f", torch {names.torch(torch)}"
        rows.append((name, [print_choice(of_level.get(level), labels, footnotes) for level in LEVELS]))
        chosen += [row for choice in of_level.values() for row in choice.whole.rows]
    keys = {(row["torch"], row["pipeline"], row["variant"]) for row in chosen}
    shown = part[[key in keys for key in zip(part["torch"], part["pipeline"], part["variant"])]]
    notes = [STAGES] * bool((shown["stage"] > 1).any())
    notes += [ONE_ROUND] * bool((shown["device_name"].astype(bool) & (shown["rounds"] == 1)).any())
    units = [choice.unit for of_level in choices.values() for choice in of_level.values()]
    notes += notes_of(shown, labels, TableOptions(unit=next(iter(units), UNITS[0])))
    return Table(
        heading_of(part, gpu, batch_size, labels),
        [["Pipeline"], *([level] for level in LEVELS)],
        rows,
        footnotes,
        notes,
    )


def render_best(summary, labels, baseline, measurements=None):
    """The Markdown of a dataset: a table per GPU and batch size, and below them the lines for what they name.

    `measurements` as of read.to_frame; None for a published page.
    """
    places = wholes_of(summary, baseline)
    comparison = Comparison(places, measurements)
    choices = {place: choose(place, wholes, places, baseline, comparison) for place, wholes in places.items()}
    tables = []
    for gpu, batch_size in table_keys(summary):
        part = summary[(summary["gpu"] == gpu) & (summary["batch_size"] == batch_size)]
        own = {place: found for place, found in choices.items() if (place[0], place[3]) == (gpu, batch_size)}
        tables.append(to_markdown(build_best(part, own, gpu, batch_size, labels)))
    chosen = {
        place: [choice.whole for choice in of_level.values() if not choice.whole.own]
        for place, of_level in choices.items()
    }
    recipes = write_recipes(chosen, labels)
    return "\n".join([f"{LEGEND}\n", *tables, *(["### How to get them\n"] if recipes else []), *recipes])
