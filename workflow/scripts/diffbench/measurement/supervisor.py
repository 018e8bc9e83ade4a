"""The parent: starts the measuring process, monitors its time and memory, and ends it at a limit."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from diffbench.libraries.failure import Outcome
from diffbench.vocabulary.errors import TemplateKilled

from .locking import write_holder
from .memory_limit import MemoryLimit
from .process_death import add_stuck, cpu_limit_s, describe_death, kernel_oom_kills
from .session import POLL_S, PROGRAM, is_dead, kill_session

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import IO

    import psutil

    from .allocation import Limits
    from .forked import Template
    from .monitor import Monitor

OWNER_POLLS = 10  # every second


def watch(
    process: Any, limits: Limits, monitor: Monitor, start_s: float, owner: psutil.Process | None = None
) -> Outcome | None:
    """Wait for the child, started at `start_s`, within its Limits (allocation.py) while `monitor` samples the machine.

    Returns None if it ended by itself, else the Outcome after killing it at a limit. Raises KeyboardInterrupt if the
    workflow `owner` has been killed.
    """
    deadline_s = start_s + limits.time_s
    polls = 0
    memory = MemoryLimit(process.pid, limits.memory_mib, getattr(process, "template", None))
    while True:
        try:
            process.wait(timeout=POLL_S)
            return None
        except subprocess.TimeoutExpired:
            pass
        polls += 1
        if owner and not polls % OWNER_POLLS and (not owner.is_running() or is_dead(owner.pid)):
            raise KeyboardInterrupt
        monitor.sample(process.pid, time.monotonic())
        if time.monotonic() > deadline_s:
            detail = f"stopped at the time limit of {limits.time_s:g} s{limits.time_origin}"
            return Outcome("timeout", add_stuck(detail, kill_session(process)))
        if memory.is_exceeded():
            detail = f"stopped above the memory limit of {limits.memory_mib:g} MiB of host memory{limits.memory_origin}"
            return Outcome("oom", add_stuck(detail, kill_session(process)))


def run_child(
    spec: Mapping[str, Any],
    spec_path: str | Path,
    environment: Mapping[str, str],
    log: IO[bytes],
    lock: int,
    limits: Limits,
    monitor: Monitor,
    owner: psutil.Process | None = None,
    template: Template | None = None,
) -> Outcome | None:
    """Run the measuring process to its end. Returns how it died or was stopped; None if it exited with code 0.

    `spec` is written to `spec_path`, in the run's own folder, in which the child works; its output goes to `log`. The child
    inherits the descriptor `lock`, so that the device stays locked while the child lives. With `template` the child is
    forked from that if possible. An interrupt, or the end of the workflow `owner`, kills the child and is raised. Raises
    TemplateKilled.
    """
    Path(spec_path).write_text(json.dumps(spec), encoding="utf-8")
    before = kernel_oom_kills()
    start_s = time.monotonic()
    process: Any = template.fork(spec_path, environment, log, lock) if template else None
    if process is None:
        start_s = time.monotonic()
        process = subprocess.Popen(
            [sys.executable, str(PROGRAM), str(spec_path)],
            env=environment,
            cwd=str(Path(spec_path).parent),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            pass_fds=[lock],
        )
    try:
        write_holder(lock, process.pid)
        stopped = watch(process, limits, monitor, start_s, owner)
    except BaseException:
        kill_session(process)
        raise
    if stopped:
        return stopped
    ended_s = time.monotonic()
    stuck = kill_session(process)  # workers that outlived it
    if process.returncode == 0:
        return None
    oom_kills = kernel_oom_kills() - before
    if getattr(process, "is_lost", False) and not oom_kills:
        raise TemplateKilled(f"measured again: process {process.template}, from which the run was forked, was killed")
    status, detail = describe_death(process.returncode, oom_kills, cpu_limit_s(ended_s - start_s))
    return Outcome(status, add_stuck(detail, stuck))
