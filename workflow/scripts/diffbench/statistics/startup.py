"""Cold and warm start of each cell, and the images after which compiling has paid for itself."""

import numpy as np
import pandas as pd

from diffbench.data.rows import records, tuples
from diffbench.vocabulary.columns import BREAKEVEN, INTERVALS, STARTS

from .breakeven import breakeven_images, breakeven_interval

STATES = ("cold", "warm")
BREAKEVEN_COLUMNS = [name for column in BREAKEVEN.values() for name in (column, *INTERVALS[column])]


def rounds_of(measurements, state):
    """The rounds that began with a cache in that state; what compiles nothing has none, and counts for both."""
    return measurements[measurements["cache"].isin([state, ""]) & (measurements["status"] == "ok")]


def start_columns(measurements, key):
    """The columns of STARTS by `key`: the medians over the rounds that started cold, and over those that started warm."""
    parts = []
    for state in STATES:
        medians = rounds_of(measurements, state).groupby(key, sort=False)[list(STARTS)].median()
        parts.append(medians.rename(columns={name: by_state[state] for name, by_state in STARTS.items()}))
    return pd.concat(parts, axis=1)


def breakeven_columns(measurements, summary, key, baseline):
    """BREAKEVEN_COLUMNS in the order of `summary`; NaN for the baseline, and for what compiles nothing."""
    compiled = set(tuples(measurements.loc[measurements["cache"] != "", key].drop_duplicates()))
    rounds = {state: rounds_by_cell(measurements, key, state) if compiled else {} for state in STATES}
    rows = []
    for row in records(summary[key]):
        own, base = tuple(row.values()), tuple({**row, **baseline}.values())
        values = dict.fromkeys(BREAKEVEN_COLUMNS, np.nan)
        if own in compiled and own != base:
            for state in STATES:
                values.update(breakeven_of(rounds, state, own, base, row["batch_size"]))
        rows.append(values)
    frame = pd.DataFrame(rows, columns=BREAKEVEN_COLUMNS)
    return {column: frame[column].to_numpy() for column in BREAKEVEN_COLUMNS}


def rounds_by_cell(measurements, key, state):
    """{cell and stage: [(round, device, latency_s, startup_s), …]} of rounds_of."""
    rows, found = rounds_of(measurements, state), {}
    values = tuples(rows[["round", "device_id", "latency_s", "startup_s"]])
    for cell, of_round in zip(tuples(rows[key]), values):
        found.setdefault(cell, []).append(of_round)
    return found


def breakeven_of(rounds, state, own, base, batch_size):
    """The three columns of one cell and state; nothing where either cell has not started so. The calls' times are of all
    rounds, whatever they started with. `rounds`: rounds_by_cell of each state."""
    cells = own, base
    if any(cell not in rounds[state] for cell in cells):
        return {}
    startups_s = [np.array([start for *_, start in rounds[state][cell] if start == start]) for cell in cells]
    if not all(map(len, startups_s)):
        return {}
    calls = [[of_round for each in STATES for of_round in rounds[each].get(cell, ())] for cell in cells]
    latencies_s = [{number: latency_s for number, _, latency_s, _ in of_cell} for of_cell in calls]
    devices = [{number: device for number, device, *_ in of_cell} for of_cell in calls]
    for number in latencies_s[0].keys() & latencies_s[1].keys():
        device, other = (of_round[number] for of_round in devices)
        if device and other and device != other:  # no pair, as in speedup.pair_rounds: the baseline's gets another key
            latencies_s[1][number, other] = latencies_s[1].pop(number)
    common = latencies_s[0].keys() & latencies_s[1].keys()
    if len(common) > 1:  # a drift that hit a round which the other cell lacks is no difference between them
        latencies_s = [{number: cell[number] for number in sorted(common)} for cell in latencies_s]
    # one over the cell's images per second, as figures draw it
    images_s = [1 / np.median([batch_size / latency_s for latency_s in cell.values()]) for cell in latencies_s]
    images = breakeven_images(*map(np.median, startups_s), *images_s, batch_size)
    low, high = breakeven_interval(*startups_s, *latencies_s, batch_size)
    name = BREAKEVEN[state]
    return dict(zip((name, *INTERVALS[name]), (float(images), min(low, images), max(high, images))))
