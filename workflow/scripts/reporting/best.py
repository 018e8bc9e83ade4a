"""The best variant of each pipeline at each level of fidelity, and the lines of Python that make it."""

from typing import NamedTuple

from measurement.definition import catalogue, entry
from measurement.errors import DiffbenchError
from sizes import split_name

from .cells import OUTSIDE, is_number
from .figure_cells import SIGN, print_rate
from .formats import Cell, Table, to_markdown
from .intervals import verdicts
from .labels import escape, label_of, torch_label
from .options import TableOptions
from .recipe import write_recipe
from .speedup import is_baseline
from .tables import heading_of, notes_of, table_keys

PLACE = ["gpu", "torch", "pipeline", "batch_size"]
BADGES = ("identical", "equivalent", "close", "different", "")  # from the best to what was not compared
LEVELS = {  # how it is headed: the last of BADGES that it takes
    "identical image": "identical",
    "equivalent or better": "equivalent",
    "close or better": "close",
    "any image": "",
}
UNITS = ("images/s", "it/s")
LEGEND = (
    "The fastest variant whose image is this much like the baseline's, with its speed-up over the baseline; where no variant is "
    "shown to be faster than the baseline, the baseline. An image that was not compared is any image."
)
STAGES = "Several stages count as one: one image through all, one after the other."
ONE_ROUND = "One round makes no claim: which variant is the fastest may be chance."


class Whole(NamedTuple):
    """A cell with all its stages: `values` by unit (None without a number), the worst badge, whether it is the baseline, and how
    far the interval of its speed-up reaches below and above, as factors (NaN without)."""

    variant: str
    rows: list
    values: dict
    badge: str
    own: bool
    reach: tuple


class Choice(NamedTuple):
    """The best at a level; `passed` are (variant, speed-up, verdict) of those that have a higher number but are not shown to be
    faster than the baseline."""

    whole: Whole
    value: float
    unit: str
    speedup: float | None
    verdict: str
    passed: list


def steps_of(pipeline):
    """{stage: steps} of a pipeline in the catalogue."""
    stages = entry("pipelines", split_name(pipeline)[0])["stages"]
    return {number: stage["steps"] for number, stage in enumerate(stages, start=1)}


def values_of(rows):
    """{unit: value} of a cell's rows, one a stage: the images that go through all stages one after the other, and all iterations
    over the time of all stages, in the catalogue's numbers of steps."""
    images = [row["images_per_second"] for row in rows]
    rates = [row["iterations_per_second"] for row in rows]
    values = dict.fromkeys(UNITS)
    if all(is_number(value) and value > 0 for value in images):
        values["images/s"] = 1 / sum(1 / value for value in images)
    if len(rows) == 1:
        values["it/s"] = rates[0]
    else:
        try:
            steps = [steps_of(rows[0]["pipeline"]).get(row["stage"]) for row in rows]
        except DiffbenchError:
            steps = [None]
        if all(steps):
            values["it/s"] = sum(steps) / sum(count / rate for count, rate in zip(steps, rates))
    return values


def wholes_of(summary, baseline):
    """{PLACE's values: {variant: Whole}} of the cells that have a number in every stage that the place has."""
    places = {}
    for place, part in summary.assign(own=is_baseline(summary, baseline)).groupby(PLACE, sort=False):
        stages = set(part["stage"])
        places[place] = {}
        for variant, cell in part.groupby("variant", sort=False):
            rows = cell.to_dict("records")
            if set(cell["stage"]) != stages or not all(is_number(row["iterations_per_second"]) for row in rows):
                continue
            own = bool(rows[0]["own"])
            badge = "identical" if own else max((row["fidelity"] for row in rows), key=BADGES.index)
            reach = min(cell["speedup_low"] / cell["speedup"]), max(cell["speedup_high"] / cell["speedup"])
            places[place][variant] = Whole(variant, rows, values_of(rows), badge, own, reach)
    return places


