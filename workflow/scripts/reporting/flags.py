"""What looks wrong with a run: pairs of a kind (`spread`, `drift`, …) and its detail, and what the user can do about each kind.
Nothing is dropped for it. Limits: thresholds.py."""

import numpy as np
import pandas as pd
from scipy import stats

import thresholds as limits

from .speeds import slow_rounds
from .speedup import KEY, beside_baseline

RUN = [*KEY, "round"]
POWER_CAP = "power cap"  # of `clock_limits`: the normal state of a GPU at full load, and no flag
REMEDIES = {
    "spread": "Stop other programs on the machine. On a GPU, lock the clocks with nvidia-smi -lgc",
    "outliers": "Stop other programs on the machine, or raise measurement.max_calls",
    "drift": "Raise measurement.warmup_calls and max_warmup_calls, so that temperature and clocks settle first",
    "warm-up": "Raise measurement.warmup_calls and max_warmup_calls",
    "target": "Raise measurement.max_calls or max_seconds, or ask for less with target_percent",
    "throttled": "Cool the GPU, or lock its clock lower with nvidia-smi -lgc",
    "clock": "Check the GPU's cooling and power supply",
    "hot": "Cool the GPU, or lock its clock lower with nvidia-smi -lgc",
    "shared device": "Stop what nvidia-smi lists on this GPU",
    "shared CPU": "Stop other programs on the machine",
    "CPU clock": "Set the CPU's performance governor, and check its cooling",
    "two speeds": "Stop other programs on the machine, lock the clocks, and raise `rounds`",
    "devices": "Measure all rounds and the baseline on one device",
}


def flag_calls(latencies_s):
    """Flags of the measured calls of one run, in their order."""
    latencies_s = np.asarray(latencies_s, dtype=float)
    if len(latencies_s) < limits.FEWEST_CALLS:
        return []
    q1, median, q3 = np.percentile(latencies_s, [25, 50, 75])
    width = q3 - q1
    flags = []
    if width / median > limits.SPREAD:
        flags.append(("spread", f"IQR {width / median:.0%} of the median"))
    beyond = np.maximum(q1 - latencies_s, latencies_s - q3)
    far = int((beyond > limits.FAR_OUTLIER * width).sum())
    mild = int((beyond > limits.OUTLIER * width).sum()) - far
    if far or mild:
        flags.append(("outliers", f"{mild} mild and {far} severe of {len(latencies_s)} calls"))
    if np.ptp(latencies_s) > 0:
        order = np.arange(len(latencies_s))
        drift = stats.spearmanr(order, latencies_s).statistic
        if abs(drift) >= limits.DRIFT and stats.kendalltau(order, latencies_s).pvalue < limits.DRIFT_SIGNIFICANCE:
            flags.append(("drift", f"calls grow {'slower' if drift > 0 else 'faster'}, Spearman {drift:+.2f}"))
    return flags


def rounded_up(percent):
    """A half-width to two decimals, never less than it is, so that it does not print as the target that it misses."""
    return np.ceil(round(100 * percent, 6)) / 100


def flag_row(row):
    """Flags of what the run itself noted: `row` maps columns to numbers (NaN where not known) and texts."""
    flags = []
    if row["warmup_spread_percent"] > 100 * limits.WARMUP_SPREAD:
        spread = min(row["warmup_spread_percent"], 100)
        flags.append(
            ("warm-up", f"ended unsteady, its last calls differ by {spread:.0f}%{' or more' * (spread == 100)}")
        )
    if row["warmup_calls"] < limits.WARMUP_WINDOW:
        flags.append(("warm-up", f"too short to be seen to be steady: {row['warmup_calls']:.0f} call(s)"))
    if row["stopped_by"] in ("max-calls", "max-seconds") and not row["calls"] < limits.TARGET_CALLS:
        known = "" if np.isnan(row["half_width_percent"]) else f"to ±{rounded_up(row['half_width_percent']):.2f}% "
        flags.append(("target", f"median known {known}at {row['stopped_by']}"))
    if row["low_clock_percent"] > 100 * limits.LOW_CLOCK_SHARE:
        limit = f"{limits.LOW_CLOCK:.0%} of its largest"
        flags.append(("throttled", f"SM clock under {limit} in {row['low_clock_percent']:.0f}% of the samples"))
    clock_limits = [limit for limit in row["clock_limits"].split(", ") if limit not in ("", POWER_CAP)]
    if clock_limits:
        flags.append(("clock", f"limited by {', '.join(clock_limits)}"))
    if row["temperature_c"] >= limits.HOT_C:
        flags.append(("hot", f"{row['temperature_c']:.0f} °C"))
    if row["device_processes"] > 0:
        flags.append(("shared device", f"{row['device_processes']:.0f} other process(es) on it"))
    if row["other_cpu_percent"] > 100 * limits.OTHER_CPU:
        flags.append(("shared CPU", f"others took {row['other_cpu_percent']:.0f}% of it"))
    if row["cpu_clock_lowest_mhz"] < limits.LOW_CPU_CLOCK * row["cpu_clock_mhz"]:
        flags.append(("CPU clock", f"fell to {row['cpu_clock_lowest_mhz'] / row['cpu_clock_mhz']:.0%} of its median"))
    return flags


