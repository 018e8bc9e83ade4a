"""Runs that get flags."""

from diffbench.statistics.call_flags import flag_calls


def flags_of_run(latencies_s):
    """The flags of the calls of one run."""
    (flags,) = flag_calls([latencies_s])
    return flags
