"""What looks wrong with a run: pairs of a kind (`spread`, `drift`, …) and its detail, and what the user can do about each kind.
Nothing is dropped for it. Limits: thresholds.py."""

from functools import lru_cache

import numpy as np
import pandas as pd
from scipy import stats

from diffbench.data.groups import groups_by_size, number_groups
from diffbench.data.rows import records, tuples
from diffbench.vocabulary import thresholds as limits
from diffbench.vocabulary.columns import MACHINE

from .speedup import KEY, beside_baseline
from .two_speeds import has_two_speeds, slow_rounds

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
    "variables": "Measure all rounds again, with the same environment variables",
}


def flag_calls(latencies_s):
    """Flags of the measured calls of several runs, in their order: a list a run. `latencies_s`: calls along the last axis."""
    latencies_s = np.asarray(latencies_s, dtype=float)
    count = latencies_s.shape[-1]
    flags = [[] for _ in range(len(latencies_s))]
    if count < limits.FEWEST_CALLS:
        return flags
    q1, median, q3 = np.percentile(latencies_s, [25, 50, 75], axis=-1)[..., None]
    width = q3 - q1
    for place in np.flatnonzero(width / median > limits.SPREAD):
        flags[place].append(("spread", f"IQR {(width / median)[place, 0]:.0%} of the median"))
    beyond = np.maximum(q1 - latencies_s, latencies_s - q3)
    far = (beyond > limits.FAR_OUTLIER * width).sum(axis=-1)
    mild = (beyond > limits.OUTLIER * width).sum(axis=-1) - far
    for place in np.flatnonzero(far + mild):
        flags[place].append(("outliers", f"{mild[place]} mild and {far[place]} severe of {count} calls"))
    for place, drift in drifts_of(stats.rankdata(latencies_s, axis=-1)):
        flags[place].append(("drift", f"calls grow {'slower' if drift > 0 else 'faster'}, Spearman {drift:+.2f}"))
    return flags


def drifts_of(ranks):
    """(place of a run, Spearman's rank correlation of its calls with their order) of the runs that drift."""
    order = np.arange(ranks.shape[-1])
    ranks_off, order_off = ranks - ranks.mean(axis=-1, keepdims=True), order - order.mean()
    together = np.abs(ranks_off @ order_off)
    most = np.sqrt((ranks_off**2).sum(axis=-1) * (order_off**2).sum())  # 0 where all calls are equal
    for place in np.flatnonzero((most > 0) & (together >= (limits.DRIFT - 1e-6) * most)):
        drift, pvalue = correlate(tuple(ranks[place]))
        if abs(drift) >= limits.DRIFT and pvalue < limits.DRIFT_SIGNIFICANCE:
            yield place, drift


@lru_cache(maxsize=2**16)
def correlate(ranks):
    """(Spearman's rank correlation with the order, the p-value of Kendall's tau) of ranks. Runs of few calls share them."""
    order = np.arange(1.0, len(ranks) + 1)
    spearman = np.corrcoef(np.column_stack([order, ranks]), rowvar=False)[1, 0]
    return spearman, stats.kendalltau(order, ranks).pvalue


def rounded_up(percent):
    """A half-width to two decimals, never less than it is, so that it does not print as the target that it misses."""
    return np.ceil(round(100 * percent, 6)) / 100


def print_warmup(row):
    spread = min(row["warmup_spread_percent"], 100)
    return f"ended unsteady, its last calls differ by {spread:.0f}%{' or more' * (spread == 100)}"


def print_target(row):
    known = "" if np.isnan(row["half_width_percent"]) else f"to ±{rounded_up(row['half_width_percent']):.2f}% "
    return f"median known {known}at {row['stopped_by']}"


def other_limits(text):
    """What limited the clock beside the cap of the power, as text."""
    return ", ".join(limit for limit in text.split(", ") if limit not in ("", POWER_CAP))


NOTED = ["warmup_spread_percent", "warmup_calls", "stopped_by", "calls", "half_width_percent", *MACHINE]
RULES = (  # of what a run itself noted: kind, which rows have the flag, the detail of one of them
    ("warm-up", lambda rows: rows["warmup_spread_percent"] > 100 * limits.WARMUP_SPREAD, print_warmup),
    (
        "warm-up",
        lambda rows: rows["warmup_calls"] < limits.WARMUP_WINDOW,
        lambda row: f"too short to be seen to be steady: {row['warmup_calls']:.0f} call(s)",
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
            f"SM clock under {limits.LOW_CLOCK:.0%} of its largest in {row['low_clock_percent']:.0f}% of the samples"
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
        lambda row: f"others took {row['other_cpu_percent']:.0f}% of it",
    ),
    (
        "CPU clock",
        lambda rows: rows["cpu_clock_lowest_mhz"] < limits.LOW_CPU_CLOCK * rows["cpu_clock_mhz"],
        lambda row: f"fell to {row['cpu_clock_lowest_mhz'] / row['cpu_clock_mhz']:.0%} of its median",
    ),
)