def flag_devices(ok):
    """For every row of `ok`, a list with a flag where the rounds of its cell and stage were measured on different devices."""
    known = ok["device_id"].where(ok["device_id"].astype(bool))
    devices = known.groupby([ok[key] for key in RUN[:-1]], sort=False).transform("nunique")
    return [[("devices", f"measured on {count} different ones")] if count > 1 else [] for count in devices]


def flag_speeds(ok):
    """For every row of `ok`, a list with a flag where it is one of the slower rounds of a cell that has two speeds."""
    flags = pd.Series([[] for _ in range(len(ok))], index=ok.index, dtype=object)
    for _, part in ok.groupby(KEY, sort=False):
        found = slow_rounds(part["iterations_per_second"])
        if found is not None:
            slow, less = found
            for place in part.index[slow]:
                flags[place] = [("two speeds", f"{less:.0%} slower than the other rounds")]
    return list(flags)


def flag_baselines(summary, baseline):
    """For every row of `summary`, with `device_ids` as text, a flag where its baseline was measured on another device."""
    devices = beside_baseline(summary, baseline, ["device_ids"])
    known = (devices["device_ids"].fillna("") != "") & (devices["device_ids_base"].fillna("") != "")
    other = known & (devices["device_ids"] != devices["device_ids_base"])
    return [f"devices (baseline): measured on another one. {REMEDIES['devices']}" if flag else "" for flag in other]


def flag_runs(measurements, calls):
    """Flags of every run and stage: a Series of lists by RUN. `calls` may be None: then only what the rows say."""
    of_calls = {}
    if calls is not None:
        measured = calls[calls["kind"] == "call"]
        of_calls = {key: flag_calls(part["latency_s"]) for key, part in measured.groupby(RUN, sort=False)}
    ok = measurements[measurements["status"] == "ok"]
    flags = [
        flag_row(row) + of_calls.get(key, []) + of_devices + of_speeds
        for key, row, of_devices, of_speeds in zip(
            ok[RUN].itertuples(index=False, name=None), ok.to_dict("records"), flag_devices(ok), flag_speeds(ok)
        )
    ]
    return pd.Series(flags, index=pd.MultiIndex.from_frame(ok[RUN]), dtype=object)


def flag_cells(measurements, calls):
    """The flags of every cell and stage as one text: `spread (round 2): …; drift (round 1, 3): …`, and what to do about it
    behind the last of each kind; a Series by RUN without the round."""
    runs = flag_runs(measurements, calls).explode().dropna().rename("flag").reset_index()
    if runs.empty:
        return pd.Series(dtype=object, index=pd.MultiIndex.from_arrays([[]] * len(RUN[:-1]), names=RUN[:-1]))
    told = runs.groupby([*RUN[:-1], "flag"], sort=False)["round"].agg(lambda rounds: ", ".join(map(str, rounds)))
    kinds, details = zip(*told.index.get_level_values("flag"))
    kinds = pd.Series(kinds, told.index)
    last = ~pd.DataFrame({"kind": kinds}).reset_index(level=RUN[:-1]).duplicated([*RUN[:-1], "kind"], keep="last")
    remedies = (". " + kinds.map(REMEDIES)).where(last.to_numpy(), "")
    texts = kinds + " (round " + told + "): " + pd.Series(details, told.index) + remedies
    return texts.groupby(level=RUN[:-1], sort=False).agg("; ".join)


def kinds_of(flags):
    """The kinds in such a text, without rounds and details."""
    return list(dict.fromkeys(flag.split(" (")[0] for flag in flags.split("; ") if flag))
