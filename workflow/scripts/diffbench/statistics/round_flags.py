"""Flags from the rounds of a cell taken together: different devices, different environment variables, two speeds."""

import numpy as np
import pandas as pd

from diffbench.data.groups import groups_by_size, number_groups
from diffbench.data.types import Baseline
from diffbench.vocabulary.columns import KEY

from .flag_kinds import REMEDIES, Flag
from .speedup import beside_baseline
from .two_speeds import has_two_speeds, slow_rounds


def flag_devices(ok: pd.DataFrame) -> list[list[Flag]]:
    """For each row of `ok`, a list with a flag if the rounds of its cell and stage were measured on different devices."""
    known = ok["device_id"].where(ok["device_id"].astype(bool))
    devices = known.groupby([ok[key] for key in KEY], sort=False).transform("nunique")
    return [[Flag("devices", f"measured on {count} different devices")] if count > 1 else [] for count in devices]


def flag_variables(ok: pd.DataFrame) -> list[list[Flag]]:
    """For each row of `ok`, a list with a flag if the rounds of its cell and stage had different environment variables."""
    known = ok["environment_variables"].where(ok["environment_variables"].astype(bool))
    groups = known.groupby([ok[key] for key in KEY], sort=False)
    flags: list[list[Flag]] = [[] for _ in range(len(ok))]
    mixed = (groups.transform("nunique") > 1).to_numpy()
    for places in groups.indices.values() if mixed.any() else ():
        if mixed[places[0]]:
            lists = [set(text.split("; ")) for text in known.iloc[places].dropna()]
            names = {variable.partition("=")[0] for variable in set.union(*lists) - set.intersection(*lists)}
            for place in places:
                flags[place] = [Flag("variables", f"rounds differ in {', '.join(sorted(names))}")]
    return flags


def flag_speeds(ok: pd.DataFrame) -> list[list[Flag]]:
    """For each row of `ok`, a list with a flag if it is one of the slower rounds of a cell that has two speeds."""
    flags: list[list[Flag]] = [[] for _ in range(len(ok))]
    numbers, _ = number_groups(ok, KEY)
    rates = ok["iterations_per_second"].to_numpy(dtype=float)
    for places in groups_by_size(numbers):  # one line per group, all of one size
        for of_group in places[has_two_speeds(np.log(rates[places]))]:
            if slow := slow_rounds(rates[of_group]):
                for place in of_group[slow.is_slow]:
                    flags[place] = [Flag("two speeds", f"{slow.slower_by:.0%} slower than the other rounds")]
    return flags


def flag_baselines(summary: pd.DataFrame, baseline: Baseline) -> list[str]:
    """For each row of `summary`, with `device_ids` as text, a flag if its baseline was measured on another device."""
    devices = beside_baseline(summary, baseline, ["device_ids"])
    known = (devices["device_ids"].fillna("") != "") & (devices["device_ids_base"].fillna("") != "")
    other = known & (devices["device_ids"] != devices["device_ids_base"])
    return [f"devices (baseline): measured on another device. {REMEDIES['devices']}" if flag else "" for flag in other]
