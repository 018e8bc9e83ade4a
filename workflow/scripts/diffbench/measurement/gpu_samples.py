"""Samples of a GPU by NVML: clocks, power, energy, temperature, memory and the processes that use it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from .session import session_pids

if TYPE_CHECKING:
    from collections.abc import Iterable

MIB = 2**20

LIMITS = {  # bits of NVML's clocks event reasons (nvml.h) that slow a device down
    0x4: "power cap",
    0x8: "hardware slowdown",
    0x20: "software thermal slowdown",
    0x40: "hardware thermal slowdown",
    0x80: "hardware power brake",
}


class GpuSampler:
    """The GPU of the run, by NVML. Values that the driver does not report are left out."""

    def __init__(self, uuid: str) -> None:
        import pynvml

        self.nvml = pynvml
        pynvml.nvmlInit()
        self.handle = self.card = pynvml.nvmlDeviceGetHandleByUUID(uuid)
        if uuid.startswith("MIG-"):  # clocks are the whole card's; so are power and energy, which others share
            self.card = self.read("nvmlDeviceGetDeviceHandleFromMigDeviceHandle") or self.handle
        self.largest_mhz = self.read("nvmlDeviceGetMaxClockInfo", pynvml.NVML_CLOCK_SM, handle=self.card)

    def read(self, function: str, *arguments: Any, handle: Any = None) -> Any:
        """The result of a function of NVML; None if the device, the driver or the package lacks it."""
        try:
            return getattr(self.nvml, function)(handle or self.handle, *arguments)
        except Exception:  # NVMLError, a driver that lacks the function: no reason to lose a measurement
            return None

    def sample(self, own: RunPids) -> dict[str, Any]:
        """One sample; `own` has the pids of the run (Own)."""
        reasons = self.read("nvmlDeviceGetCurrentClocksEventReasons", handle=self.card)
        if reasons is None:
            reasons = self.read("nvmlDeviceGetCurrentClocksThrottleReasons", handle=self.card)
        memory = self.read("nvmlDeviceGetMemoryInfo")
        users = self.read("nvmlDeviceGetComputeRunningProcesses")
        others, process_bytes = (None, None) if users is None else split_users(users, own)
        return {
            "sm_clock_mhz": self.read("nvmlDeviceGetClockInfo", self.nvml.NVML_CLOCK_SM, handle=self.card),
            "power_mw": self.read("nvmlDeviceGetPowerUsage"),
            "energy_mj": self.read("nvmlDeviceGetTotalEnergyConsumption"),
            "temperature_c": self.read("nvmlDeviceGetTemperature", self.nvml.NVML_TEMPERATURE_GPU, handle=self.card),
            "limits": reasons,
            "used_bytes": None if memory is None else memory.used,
            "others": others,
            "process_bytes": process_bytes,
        }


class RunPids:
    """The pids of the run that `session` leads, read again only when an unknown pid appears."""

    def __init__(self, session: int) -> None:
        self.session, self.pids = session, {session}
        self.foreign: set[int] = set()
        self.unknown: set[int] = set()
        self.earlier: set[int] | None = None  # pids that were on the GPU before the run had time to open it

    def split(self, pids: set[int]) -> tuple[set[int], set[int]]:
        """(pids of the run, pids that no process has here): in a container the driver may report the host's pids.

        The first call must come before the run opens the GPU: an unknown pid that is there already belongs to another
        process.
        """
        if self.earlier is None:
            self.earlier = set(pids)
        if not pids <= self.pids | self.foreign | self.unknown:
            self.pids = {self.session, *session_pids(self.session)}
            self.unknown = {pid for pid in pids - self.pids - self.earlier if not exists(pid)}
            self.foreign = pids - self.pids - self.unknown
        return pids & self.pids, pids & self.unknown


def exists(pid: int) -> bool:
    """Whether a process has this pid."""
    try:
        os.getsid(pid)
    except OSError:
        return False
    return True


def split_users(users: Iterable[Any], own: RunPids) -> tuple[int, int | None]:
    """(number of processes on a GPU that are not the run's, bytes that the run's processes hold or None if unknown), from
    NVML's list.

    If the pids are the host's, one of them is the run, and its bytes are known if it is the only one.
    """
    pids = {user.pid for user in users}
    ours, unknown = own.split(pids)
    if not ours and unknown:
        ours = unknown if len(unknown) == 1 else set()
        others = len(pids) - 1
    else:
        others = len(pids - ours)
    held = [user.usedGpuMemory for user in users if user.pid in ours]
    return others, None if None in held or not held else sum(held)


def open_gpu(uuid: str) -> GpuSampler | None:
    """The Gpu; None if NVML does not open it: the measurement does not depend on it."""
    try:
        return GpuSampler(uuid)
    except Exception:  # no package, no permission
        return None
