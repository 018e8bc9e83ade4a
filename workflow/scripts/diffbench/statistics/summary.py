"""One row per cell and stage: the median over its rounds and its interval, the speed-up against the baseline and its verdict."""

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd

from diffbench.data.csv_text import check_all, check_numbers, read_table
from diffbench.data.errors import REMADE, ReportError
from diffbench.data.groups import first_mixed, join_different, number_groups
from diffbench.data.sizes import sized
from diffbench.data.types import AnyPath, Baseline
from diffbench.vocabulary.columns import CELL, IMAGE, JOINED, KEY, MEDIANS, RELEASES, SUMMARY_COLUMNS, SUMMARY_NUMBERS
from diffbench.vocabulary.sizes import name_at
from diffbench.vocabulary.statuses import OPEN

from .ceilings import ceiling_columns
from .conditions import differences_from
from .fidelity import badges
from .flags import flag_cells
from .intervals import rate_interval
from .round_flags import flag_baselines
from .speedup import compare, round_rates
from .startup import breakeven_columns, start_columns
from .summary_inputs import NONE, Evidence

SAME = ["definition", *RELEASES]  # all rounds of a cell must have the same values
WHOLE = ["batch_size", "stage", "rounds"]
POOLED = "these are not pooled: delete the run.csv of the wrong rounds to measure them again"


def check_poolable(measurements: pd.DataFrame) -> None:
    """Raises ReportError if rows of one cell were measured under different definitions or releases, or twice."""
    numbers, _ = number_groups(measurements, CELL)
    for column in SAME:
        known = measurements[column].astype(bool).to_numpy()
        place = first_mixed(measurements[column][known], numbers[known])
        if place is not None:
            rows = measurements[known][numbers[known] == numbers[known][place]].drop_duplicates(column)
            (first, value), (second, other) = rows[["round", column]].values[:2]
            raise ReportError(
                f"cell {describe_cell(rows.iloc[0][CELL])}: round {first} has {column} {value}, round {second} {other}; {POOLED}"
            )
    check_kernels(measurements)
    twice = measurements[measurements.duplicated([*KEY, "round"])]
    if len(twice):
        row = twice.iloc[0]
        raise ReportError(f"cell {describe_cell(row[CELL])}: round {row['round']} appears twice; keep one of its rows")


def check_kernels(measurements: pd.DataFrame) -> None:
    """Raises ReportError if rounds of one cell and stage ran different attention kernels: they did not do the same work. Rounds
    whose kernels are unknown are not compared."""
    known = measurements[(measurements["status"] == "ok") & measurements["attention_kernels"].astype(bool)]
    numbers, _ = number_groups(known, KEY)
    names = known["attention_kernels"].map(lru_cache(names_of_kernels)).to_numpy()
    place = first_mixed(names, numbers)
    if place is not None:
        rows = known.assign(names=names)[numbers == numbers[place]].drop_duplicates("names")
        (first, kernels), (second, others) = rows[["round", "attention_kernels"]].values[:2]
        raise ReportError(
            f"cell {describe_cell(rows.iloc[0][CELL])}: round {first} ran the attention kernels {kernels!r}, round {second} "
            f"{others!r}; {POOLED}"
        )


def names_of_kernels(text: str) -> str:
    """The sorted names in `32 x flash, 2 x math`, without the counts."""
    return ", ".join(sorted({part.rpartition(" x ")[2] for part in text.split(", ")}))


def describe_cell(values: Iterable[Any]) -> str:
    """`A100, 2.0, if, batch size 4, eager`."""
    gpu, torch, pipeline, batch_size, size, variant = values
    return f"{gpu}, {torch}, {name_at(pipeline, size)}, batch size {batch_size}, {variant}"


def first_failures(failed: pd.DataFrame, measured: np.ndarray) -> pd.DataFrame:
    """Status, phase and detail of the first failed round of each cell and stage that has one.

    If another round is ok (`measured`, for each row), the cell keeps its number, so the detail says which round failed.
    """
    told = "round " + failed["round"].astype(str) + ": " + failed["status"] + ", " + failed["detail"]
    failed = failed.assign(detail=failed["detail"].where(~measured, told))
    return failed.sort_values("round", kind="stable").groupby(KEY, sort=False)[["status", "phase", "detail"]].first()


