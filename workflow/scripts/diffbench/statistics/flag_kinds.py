"""The kinds of flags, and what the user can do about each. A flag says what looks wrong with a run."""

from typing import NamedTuple

REMEDIES = {
    "spread": "Stop other programs on the machine. On a GPU, lock the clocks with nvidia-smi -lgc",
    "outliers": "Stop other programs on the machine, or raise measurement.max_calls",
    "drift": "Raise measurement.warmup_calls and max_warmup_calls, so that temperature and clocks settle first",
    "warm-up": "Raise measurement.warmup_calls and max_warmup_calls",
    "target": "Raise measurement.max_calls or max_seconds, or accept a wider interval: raise target_percent",
    "throttled": "Cool the GPU, or lock its clock lower with nvidia-smi -lgc",
    "clock": "Check the GPU's cooling and power supply",
    "hot": "Cool the GPU, or lock its clock lower with nvidia-smi -lgc",
    "shared device": "Stop the other processes that nvidia-smi lists on this GPU",
    "shared CPU": "Stop other programs on the machine",
    "CPU clock": "Set the CPU's frequency governor to performance, and check its cooling",
    "two speeds": "Stop other programs on the machine, lock the clocks, and raise `rounds`",
    "devices": "Measure all rounds and the baseline on one device",
    "variables": "Measure all rounds again, with the same environment variables",
}


class Flag(NamedTuple):
    """Something that looks wrong with a run: a `kind`, which is a key of REMEDIES, and its `detail`."""

    kind: str
    detail: str


def kinds_of(flags: str) -> list[str]:
    """The kinds in the `flags` of a summary's row, without rounds and details."""
    return list(dict.fromkeys(flag.split(" (")[0] for flag in flags.split("; ") if flag))