def choose(place, wholes, places, baseline):
    """{level: Choice} of a place; a level that nothing reaches has none."""

    def base_of(whole):
        names = dict(zip(PLACE, place)) | {"variant": whole.variant} | baseline
        return places.get(tuple(names[axis] for axis in PLACE), {}).get(names["variant"])

    bases = {variant: base_of(whole) for variant, whole in wholes.items()}
    counted = [*wholes.values(), *filter(None, bases.values())]
    unit = UNITS[any(whole.values[UNITS[0]] is None for whole in counted)]
    found = []
    for variant, whole in wholes.items():
        value, base = whole.values[unit], bases[variant]
        if value is None:
            continue
        speedup = value / base.values[unit] if base and base.values[unit] else None
        ends = [speedup * factor for factor in whole.reach] if speedup else [float("nan")] * 2
        found.append((value, whole, speedup, "" if whole.own else str(verdicts(*ends))))
    choices = {}
    for level, last in LEVELS.items():
        those = [one for one in found if BADGES.index(one[1].badge) <= BADGES.index(last)]
        safe = [one for one in those if one[3] in ("", "faster")] or those
        if safe:
            value, whole, speedup, verdict = max(safe, key=lambda one: one[0])
            passed = [(one[1].variant, *one[2:]) for one in those if one[0] > value]
            choices[level] = Choice(whole, value, unit, speedup, verdict, passed)
    return choices


def print_choice(choice, labels, footnotes):
    """The Cell of a level: `compile: 44.0 it/s (2.03x)`."""
    if choice is None:
        return Cell([OUTSIDE])
    sign = f"{SIGN} other image: " if choice.whole.badge == "different" else ""
    name = label_of(labels, "variants", choice.whole.variant)
    ratio = OUTSIDE if choice.speedup is None else f"{choice.speedup:.2f}x"
    ratio += f", {choice.verdict}" if choice.verdict not in ("", "faster") else ""
    numbers = []
    for variant, speedup, verdict in choice.passed:
        note = f"{label_of(labels, 'variants', variant)} has {speedup:.2f}x by its median, but that is {verdict}."
        footnotes += [note] * (note not in footnotes)
        numbers.append(footnotes.index(note) + 1)
    return Cell([f"{sign}{name}: {print_rate(choice.value)} {choice.unit} ({ratio})"], numbers)


def build_best(part, choices, gpu, batch_size, labels):
    """The Table of one GPU and batch size, whose rows of the summary are `part`."""
    footnotes, rows, chosen = [], [], []
    for place, of_level in choices.items():
        _, torch, pipeline, _ = place
        name = label_of(labels, "pipelines", pipeline)
        if part["torch"].nunique() > 1:
            name += f", torch {torch_label(part, torch)}"
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


def recipes_of(choices, labels):
    """A fenced block of Python for each pipeline, variant and dtype that was chosen, but for the baseline."""
    blocks, gpus = {}, catalogue("gpus")
    for (gpu, _, pipeline, batch_size), of_level in choices.items():
        for choice in of_level.values():
            whole, dtype = choice.whole, choice.whole.rows[0]["dtype"] or "float16"
            names = [label_of(labels, "pipelines", pipeline), label_of(labels, "variants", whole.variant), dtype]
            heading = "#### " + escape(f"{names[0]}: {', '.join(names[1:])}")
            if whole.own or heading in blocks:
                continue
            device = gpus.get(gpu, {}).get("device", "cuda")
            try:
                code = write_recipe(pipeline, batch_size, whole.variant, dtype, device)
                blocks[heading] = f"```python\n{code}```"
            except DiffbenchError as error:
                blocks[heading] = escape(f"No lines: {error}")
    return [f"{heading}\n\n{block}\n" for heading, block in blocks.items()]


def render_best(summary, labels, baseline):
    """The Markdown of a dataset: a table a GPU and batch size, and below them the lines for what they name."""
    places = wholes_of(summary, baseline)
    choices = {place: choose(place, wholes, places, baseline) for place, wholes in places.items()}
    tables = []
    for gpu, batch_size in table_keys(summary):
        part = summary[(summary["gpu"] == gpu) & (summary["batch_size"] == batch_size)]
        own = {place: found for place, found in choices.items() if (place[0], place[3]) == (gpu, batch_size)}
        tables.append(to_markdown(build_best(part, own, gpu, batch_size, labels)))
    recipes = recipes_of(choices, labels)
    return "\n".join([f"{LEGEND}\n", *tables, *(["### How to get them\n"] if recipes else []), *recipes])
