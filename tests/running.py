"""Running measure.py as a user would, and what goes wrong from outside."""

import contextlib
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
    output,
    *arguments,
    pipeline="sd-txt2img",
    batch_size=1,
    variant="eager",
    environment=None,
    python=None,
    fork=True,
    script=MEASURE,
):
    """Run measure.py as a user would, with few calls. Returns the completed process.

    With the tests' own Python and environment it is forked from a process that this one owns, unless `fork` is false.
    """
    command = [
        python or sys.executable,
        script,
        "--pipeline",
        pipeline,
        "--batch-size",
        batch_size,
        "--variant",
        variant,
    ]
    command += ["--max-warmup-calls", 3, "--max-calls", 6]
    command += ["--owner", os.getpid() if fork and not python and not environment else "none"]
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
        pid = int(Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[1])
    return False


def command_line(pid):
    """The words of a process's command; none if it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")[:-1]
    except OSError:
        return []


def measuring_processes():
    """The pids of the measuring processes that this test has started. One that was forked has the command of what it was forked
    from, which names the pid of the workflow."""
    for pid in (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()):
        command = command_line(pid)
        if not any(word.endswith("/measuring_process.py") for word in command):
            continue
        with contextlib.suppress(OSError):
            if "--serve" not in command:
                is_run = is_ours(pid)
            else:
                parent = int(Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[1])
                is_run = command_line(parent) == command and is_ours(int(command[-1]))
            if is_run:
                yield pid


def measuring_sessions():
    """The sessions that measuring processes lead: a process that forks to start another program is still one."""
    sessions = set()
    for pid in measuring_processes():
        try:
            sessions.add(os.getsid(pid))
        except OSError:
            continue
    return sessions


def has_begun(pid):
    """Whether a measuring process has reported that it loads its pipeline."""
    with contextlib.suppress(OSError):
        files = [link.readlink() for link in Path(f"/proc/{pid}/fd").iterdir()]
        return any('"phase"' in file.read_text() for file in files if file.name == "events.jsonl")
    return False


def once_measuring(work):
    """Do some work with the pid of the next measuring process that loads its pipeline. Returns the thread."""

    def wait_and_work():
        while not (begun := list(filter(has_begun, measuring_processes()))):
            time.sleep(0.1)
        for pid in begun:
            work(pid)

    thread = threading.Thread(target=wait_and_work, daemon=True)
    thread.start()
    return thread


def kill_measuring_process(number=signal.SIGKILL):
    """Send a signal to the next measuring process that loads its pipeline. Returns the thread."""
    return once_measuring(lambda pid: os.kill(pid, number))
