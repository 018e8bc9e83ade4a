"""The table of the best variant of each pipeline at each level of fidelity, and the lines of Python that make it."""

from collections.abc import Mapping

import pandas as pd

from diffbench.catalogue.labels import Labels, label_of
from diffbench.data.types import Baseline
from diffbench.vocabulary.badges import DIFFERENT, OTHER_IMAGE
from diffbench.vocabulary.statuses import OUTSIDE

from .best_choice import LEVELS, Choice, Comparison, choose
from .cell_results import UNITS, results_of
from .cells import print_rate
from .column_names import Names
from .formats import Cell, Table, to_markdown
from .keys import CellKey
from .recipes import write_recipes
from .table_options import TableOptions
from .tables import heading_of, notes_of, table_keys, unverified_of

LEGEND = (
    "The fastest variant at each level of image fidelity, with its speed-up over the baseline. A variant is passed over if "
    "several rounds do not show that it is faster than the baseline; if all are passed over, the baseline is the best. With "
    "fewer than two rounds there is no verdict: the table shows the highest number, and a note says where there was only one "
    "round. An image that was not compared counts only as any image."
)
STAGES = "Several stages count as one: an image passes through all of them, one after the other."
ONE_ROUND = "One round cannot show which variant is the fastest: the order may be due to chance."


def print_choice(choice: Choice | None, labels: Labels, footnotes: list[str]) -> Cell:
    """The Cell of a level: `compile: 44.0 it/s (2.03x)`; adds its notes to `footnotes`."""
    if choice is None:
        return Cell([OUTSIDE])
    best = choice.best
    sign = f"{OTHER_IMAGE} other image: " if best.result.badge == DIFFERENT else ""
    name = label_of(labels, "variants", best.result.variant)
    ratio = OUTSIDE if best.speedup is None else f"{best.speedup:.2f}x"
    ratio += f", {best.verdict}" if best.verdict not in ("", "faster") else ""
    notes = [
        f"{label_of(labels, 'variants', other.result.variant)} has {other.speedup:.2f}x by its median, "
        f"but that is {other.verdict}."
        for other in choice.passed_over
    ]
    if choice.rivals:
        rivals = [
            f"{label_of(labels, 'variants', variant)} ({speedup.ratio:.2f}x as fast, {speedup.low:.2f} to {speedup.high:.2f})"
            for variant, speedup in choice.rivals
        ]
        notes.append(f"Not distinguishable from {name}: {', '.join(rivals)}.")
    unverified = dict.fromkeys(filter(None, map(unverified_of, best.result.rows)))
    notes += [f"{name} is {text}." for text in unverified]
    numbers = []
    for note in notes:
        footnotes += [note] * (note not in footnotes)
        numbers.append(footnotes.index(note) + 1)
    return Cell([f"{sign}{name}: {print_rate(best.rate)} {choice.unit} ({ratio})"], numbers)


def build_best(
    part: pd.DataFrame, choices: Mapping[CellKey, Mapping[str, Choice]], gpu: str, batch_size: int, labels: Labels
) -> Table:
    """The Table of one GPU and batch size, whose rows of the summary are `part`."""
    names, rows, chosen = Names(part, labels), [], []
    footnotes: list[str] = []
    has_several_builds = part["torch"].nunique() > 1
    for key, of_level in choices.items():
        name = label_of(labels, "pipelines", key.pipeline)
        if has_several_builds:
            name += f", torch {names.torch(key.torch)}"
        rows.append((name, [print_choice(of_level.get(level), labels, footnotes) for level in LEVELS]))
        chosen += [row for choice in of_level.values() for row in choice.best.result.rows]
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


def render_best(
    summary: pd.DataFrame, labels: Labels, baseline: Baseline, measurements: pd.DataFrame | None = None
) -> str:
    """The Markdown of a dataset: a table per GPU and batch size, and below them the Python lines for the variants in them.

    `measurements`: from measurements.to_frame; None for a published page.
    """
    results = results_of(summary, baseline)
    comparison = Comparison(results, measurements)
    choices = {key: choose(key, results, baseline, comparison) for key in results}
    tables = []
    for gpu, batch_size in table_keys(summary):
        part = summary[(summary["gpu"] == gpu) & (summary["batch_size"] == batch_size)]
        own = {key: choice for key, choice in choices.items() if (key.gpu, key.batch_size) == (gpu, batch_size)}
        tables.append(to_markdown(build_best(part, own, gpu, batch_size, labels)))
    chosen = {
        key: [choice.best.result for choice in of_level.values() if not choice.best.result.is_baseline]
        for key, of_level in choices.items()
    }
    recipes = write_recipes(chosen, labels)
    return "\n".join([f"{LEGEND}\n", *tables, *(["### How to get them\n"] if recipes else []), *recipes])
