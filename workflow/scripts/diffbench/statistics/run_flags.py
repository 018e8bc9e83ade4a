"""Flags from the columns of a run's row: warm-up, clocks, temperature, other processes. Limits: thresholds.py."""

from collections.abc import Callable
from functools import lru_cache

import numpy as np
import pandas as pd

from diffbench.data.rows import records
from diffbench.data.types import Row
from diffbench.vocabulary import thresholds as limits
from diffbench.vocabulary.columns import MACHINE

from .flag_kinds import Flag

POWER_CAP = "power cap"  # in `clock_limits`: the normal state of a GPU at full load, so not a flag


def rounded_up(percent: float) -> float:
    """A half-width rounded up to two decimals, so that it does not print as the target that it misses."""
    return float(np.ceil(round(100 * percent, 6))) / 100


def print_warmup(row: Row) -> str:
    spread = min(row["warmup_spread_percent"], 100)
    return f"ended unsteady, its last calls differ by {spread:.0f}%{' or more' * (spread == 100)}"


def print_target(row: Row) -> str:
    known = "" if np.isnan(row["half_width_percent"]) else f"to ±{rounded_up(row['half_width_percent']):.2f}% "
    return f"median known {known}at {row['stopped_by']}"


def other_limits(text: str) -> str:
    """The limits of the clock other than the power cap, as text."""
    return ", ".join(limit for limit in text.split(", ") if limit not in ("", POWER_CAP))


NOTED = ["warmup_spread_percent", "warmup_calls", "stopped_by", "calls", "half_width_percent", *MACHINE]
RULES: tuple[tuple[str, Callable[[pd.DataFrame], pd.Series], Callable[[Row], str]], ...] = (
    # kind, which rows have the flag, the detail of one of them
    ("warm-up", lambda rows: rows["warmup_spread_percent"] > 100 * limits.WARMUP_SPREAD, print_warmup),
    (
        "warm-up",
        lambda rows: rows["warmup_calls"] < limits.WARMUP_WINDOW,
        lambda row: f"too short to show a steady state: {row['warmup_calls']:.0f} call(s)",
    ),
    (
        "target",
        lambda rows: rows["stopped_by"].isin(["max-calls", "max-seconds"]) & ~(rows["calls"] < limits.TARGET_CALLS),
        print_target,
    ),
    (
        "throttled",
        lambda rows: rows["low_clock_percent"] > 100 * limits.LOW_CLOCK_SHARE,
        lambda row: (
            f"SM clock under {limits.LOW_CLOCK:.0%} of its maximum in {row['low_clock_percent']:.0f}% of the samples"
        ),
    ),
    (
        "clock",
        lambda rows: rows["clock_limits"].map(lru_cache(other_limits)).astype(bool),
        lambda row: f"limited by {other_limits(row['clock_limits'])}",
    ),
    ("hot", lambda rows: rows["temperature_c"] >= limits.HOT_C, lambda row: f"{row['temperature_c']:.0f} °C"),
    (
        "shared device",
        lambda rows: rows["device_processes"] > 0,
        lambda row: f"{row['device_processes']:.0f} other process(es) on it",
    ),
    (
        "shared CPU",
        lambda rows: rows["other_cpu_percent"] > 100 * limits.OTHER_CPU,
        lambda row: f"other processes used {row['other_cpu_percent']:.0f}% of it",
    ),
    (
        "CPU clock",
        lambda rows: rows["cpu_clock_lowest_mhz"] < limits.LOW_CPU_CLOCK * rows["cpu_clock_mhz"],
        lambda row: f"fell to {row['cpu_clock_lowest_mhz'] / row['cpu_clock_mhz']:.0%} of its median",
    ),
)


def flag_rows(rows: pd.DataFrame) -> list[list[Flag]]:
    """For each row, a list of flags from the values that the run itself recorded: numbers (NaN if unknown) and texts."""
    flags: list[list[Flag]] = [[] for _ in range(len(rows))]
    rows = rows[NOTED]
    for kind, has_flag, describe in RULES:
        places = np.flatnonzero(has_flag(rows))
        for place, row in zip(places, records(rows.iloc[places])):
            flags[place].append(Flag(kind, describe(row)))
    return flags
