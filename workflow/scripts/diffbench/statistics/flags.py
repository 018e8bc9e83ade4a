"""The flags of every run and of every cell, as text for a summary. A flag never removes a measurement."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from diffbench.data.rows import tuples
from diffbench.vocabulary.columns import KEY

from .call_flags import RUN, flags_of_calls
from .flag_kinds import REMEDIES, Flag
from .round_flags import flag_devices, flag_speeds, flag_variables
from .run_flags import flag_rows


def flag_runs(measurements: pd.DataFrame, calls: pd.DataFrame | None) -> dict[tuple[Any, ...], list[Flag]]:
    """{values of RUN: flags} of every run and stage that has some. If `calls` is None, only the rows are checked."""
    ok = measurements[measurements["status"] == "ok"]
    flags = [
        sum(parts, [])
        for parts in zip(
            flag_rows(ok), flags_of_calls(ok, calls), flag_devices(ok), flag_variables(ok), flag_speeds(ok)
        )
    ]
    flagged = np.array(list(map(bool, flags)), dtype=bool)
    return dict(zip(tuples(ok.loc[flagged, RUN]), filter(None, flags)))


def flag_cells(measurements: pd.DataFrame, calls: pd.DataFrame | None) -> pd.Series:
    """The flags of every cell and stage as one text: `spread (round 2): …; drift (round 1, 3): …`, with the remedy after the last
    flag of each kind. A Series indexed by KEY."""
    cells: dict[tuple[Any, ...], dict[Flag, list[str]]] = {}
    for (*cell, number), flags in flag_runs(measurements, calls).items():
        rounds = cells.setdefault(tuple(cell), {})
        for flag in flags:
            rounds.setdefault(flag, []).append(str(number))
    index = pd.MultiIndex.from_frame(pd.DataFrame(list(cells), columns=KEY))
    return pd.Series(list(map(describe_flags, cells.values())), index=index, dtype=object)


def describe_flags(rounds: Mapping[Flag, Sequence[str]]) -> str:
    """The text of one cell and stage; `rounds` maps each flag to the rounds that have it."""
    last = {kind: place for place, (kind, _) in enumerate(rounds)}
    return "; ".join(
        f"{kind} (round {', '.join(numbers)}): {detail}" + f". {REMEDIES[kind]}" * (last[kind] == place)
        for place, ((kind, detail), numbers) in enumerate(rounds.items())
    )
