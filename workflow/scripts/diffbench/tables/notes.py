"""The sentences below a table: reasons, warnings, means, conditions that differ, devices, releases and dates."""

from collections.abc import Iterable, Iterator

import numpy as np
import pandas as pd

from diffbench.catalogue.labels import Labels, label_of, notes_on
from diffbench.data.rows import records
from diffbench.statistics.build_differences import differences_of, releases_of
from diffbench.statistics.intervals import is_useful
from diffbench.statistics.ratios import common_pipelines, mean_rows, steps_of, unit_of
from diffbench.vocabulary.badges import DIFFERENT, OTHER_IMAGE
from diffbench.vocabulary.sizes import NATIVE
from diffbench.vocabulary.statuses import COMPILE_ERROR
from diffbench.vocabulary.thresholds import MOST_ROUNDS
from diffbench.vocabulary.units import IMAGES, ITERATIONS, UNITS

from .column_names import NAMED, Names
from .table_options import TableOptions

SCALES = {"tiny": "miniature architectures", "full": "full-scale architectures"}
NUMBER_WORDS = {2: "two", 3: "three", 4: "four"}
MOST_NAMED = 8  # cells in one sentence


def notes_of(part: pd.DataFrame, labels: Labels, options: TableOptions) -> Iterator[str]:
    """Sentences below a table: compile errors with their reasons, the pipelines' notes, devices, releases and dates."""
    names = Names(part, labels)
    broken = part[(part["status"] == COMPILE_ERROR.name) & part["detail"].astype(bool)]
    for row in records(broken[["pipeline", "detail"]].drop_duplicates()):
        yield f"{COMPILE_ERROR.sign} {label_of(labels, 'pipelines', row['pipeline'])}: {row['detail']}"
    for mark in filter(None, part["mark"].unique()):
        yield f"{mark} {labels.get('marks', {}).get(mark, '')}".rstrip()
    if not part["text"].any():
        yield from notes_on(labels, part["pipeline"])
    measured = part[part["device_name"].astype(bool)]
    yield from warnings_of(part, names)
    if len(measured) and set(part["gpu"]) & labels.get("untested", set()):
        yield "Devices of this kind are untested: nobody in the project has one, so check these numbers."
    if options.speedups:
        yield from other_unit_notes(part, options.unit)
        yield from per_image_notes(part, labels)
        yield from mean_speedups(part, names)
        yield from advice_of(part, names)
    yield from condition_notes(part, names)
    if len(measured):
        yield from single_rounds(measured, names)
        yield from differences_of(measured)
        yield provenance_of(measured, options.unit)
    elif (part["status"] == "ok").any():
        yield unit_of_page(part, options.unit)


def capitalized(unit: str) -> str:
    """The unit's words with a capital letter, for the start of a sentence."""
    words = UNITS[unit].words
    return words[0].upper() + words[1:]


def unit_of_page(part: pd.DataFrame, unit: str) -> str:
    """The unit of published rates, which have no provenance; a page prints slow ones as seconds: `2.34s`."""
    seconds = unit == ITERATIONS and part.loc[part["status"] == "ok", "text"].str.endswith("s").any()
    return capitalized(unit) + "; a number with s is seconds per iteration" * bool(seconds) + "."


def warnings_of(part: pd.DataFrame, names: Names) -> Iterator[str]:
    """A sentence for every cell whose image differs from the baseline's: its number is not for the same work."""
    for row in records(part.loc[part["fidelity"] == DIFFERENT, [*NAMED, "psnr_db"]]):
        of = f" (PSNR {row['psnr_db']:.0f} dB)" if row["psnr_db"] == row["psnr_db"] else ""
        yield f"{OTHER_IMAGE} {names.cell(row)}: the image differs from the baseline's{of}."