def flag_rows(rows):
    """For every row a list with the flags of what the run itself noted: numbers (NaN where not known) and texts."""
    rows, flags = rows[NOTED], [[] for _ in range(len(rows))]
    for kind, has_flag, describe in RULES:
        places = np.flatnonzero(has_flag(rows))
        for place, row in zip(places, records(rows.iloc[places])):
            flags[place].append((kind, describe(row)))
    return flags


def flag_devices(ok):
    """For every row of `ok`, a list with a flag where the rounds of its cell and stage were measured on different devices."""
    known = ok["device_id"].where(ok["device_id"].astype(bool))
    devices = known.groupby([ok[key] for key in RUN[:-1]], sort=False).transform("nunique")
    return [[("devices", f"measured on {count} different ones")] if count > 1 else [] for count in devices]


def flag_variables(ok):
    """For every row of `ok`, a list with a flag where the rounds of its cell and stage had different environment variables."""
    known = ok["environment_variables"].where(ok["environment_variables"].astype(bool))
    groups = known.groupby([ok[key] for key in RUN[:-1]], sort=False)
    flags = [[] for _ in range(len(ok))]
    mixed = (groups.transform("nunique") > 1).to_numpy()
    for places in groups.indices.values() if mixed.any() else ():
        if mixed[places[0]]:
            lists = [set(text.split("; ")) for text in known.iloc[places].dropna()]
            names = {variable.partition("=")[0] for variable in set.union(*lists) - set.intersection(*lists)}
            for place in places:
                flags[place] = [("variables", f"rounds differ in {', '.join(sorted(names))}")]
    return flags


def flag_speeds(ok):
    """For every row of `ok`, a list with a flag where it is one of the slower rounds of a cell that has two speeds."""
    flags = [[] for _ in range(len(ok))]
    numbers, _ = number_groups(ok, KEY)
    rates = ok["iterations_per_second"].to_numpy(dtype=float)
    for places in groups_by_size(numbers):  # groups of one size down, their rows across
        for of_group in places[has_two_speeds(np.log(rates[places]))]:
            slow, less = slow_rounds(rates[of_group])
            for place in of_group[slow]:
                flags[place] = [("two speeds", f"{less:.0%} slower than the other rounds")]
    return flags


def flag_baselines(summary, baseline):
    """For every row of `summary`, with `device_ids` as text, a flag where its baseline was measured on another device."""
    devices = beside_baseline(summary, baseline, ["device_ids"])
    known = (devices["device_ids"].fillna("") != "") & (devices["device_ids_base"].fillna("") != "")
    other = known & (devices["device_ids"] != devices["device_ids_base"])
    return [f"devices (baseline): measured on another one. {REMEDIES['devices']}" if flag else "" for flag in other]


def flag_runs(measurements, calls):
    """{values of RUN: flags} of every run and stage that has some. `calls` may be None: then only what the rows say."""
    ok = measurements[measurements["status"] == "ok"]
    flags = [
        sum(parts, [])
        for parts in zip(
            flag_rows(ok), flags_of_calls(ok, calls), flag_devices(ok), flag_variables(ok), flag_speeds(ok)
        )
    ]
    flagged = np.array(list(map(bool, flags)), dtype=bool)
    return dict(zip(tuples(ok.loc[flagged, RUN]), filter(None, flags)))


def flags_of_calls(ok, calls):
    """For every row of `ok`, the list of flags of its measured calls."""
    if calls is None:
        return [[] for _ in range(len(ok))]
    measured = calls[calls["kind"] == "call"]
    numbers, keys = number_groups(measured, RUN)
    latencies_s = measured["latency_s"].to_numpy(dtype=float)
    found = {}
    for places in groups_by_size(numbers):
        of_run = dict(zip(numbers[places[:, 0]].tolist(), flag_calls(latencies_s[places])))
        found.update({number: flags for number, flags in of_run.items() if flags})
    named = dict(zip(tuples(keys.iloc[list(found)]), found.values()))
    return [named.get(key, []) for key in tuples(ok[RUN])]


def flag_cells(measurements, calls):
    """The flags of every cell and stage as one text: `spread (round 2): …; drift (round 1, 3): …`, and what to do about it
    behind the last of each kind; a Series by KEY."""
    runs, cells = flag_runs(measurements, calls), {}
    for (*cell, number), flags in runs.items():
        rounds = cells.setdefault(tuple(cell), {})
        for flag in flags:
            rounds.setdefault(flag, []).append(str(number))
    index = pd.MultiIndex.from_frame(pd.DataFrame(list(cells), columns=KEY))
    return pd.Series(list(map(describe_flags, cells.values())), index=index, dtype=object)


def describe_flags(rounds):
    """The text of one cell and stage; `rounds` maps each flag to the rounds that have it."""
    last = {kind: place for place, (kind, _) in enumerate(rounds)}
    return "; ".join(
        f"{kind} (round {', '.join(numbers)}): {detail}" + f". {REMEDIES[kind]}" * (last[kind] == place)
        for place, ((kind, detail), numbers) in enumerate(rounds.items())
    )


def kinds_of(flags):
    """The kinds in such a text, without rounds and details."""
    return list(dict.fromkeys(flag.split(" (")[0] for flag in flags.split("; ") if flag))
