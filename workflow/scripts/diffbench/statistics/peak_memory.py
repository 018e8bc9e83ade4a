"""The peak memory that every table and page prints: the memory that the process holds on the device.

Torch's "allocated" would be too low: the pools of CUDA graphs are reserved and never allocated, so a variant with CUDA graphs
would seem to need less memory than it takes from the device.
"""

from collections.abc import Iterable
from typing import NamedTuple

from diffbench.data.rows import is_number
from diffbench.data.types import Row
from diffbench.vocabulary.columns import START_PEAKS
from diffbench.vocabulary.statuses import OUTSIDE


class Kind(NamedTuple):
    """`mark` is printed with each number of a column with several kinds, `header` heads a column of one kind."""

    mark: str
    header: str


KINDS = {  # by the column of a summary; the first known is printed
    "peak_process_mib": Kind("on the device", "peak memory on the device"),
    "peak_reserved_mib": Kind("reserved by torch", "peak memory on the device, reserved by torch"),
    "peak_rss_mib": Kind("of the process", "peak memory of the process"),
}


class Peak(NamedTuple):
    """Peaks in MiB while starting (None if unknown) and once warm; `kind` is a key of KINDS."""

    start_mib: float | None
    warm_mib: float
    kind: str


def peak_of(row: Row) -> Peak | None:
    """The Peak of a summary's row, None if none is known. On a GPU the host's memory is never taken for the device's."""
    on_device = is_number(row["peak_allocated_mib"])
    for kind in KINDS:
        if is_number(row[kind]) and not (on_device and kind == "peak_rss_mib"):
            start = row[START_PEAKS[kind]]
            return Peak(start if is_number(start) else None, row[kind], kind)
    return None


def kinds_in(rows: Iterable[Row]) -> list[str]:
    """The kinds of the rows' peaks, each once, in the order of KINDS."""
    found = {peak.kind for peak in map(peak_of, rows) if peak}
    return [kind for kind in KINDS if kind in found]


def name_peaks(rows: Iterable[Row]) -> str:
    """The header of a column of the rows' peaks: `peak memory on the device`; with several kinds, each cell names its own."""
    kinds = kinds_in(rows)
    return KINDS[kinds[0]].header if len(kinds) == 1 else "peak memory"


def print_peak(row: Row, mixed: bool, start: bool = False) -> str:
    """`3690`; with `start` `3556 / 3690`: while starting and once warm. `mixed`: the column has several kinds; name each."""
    peak = peak_of(row)
    if peak is None:
        return OUTSIDE
    values = [peak.start_mib] * (start and peak.start_mib is not None) + [peak.warm_mib]
    return " / ".join(f"{value:.0f}" for value in values) + f" ({KINDS[peak.kind].mark})" * mixed
