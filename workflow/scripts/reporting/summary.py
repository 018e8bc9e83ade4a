"""One row a cell and stage: the median over its rounds with its interval, the speed-up against the baseline with verdict."""

import numpy as np
import pandas as pd

from .errors import ReportError
from .intervals import rate_interval, rounds_needed, speedup_interval, verdicts

CELL = ["gpu", "torch", "pipeline", "batch_size", "variant"]
KEY = [*CELL, "stage"]
MEDIANS = [
    "iterations_per_second",
    "denoiser_calls_per_second",
    "images_per_second",
    "latency_s",
    "first_call_s",
    "compile_s",
    "peak_allocated_mib",
    "peak_rss_mib",
]
PROVENANCE = [
    "device_name",
    "torch_version",
    "cuda_version",
    "python_version",
    "diffusers_version",
    "transformers_version",
    "accelerate_version",
    "dtype",
    "scale",
    "weights",
    "threads",
]
SAME = ["definition", *PROVENANCE[1:]]  # device names are told, if different
COLUMNS = [
    *KEY,
    "status",
    "phase",
    "detail",
    "definition",
    "rounds",
    *MEDIANS,
    "iterations_per_second_min",
    "iterations_per_second_max",
    "iterations_per_second_low",
    "iterations_per_second_high",
    "speedup",
    "speedup_low",
    "speedup_high",
    "verdict",
    "rounds_needed",
    *PROVENANCE,
    "measured_on",
    "text",
    "mark",
]
NUMBERS = ["speedup", "speedup_low", "speedup_high", "rounds_needed"]
NUMBERS += [f"iterations_per_second_{end}" for end in ("min", "max", "low", "high")]
OPEN = "open"


def check_poolable(measurements):
    """Raises ReportError where rows of one cell were measured under different definitions or releases, or twice."""
    for column in SAME:
        values = measurements[measurements[column].astype(bool)].groupby(CELL, sort=False)[column].unique()
        mixed = values[values.map(len) > 1]
        if len(mixed):
            raise ReportError(
                f"cell {describe_cell(mixed.index[0])}: rows with {column} {' and '.join(mixed.iloc[0])} are not pooled; "
                "delete the old ones and measure them again"
            )
    twice = measurements[measurements.duplicated([*KEY, "round"])]
    if len(twice):
        row = twice.iloc[0]
        raise ReportError(f"cell {describe_cell(row[CELL])}: round {row['round']} is there twice; keep one of its rows")


def describe_cell(values):
    """`A100, 2.0, if, batch size 4, eager`."""
    gpu, torch, pipeline, batch_size, variant = values
    return f"{gpu}, {torch}, {pipeline}, batch size {batch_size}, {variant}"


def first_failures(measurements):
    """Status, phase and detail of the first round that failed, for each cell and stage that has one.

    Where another round is ok the cell keeps its number, so the detail says which round failed.
    """
    failed = measurements[measurements["status"] != "ok"].copy()
    failed["detail"] = (
        "round " + failed["round"].astype(str) + ": " + failed["status"] + ", " + failed["detail"]
    ).where(
        failed.set_index(KEY).index.isin(measurements[measurements["status"] == "ok"].set_index(KEY).index),
        failed["detail"],
    )
    return failed.sort_values("round", kind="stable").groupby(KEY, sort=False)[["status", "phase", "detail"]].first()


def join_different(values):
    """The different values that are not empty, joined."""
    return "; ".join(dict.fromkeys(str(value) for value in values if value not in ("", None) and value == value))


