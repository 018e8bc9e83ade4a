"""Cold and warm start of each cell, and the images after which compiling has paid for itself."""

import numpy as np
import pandas as pd

from .breakeven import breakeven_images, breakeven_interval

STATES = ("cold", "warm")
STARTS = ("first_call_s", "compile_s", "startup_s")
START_COLUMNS = [f"{name[:-2]}_{state}_s" for name in STARTS for state in STATES]
BREAKEVEN_COLUMNS = [f"breakeven_{state}_images{end}" for state in STATES for end in ("", "_low", "_high")]


def rounds_of(measurements, state):
    """The rounds that began with a cache in that state; what compiles nothing has none, and counts for both."""
    return measurements[measurements["cache"].isin([state, ""]) & (measurements["status"] == "ok")]


def start_columns(measurements, key):
    """START_COLUMNS by `key`: the medians over the rounds that started cold, and over those that started warm."""
    parts = []
    for state in STATES:
        medians = rounds_of(measurements, state).groupby(key, sort=False)[list(STARTS)].median()
        parts.append(medians.rename(columns={name: f"{name[:-2]}_{state}_s" for name in STARTS}))
    return pd.concat(parts, axis=1)


def breakeven_columns(measurements, summary, key, baseline):
    """BREAKEVEN_COLUMNS in the order of `summary`; NaN for the baseline, and for what compiles nothing."""
    of_state = {state: dict(list(rounds_of(measurements, state).groupby(key, sort=False))) for state in STATES}
    compiled = set(measurements.loc[measurements["cache"] != "", key].itertuples(index=False, name=None))
    rows = []
    for row in summary[key].to_dict("records"):
        own, base = tuple(row.values()), tuple({**row, **baseline}.values())
        values = dict.fromkeys(BREAKEVEN_COLUMNS, np.nan)
        if own in compiled and own != base:
            for state in STATES:
                values.update(breakeven_of(of_state, state, own, base))
        rows.append(values)
    frame = pd.DataFrame(rows, columns=BREAKEVEN_COLUMNS)
    return {column: frame[column].to_numpy() for column in BREAKEVEN_COLUMNS}


def breakeven_of(of_state, state, own, base):
    """The three columns of one cell and state; nothing where either cell has not started so. The calls' times are of all
    rounds, whatever they started with."""
    starts = [of_state[state].get(key) for key in (own, base)]
    if any(part is None for part in starts):
        return {}
    calls = [pd.concat(of_state[each][key] for each in STATES if key in of_state[each]) for key in (own, base)]
    latencies_s = [dict(zip(part["round"], part["latency_s"])) for part in calls]
    startups_s = [part["startup_s"].dropna().to_numpy() for part in starts]
    if not all(map(len, startups_s)):
        return {}
    size = int(starts[0]["batch_size"].iloc[0])
    devices = [dict(zip(part["round"], part["device_id"])) for part in calls]
    for number in latencies_s[0].keys() & latencies_s[1].keys():
        device, other = (of_round[number] for of_round in devices)
        if device and other and device != other:  # no pair, as in speedup.pair_rounds: the baseline's gets another key
            latencies_s[1][number, other] = latencies_s[1].pop(number)
    common = latencies_s[0].keys() & latencies_s[1].keys()
    if len(common) > 1:  # a drift that hit a round which the other cell lacks is no difference between them
        latencies_s = [{number: cell[number] for number in sorted(common)} for cell in latencies_s]
    # one over the cell's images per second, as figures draw it
    images_s = [1 / np.median([size / latency_s for latency_s in cell.values()]) for cell in latencies_s]
    images = breakeven_images(*map(np.median, startups_s), *images_s, size)
    low, high = breakeven_interval(*startups_s, *latencies_s, size)
    name = f"breakeven_{state}_images"
    return {name: float(images), f"{name}_low": min(low, images), f"{name}_high": max(high, images)}