def other_unit_notes(part: pd.DataFrame, unit: str) -> Iterator[str]:
    """A sentence if the table's numbers are for whole calls and its speed-ups for iterations."""
    units = part.loc[part["speedup"].notna() & (part["speedup"] != 1), "speedup_unit"]
    if UNITS[unit].column == UNITS[IMAGES].column and (units != IMAGES).any():
        yield "Speed-ups compare iterations per second, without text encoder and VAE; the numbers are for whole calls."


def per_image_notes(part: pd.DataFrame, labels: Labels) -> Iterator[str]:
    """A sentence for each variant whose speed-ups are per image, with its step counts and those of its baselines where known."""
    place = ["gpu", "batch_size", "pipeline", "stage"]
    rows = records(part.loc[part["speedup"].notna(), [*place, "variant", "iterations", "speedup_unit"]])
    steps = {tuple(row[axis] for axis in place): steps_of(row) for row in rows if unit_of(row) != IMAGES}
    variants: dict[str, list[str]] = {}
    for row in rows:
        if unit_of(row) == IMAGES:
            base = steps.get(tuple(row[axis] for axis in place))
            counts = variants.setdefault(label_of(labels, "variants", row["variant"]), [])
            counts += [f"{steps_of(row)} and {base}"] if steps_of(row) and base else []
    for name, counts in variants.items():
        steps_of_pairs = f" ({'; '.join(dict.fromkeys(counts))})" if counts else ""
        yield f"Speed-ups of {name} are per image: step counts differ{steps_of_pairs}."


def mean_speedups(part: pd.DataFrame, names: Names) -> Iterator[str]:
    """A sentence for each column: the geometric mean of the speed-ups of the pipelines' first stages, over the same
    pipelines in every column."""
    columns, pipelines = common_pipelines(part)
    total = part["pipeline"].nunique()
    if len(pipelines) < 2:
        if total > 1 and len(columns) > 1:
            yield "No geometric mean: fewer than two pipelines have a speed-up in every column."
        return
    for (torch, variant), (mean, rows) in mean_rows(part, columns, pipelines).items():
        column = " ".join(names.column(torch, variant))
        others = (rows["fidelity"] == DIFFERENT).sum()
        warning = f" {OTHER_IMAGE} {others} of them with a different image." if others else ""
        count = len(rows) if len(rows) == total else f"{len(rows)} of {total}"
        counted = f"{count} pipelines{'' if (rows['size'] == NATIVE).all() else ' and sizes'}"
        yield f"Geometric mean over {counted}, {column}: {mean:.2f}x{mean_rates(mean, rows)}.{warning}"


def mean_rates(mean: float, rows: pd.DataFrame) -> str:
    """` (20 to 28.6 it/s)`: the geometric means of the baseline's and the column's rates."""
    units = {unit_of(row) for row in records(rows[["speedup_unit"]])}
    if len(units) > 1:
        return ", some of them per image"
    (unit,) = units
    rate = np.exp(np.log(rows[UNITS[unit].column]).mean())
    return f" ({rate / mean:.3g} to {rate:.3g} {unit})"


def advice_of(part: pd.DataFrame, names: Names) -> Iterator[str]:
    """A sentence that says how many rounds would settle each speed-up that is unclear."""
    unclear = part.loc[part["verdict"] == "unclear", [*NAMED, "rounds_needed"]]
    advice = [
        f"{names.cell(row)}, "
        + (f"{row['rounds_needed']:.0f}" if row["rounds_needed"] <= MOST_ROUNDS else f"more than {MOST_ROUNDS}")
        for row in records(unclear)
    ]
    if advice:
        yield f"Unclear: the interval contains 1. Estimated rounds that would settle it: {'; '.join(advice)}."