def summarize(
    measurements: pd.DataFrame, cells: pd.DataFrame, baseline: Baseline, evidence: Evidence = NONE
) -> pd.DataFrame:
    """The summary of `measurements` (see measurements.to_frame) over `cells`, a DataFrame with the columns of CELL.

    Returns a DataFrame with SUMMARY_COLUMNS in the order of `cells`, pipelines named at their sizes (sizes.py); a cell without
    rows has status `open` and stage 1. `…_low` and `…_high` are the ends of 95% intervals (see intervals.py); `rounds_needed` is
    the number of rounds that would settle an unclear speed-up.
    `baseline` maps `variant` and/or `torch` to the names that speed-ups are measured against. Raises ReportError for rows that
    must not be pooled.
    """
    check_poolable(measurements)
    numbers, keys = number_groups(measurements, KEY)
    count = len(keys)
    is_ok = (measurements["status"] == "ok").to_numpy()
    measured = np.isin(numbers, numbers[is_ok])  # the cell and stage of the row has a round that is ok
    counted = is_ok | ~measured  # a failed round counts only if no round is ok
    rows, of_cell = measurements[counted], numbers[counted]
    rates = rows["iterations_per_second"].groupby(of_cell).agg(["min", "median", "max", "count"])
    logarithms = np.log(measurements["iterations_per_second"]).groupby(numbers)
    low, high = rate_interval(logarithms.mean(), logarithms.std(), rates["count"])
    days, devices = measurements["started_at"].str[:10], rows["device_id"]
    by_day, by_device = (np.argsort(values.to_numpy(), kind="stable") for values in (days, devices))
    summary = rows[MEDIANS].groupby(of_cell).median()
    summary = summary.assign(
        iterations_per_second_low=np.minimum(low, rates["median"]),
        iterations_per_second_high=np.maximum(high, rates["median"]),
        iterations_per_second_min=rates["min"],
        iterations_per_second_max=rates["max"],
        rounds=rates["count"],
        definition=measurements["definition"].groupby(numbers).first(),
        measured_on=join_different(days.iloc[by_day], numbers[by_day], count),
        device_ids=join_different(devices.iloc[by_device], of_cell[by_device], count),
        **{column: join_different(rows[column], of_cell, count) for column in JOINED},
    ).set_index(pd.MultiIndex.from_frame(keys))
    summary = summary.join(start_columns(measurements, KEY)).join(
        flag_cells(measurements, evidence.calls).rename("flags")
    )
    summary = summary.join(first_failures(measurements[~is_ok], measured[~is_ok]))
    summary["status"] = summary["status"].where(summary["rounds"] == 0, "ok")
    summary["phase"] = summary["phase"].where(summary["rounds"] == 0)
    summary = cells[CELL].drop_duplicates().merge(summary.reset_index(), on=CELL, how="left")
    missing = summary["status"].isna()
    for column, value in (("status", OPEN.name), ("stage", 1), ("rounds", 0)):
        summary.loc[missing, column] = value
    summary = summary.astype({"stage": int, "rounds": int}).assign(text="", mark="")
    summary = add_fidelity(summary, evidence.fidelity, baseline)
    flags = zip(summary["flags"].fillna(""), flag_baselines(summary, baseline))
    summary = summary.assign(
        flags=["; ".join(filter(None, pair)) for pair in flags],
        **compare(summary, baseline, round_rates(measurements)),
        **breakeven_columns(measurements, summary, KEY, baseline),
        **ceiling_columns(summary, evidence.ceilings),
        price_per_1000_images_usd=summary["gpu"].map(evidence.prices_usd).astype(float)
        / 3.6
        / summary["images_per_second"],
    )
    texts = summary.select_dtypes(exclude="number").columns
    summary[texts] = summary[texts].astype(object).where(summary[texts].notna(), "")
    compared = summary["speedup"].notna()
    summary = summary.assign(
        differences=pd.Series(differences_from(summary, baseline), dtype=object).where(compared, "")
    )
    return sized(summary[SUMMARY_COLUMNS])


def add_fidelity(summary: pd.DataFrame, fidelity: pd.DataFrame | None, baseline: Baseline) -> pd.DataFrame:
    """The summary with IMAGE and the badge `fidelity`, empty if no image was compared."""
    if fidelity is None:
        return summary.assign(fidelity="", **dict.fromkeys(IMAGE, np.nan))
    found = badges(fidelity, baseline)[[*KEY, "fidelity", *IMAGE]]
    return summary.merge(found, on=KEY, how="left")


def read_summary(path: AnyPath) -> pd.DataFrame:
    """The summary in a summary.csv: identity columns and texts as text, numbers as numbers, pipelines named at their sizes.

    Raises ReportError if it is damaged, cut off or has other columns."""
    frame = read_table(path, "a summary", SUMMARY_COLUMNS, REMADE)
    for column in WHOLE:
        check_all(path, frame[column], frame[column].str.fullmatch("[0-9]{1,9}"), "a whole number", REMADE)
    check_numbers(path, frame, SUMMARY_NUMBERS, REMADE, "any or inf")
    frame = sized(frame)
    for column in SUMMARY_NUMBERS:
        frame[column] = pd.to_numeric(frame[column].replace("", None))
    return frame