def summarize(measurements, cells, baseline):
    """The summary of `measurements` (see read.to_frame) over `cells`, a DataFrame with the columns of CELL.

    Returns a DataFrame with COLUMNS in the order of `cells`; a cell without rows has status `open` and stage 1. `…_low` and
    `…_high` are ends of 95% intervals (see intervals.py); `rounds_needed` says what would settle an unclear speed-up.
    `baseline` maps `variant` and/or `torch` to what speed-ups are measured against. Raises ReportError for rows that must
    not be pooled.
    """
    check_poolable(measurements)
    groups = measurements.groupby(KEY, sort=False)
    medians = groups[MEDIANS].median()
    rates = groups["iterations_per_second"].agg(["min", "median", "max", "count"])
    logarithms = np.log(measurements["iterations_per_second"]).groupby([measurements[key] for key in KEY], sort=False)
    low, high = rate_interval(logarithms.mean(), logarithms.std(), rates["count"])
    summary = medians.assign(
        log_mean=logarithms.mean(),
        log_deviation=logarithms.std(),
        iterations_per_second_low=np.minimum(low, rates["median"]),
        iterations_per_second_high=np.maximum(high, rates["median"]),
        iterations_per_second_min=rates["min"],
        iterations_per_second_max=rates["max"],
        rounds=rates["count"],
        definition=groups["definition"].first(),
        measured_on=groups["started_at"].agg(lambda values: join_different(sorted({value[:10] for value in values}))),
        **{column: groups[column].agg(join_different) for column in PROVENANCE},
    )
    failures = first_failures(measurements)
    summary = summary.join(failures)
    summary["status"] = summary["status"].where(summary["rounds"] == 0, "ok")
    summary["phase"] = summary["phase"].where(summary["rounds"] == 0)
    summary = cells[CELL].drop_duplicates().merge(summary.reset_index(), on=CELL, how="left")
    missing = summary["status"].isna()
    summary.loc[missing, ["status", "stage", "rounds"]] = [OPEN, 1, 0]
    summary = summary.assign(**compare(summary, baseline), text="", mark="")
    summary = summary.astype({"stage": int, "rounds": int})
    texts = summary.select_dtypes(exclude="number").columns
    summary[texts] = summary[texts].astype(object).where(summary[texts].notna(), "")
    return summary[COLUMNS]


def beside_baseline(summary, baseline, columns):
    """The `columns` of each row, and with the suffix `_base` those of the baseline's row for it; in the order of `summary`."""
    others = [column for column in KEY if column not in baseline]
    reference = summary
    for column, value in baseline.items():
        reference = reference[reference[column] == value]
    return summary[[*others, *columns]].merge(
        reference[[*others, *columns]], on=others, how="left", suffixes=("", "_base")
    )


def speedups(summary, baseline):
    """Iterations per second over those of the baseline's cell; NaN where either has no number. Same order as `summary`."""
    pairs = beside_baseline(summary, baseline, ["iterations_per_second"])
    ratio = pairs["iterations_per_second"] / pairs["iterations_per_second_base"]
    return ratio.to_numpy(dtype=float, na_value=np.nan)


def compare(summary, baseline):
    """The columns `speedup`, `speedup_low`, `speedup_high`, `verdict` and `rounds_needed`, in the order of `summary`.

    The baseline is compared with nothing: it has a speed-up of 1, and neither interval nor verdict.
    """
    pairs = beside_baseline(summary, baseline, ["log_mean", "log_deviation", "rounds"])
    values = [pairs[column].to_numpy(dtype=float, na_value=np.nan) for column in pairs.columns[-6:]]
    speedup = speedups(summary, baseline)
    is_baseline = np.all([summary[column] == value for column, value in baseline.items()], axis=0)
    low, high = (np.where(is_baseline, np.nan, end) for end in speedup_interval(*values))
    low, high = np.minimum(low, speedup), np.maximum(high, speedup)
    verdict = verdicts(low, high)
    needed = [
        rounds_needed(ratio, own, base) if text == "unclear" else np.nan
        for text, ratio, own, base in zip(verdict, speedup, values[1], values[4])
    ]
    return {
        "speedup": speedup,
        "speedup_low": low,
        "speedup_high": high,
        "verdict": verdict,
        "rounds_needed": np.asarray(needed, dtype=float),
    }


def read_summary(path):
    """A summary.csv as it was written: identity columns and texts as text, numbers as numbers."""
    frame = pd.read_csv(path, dtype=str, keep_default_na=False)
    for column in [*MEDIANS, *NUMBERS, "batch_size", "stage", "rounds"]:
        frame[column] = pd.to_numeric(frame[column].replace("", None))
    return frame