def single_rounds(measured: pd.DataFrame, names: Names) -> Iterator[str]:
    """A sentence that names the pipelines, or cells, with one round and so no interval, if others have more rounds."""
    measured = measured[measured["status"] == "ok"]
    single = measured["rounds"] == 1
    if single.all() or not single.any():
        return
    whole = single.groupby(measured["pipeline"]).all()
    one = measured[single]
    single_names = [
        label_of(names.labels, "pipelines", row["pipeline"]) if whole[row["pipeline"]] else names.cell(row)
        for row in records(one[NAMED])
    ]
    single_names = list(dict.fromkeys(single_names))
    more = f"; {len(single_names) - MOST_NAMED} more" if len(single_names) > MOST_NAMED else ""
    dates = listed(sorted(one["measured_on"]))
    dated = "" if dates == listed(sorted(measured["measured_on"])) else f" (measured {dates})"
    yield f"One round, so no interval: {'; '.join(single_names[:MOST_NAMED])}{more}{dated}."


def condition_notes(part: pd.DataFrame, names: Names) -> Iterator[str]:
    """A sentence for each condition that differs between cells and their baselines, with the cells that have it."""
    compared = (part["speedup"].notna() & (part["speedup"] != 1)).sum()
    found: dict[str, list[str]] = {}
    for row in records(part.loc[part["differences"].astype(bool), [*NAMED, "differences"]]):
        found.setdefault(row["differences"], []).append(names.cell(row))
    for text, cells in found.items():
        more = f"; {len(cells) - MOST_NAMED} more" if len(cells) > MOST_NAMED else ""
        which = "every speed-up" if len(cells) == compared > 1 else "; ".join(cells[:MOST_NAMED]) + more
        yield f"Measured under other conditions than the baseline ({which}): {text}."


def listed(values: Iterable[object]) -> str:
    """The different values, joined: `a; b`."""
    parts = [part for value in values for part in str(value).split("; ") if part]
    return "; ".join(dict.fromkeys(parts))


def provenance_of(measured: pd.DataFrame, unit: str = ITERATIONS) -> str:
    """One sentence: unit, rounds, device, releases, dtype, scale, weights and dates of the rows."""
    rounds = measured.loc[measured["status"] == "ok", "rounds"]
    counted = "no round" if rounds.empty else f"{rounds.min()} round{'s' if rounds.max() > 1 else ''}"
    if len(rounds) and rounds.min() != rounds.max():
        counted = f"{rounds.min()} to {rounds.max()} rounds"
    scale = " and ".join(SCALES.get(scale, scale) for scale in measured["scale"].unique())
    return (
        f"{capitalized(unit)}, median of {counted}{describe_intervals(measured)}. "
        f"Device: {listed(measured['device_name'])} ({listed(measured['threads'])} CPU threads); "
        f"{releases_of(measured)}, Python {listed(measured['python_version'])}, "
        f"Diffusers {listed(measured['diffusers_version'])}, {listed(measured['dtype'])}; "
        f"{scale} with {' and '.join(measured['weights'].unique())} weights; "
        f"measured {listed(sorted(measured['measured_on']))}."
    )


def describe_intervals(measured: pd.DataFrame) -> str:
    """The width of the 95% intervals of the rates; for intervals too wide to be useful, that there are too few rounds.

    Empty if there are no intervals: one round has none.
    """
    low, high = measured["iterations_per_second_low"], measured["iterations_per_second_high"]
    factors = (high / low).dropna()
    narrow = is_useful(low, high)[factors.index]
    useful = factors[narrow] ** 0.5 - 1
    useless = factors.index[~narrow]
    texts = []
    if len(useful):
        texts.append(
            "95% intervals: ±" + " to ±".join(dict.fromkeys(f"{width:.1%}" for width in (useful.min(), useful.max())))
        )
    if len(useless):
        rounds = int(measured.loc[useless, "rounds"].max())
        where = f" in {len(useless)} of {len(factors)} cells and stages" if len(useful) else ""
        texts.append(f"{NUMBER_WORDS.get(rounds, rounds)} rounds are too few for an interval{where}")
    return f" ({'; '.join(texts)})" if texts else ""
