"""Peak memory in MiB: of the device through torch, of this process through /proc."""

from __future__ import annotations

import torch

MIB = 2**20


def reset_peaks(device: torch.device) -> None:
    """Reset the peaks, also the kernel's own peak of this process if /proc allows it."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    try:
        with open("/proc/self/clear_refs", "w", encoding="utf-8") as file:
            file.write("5")  # 5: reset the peak resident set size (man 5 proc)
    except OSError:
        return


def peaks_mib(device: torch.device) -> dict[str, float]:
    """Peak memory since `reset_peaks`; peaks that cannot be read are left out."""
    peaks = {}
    try:
        with open("/proc/self/status", encoding="utf-8") as file:
            fields = dict(line.split(":", 1) for line in file)
        peaks["peak_rss_mib"] = int(fields["VmHWM"].split()[0]) / 1024
    except (OSError, KeyError):
        pass
    if device.type == "cuda":
        peaks["peak_allocated_mib"] = torch.cuda.max_memory_allocated(device) / MIB
        peaks["peak_reserved_mib"] = torch.cuda.max_memory_reserved(device) / MIB
    return peaks
