"""Running measure.py as a user would, and what goes wrong from outside."""

import csv
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from conftest import ROOT

MEASURE = ROOT / "workflow/scripts/measure.py"


def measure(
    output, *arguments, pipeline="sd-txt2img", batch_size=1, variant="eager", environment=None, python=sys.executable
):
    """Run measure.py as a user would, with few calls. Returns the completed process."""
    command = [python, MEASURE, "--pipeline", pipeline, "--batch-size", batch_size, "--variant", variant]
    command += ["--max-warmup-calls", 3, "--max-calls", 6]
    return subprocess.run(
        [*map(str, command), *map(str, arguments), "--output", str(output)],
        capture_output=True,
        text=True,
        env={**os.environ, **(environment or {})},
    )


def rows_of(folder, name="run.csv"):
    with open(Path(folder) / name, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def is_ours(pid):
    """Whether the process descends from this one: another's benchmark on the machine is left alone."""
    while pid > 1:
        if pid == os.getpid():
            return True
        pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return False


def measuring_processes():
    """The pids of the measuring processes that this test has started."""
    for entry in Path("/proc").iterdir():
        try:
            if (
                entry.name.isdigit()
                and b"/measuring_process.py\0" in (entry / "cmdline").read_bytes()
                and is_ours(int(entry.name))
            ):
                yield int(entry.name)
        except OSError:
            continue


def measuring_sessions():
    """The sessions that measuring processes lead: a process that forks to start another program is still one."""
    sessions = set()
    for pid in measuring_processes():
        try:
            sessions.add(os.getsid(pid))
        except OSError:
            continue
    return sessions


def kill_measuring_process(delay_s=1.0):
    """Kill the next measuring process that is seen, after a while."""

    def wait_and_kill():
        while not list(measuring_processes()):
            time.sleep(0.1)
        time.sleep(delay_s)
        for pid in measuring_processes():
            os.kill(pid, signal.SIGKILL)

    thread = threading.Thread(target=wait_and_kill, daemon=True)
    thread.start()
    return thread
