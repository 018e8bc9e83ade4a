"""The parent: starts the measuring process, watches its time and memory, and says how it ended if it died."""

import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

from diffbench.vocabulary.columns import RATE
from diffbench.vocabulary.errors import SetupError, TemplateKilled, one_line

from .locking import write_holder
from .session import POLL_S, PROGRAM, UNREPORTED, is_dead, kill_session, proportional_kib, resident_kib, total_mib

OF_CALLS = [*RATE, "compile_s", "startup_s"]  # what only calls that were measured to their end give
MEMORY_POLLS = 5  # reading /proc takes time from a core: every half second
OWNER_POLLS = 10  # every second
FAULT = "fault"  # the status of a death that is no outcome of a cell
FAULTS = {  # signals that no program sends to itself, and what they mean
    signal.SIGBUS: "a file in memory cannot be read or written: look for a full /dev/shm, and at `dmesg`",
    signal.SIGXCPU: "raise `ulimit -t`",
    signal.SIGXFSZ: "raise `ulimit -f`",
    **dict.fromkeys(
        (
            *(signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2),
            *(signal.SIGALRM, signal.SIGVTALRM, signal.SIGPROF, signal.SIGPIPE, signal.SIGIO),
        ),
        "somebody stopped it: start it again",
    ),
}
REMEDIES = {  # of a limit that was reached while libraries were imported
    "timeout": "raise the time limit",
    "oom": "raise the memory limit, or use a machine with more memory",
}
PROPORTIONAL_SHARE = 0.01  # of the time at most goes into reading proportional memory, which takes much more


def kernel_oom_kills():
    """How many processes the kernel has killed for want of memory, on the machine and in this control group."""
    total = 0
    try:
        groups = Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines()
        group = next((line[3:].lstrip("/") for line in groups if line.startswith("0::")), None)
    except OSError:
        group = None
    sources = ["/proc/vmstat"] + ([f"/sys/fs/cgroup/{group}/memory.events"] if group is not None else [])
    for source in sources:
        try:
            lines = Path(source).read_text(encoding="utf-8").splitlines()
        except OSError:
            continue
        total += sum(int(line.split()[1]) for line in lines if line.startswith("oom_kill "))
    return total


class MemoryLimit:
    """A limit in MiB on the host memory of a session's processes, with pages that they share counted once. What the run was
    forked from, the process `template`, counts too: the run needs it, and shares most of it."""

    def __init__(self, session, limit_mib, template=None):
        self.session, self.limit_mib, self.template = session, limit_mib, template
        self.polls, self.next_s, self.shared_mib = 0, 0.0, 0.0

    def is_exceeded(self):
        """Whether the memory is above the limit now; looks at one call in MEMORY_POLLS.

        Resident memory is cheap and never less than proportional memory: only where it is above the limit is that read, and
        read again before its time where resident memory has grown by what was left.
        """
        self.polls += 1
        if not self.limit_mib or self.polls % MEMORY_POLLS:
            return False
        resident_mib = total_mib(self.session, resident_kib, self.template)
        if resident_mib <= self.limit_mib:
            return False
        start_s = time.monotonic()
        if start_s < self.next_s and resident_mib - self.shared_mib <= self.limit_mib:
            return False
        found_mib = total_mib(self.session, proportional_kib, self.template)
        end_s = time.monotonic()
        self.next_s, self.shared_mib = end_s + (end_s - start_s) / PROPORTIONAL_SHARE, resident_mib - found_mib
        return found_mib > self.limit_mib


def watch(process, limits, monitor, start_s, owner=None):
    """Wait for the child, asked for at `start_s`, within its Limits (allocation.py) while `monitor` samples the machine.

    Returns None if it ended by itself, else (status, detail) after killing it at a limit. Raises KeyboardInterrupt once the
    workflow, the psutil.Process `owner`, has ended: it was killed.
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
            return "timeout", with_stuck(detail, kill_session(process))
        if memory.is_exceeded():
            detail = f"stopped above the memory limit of {limits.memory_mib:g} MiB of host memory{limits.memory_origin}"
            return "oom", with_stuck(detail, kill_session(process))


def with_stuck(detail, stuck):
    """The detail of a row, with the processes that could not be killed, if there are any."""
    return f"{detail}; {stuck}" if stuck else detail


def signal_name(number):
    """SIGKILL for 9; real-time signals have no name."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return "a real-time signal"


def cpu_limit_s(wall_s):
    """The limit of a process's CPU time (`ulimit -t`) that one which has lived so long may have reached; None if none."""
    _, limit_s = resource.getrlimit(resource.RLIMIT_CPU)
    return limit_s if 0 <= limit_s <= wall_s * os.cpu_count() + 1 and limit_s != resource.RLIM_INFINITY else None


def describe_death(returncode, oom_kills, limit_s=None):
    """(status, detail) of a child that ended by itself before it had reported every stage; `limit_s` is the limit of its CPU
    time, if it may have reached it."""
    if returncode == -signal.SIGKILL and oom_kills:
        return "oom", "killed by the kernel: the machine or its control group ran out of host memory"
    if returncode == -signal.SIGKILL and limit_s is not None:
        return FAULT, f"killed by signal 9 (SIGKILL) under a limit of {limit_s} s of CPU time; raise `ulimit -t`"
    if -returncode in FAULTS:
        return FAULT, f"killed by signal {-returncode} ({signal_name(-returncode)}); {FAULTS[-returncode]}"
    if returncode == UNREPORTED:
        return FAULT, "it could not write what it measured; make room in the folder for temporary files, or set TMPDIR"
    if returncode < 0:
        return "crashed", f"killed by signal {-returncode} ({signal_name(-returncode)})"
    return "crashed", f"the measuring process ended with exit code {returncode} before its work was done"


def run_child(spec, spec_path, environment, log, lock, limits, monitor, owner=None, template=None):
    """Run the measuring process to its end. Returns (status, detail) if it died or was stopped, else None.

    `spec` is written to `spec_path`, in a folder of the run's own in which the child works; its output goes to `log`; `lock` is
    a descriptor that the child inherits, so that the device stays locked while the child lives. With `template`, a
    forked.Template, the child is forked from that if it can be. An interrupt, or the end of the workflow `owner`, kills the child
    and is raised. Raises TemplateKilled.
    """
    Path(spec_path).write_text(json.dumps(spec), encoding="utf-8")
    before = kernel_oom_kills()
    start_s = time.monotonic()
    process = template and template.fork(spec_path, environment, log, lock)
    if not process:
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
    return status, with_stuck(detail, stuck)


def read_events(path):
    """The events that the child reported; a last line that was cut off by its death is left out.

    Raises SetupError where the child found that it cannot measure.
    """
    events = []
    try:
        with open(path, encoding="utf-8") as file:
            for line in file:
                if line.endswith("\n"):
                    events.append(json.loads(line))
    except FileNotFoundError:
        pass
    for event in events:
        if event["event"] == "setup-error":
            raise SetupError(event["detail"])
    return events


def check_begun(events, death, log, since):
    """Raises SetupError where the measuring process ended while it imported torch and diffusers, so that nothing of the cell was
    tried, or by what is no outcome of a cell. Numbers that stand already are kept.

    `death` is None or (status, detail); `log` is the path of what it printed, `since` the size that this file had before.
    Returns the death as a row has it.
    """
    phases = [event["phase"] for event in events if event["event"] == "phase"]
    if not death and any(event["stage"] for event in events):
        return None
    status, detail = death or ("crashed", "a library ended the measuring process with exit code 0")
    if not phases:
        said = "" if status in REMEDIES else last_line(log, since)
        remedy = REMEDIES.get(status, "see the log, and start it again")
        raise SetupError(f"measuring cannot start here: {detail}{': ' * bool(said)}{said}; {remedy}")
    if status != FAULT:
        return death
    if phases[-1] != "evidence":
        raise SetupError(f"the measuring process ended in phase {phases[-1]}: {detail}")
    return "crashed", detail


def last_line(path, since):
    """The last line that was added to a log since it had that size; an empty text if there is none."""
    try:
        with open(path, "rb") as file:
            file.seek(since)
            lines = file.read().decode("utf-8", "replace").splitlines()
    except OSError:
        return ""
    return next((one_line(line, 120) for line in reversed(lines) if line.strip()), "")


def machine_columns(row, events, monitor):
    """What `monitor` saw before and while the calls of the row's stage were measured; of the latter nothing where they did not
    come to their end."""
    own = [event for event in events if event["stage"] == row["stage"]]
    edges = {event["edge"]: event["at_s"] for event in own if event["event"] == "window"}
    columns = monitor.start_columns(own[0]["at_s"], edges["start"]) if "start" in edges else {}
    if "end" in edges and row["status"] == "ok":
        columns.update(monitor.columns(edges["start"], edges["end"], row["calls"] * row["batch_size"]))
    return columns


def keep_measured(row, pending):
    """Keep the numbers of a row that is ok, or that failed while its evidence was looked at: then the mechanisms that are still
    `pending` (None: no check had begun) are unverified, and the failure is why. Clear the numbers of every other row."""
    measured = row["phase"] == "evidence" and row.get("iterations_per_second")
    if measured and row["status"] not in ("ok", "invalid"):
        names = ["all checks"] if pending is None else pending
        why = f"{', '.join(names)}: {row['status']}: {row['detail']}".replace(";", ",")
        row["unverified"] = "; ".join(filter(None, [row.get("unverified"), why if names else None]))
        row["evidence"] = "; ".join(filter(None, [row.get("evidence"), *(f"{name} not verified" for name in names)]))
        row["status"], row["detail"] = "ok", None
    if row["status"] == "ok":
        row["phase"] = None
    else:
        row.update(dict.fromkeys(OF_CALLS))


def assemble(identity, shared, definition, events, death, monitor):
    """The rows (one a stage) and the samples of a run, from what the child reported and how it ended.

    `identity` holds the columns that rows and samples share, `shared` those that all rows have in common; `death` is None
    or (status, detail); `monitor` has watched the machine. A stage that the child did not finish takes the child's death as
    its own outcome, unless its numbers stood already.
    """
    provenance = next((event["columns"] for event in events if event["event"] == "provenance"), {})
    dtypes = next(
        (event["names"] for event in events if event["event"] == "dtypes"), [None] * len(definition["stages"])
    )
    rows, samples = [], []
    for stage, dtype in zip(definition["stages"], dtypes):
        row = {**identity, **shared, "stage": stage["number"], **provenance, "steps": stage["steps"], "phase": "load"}
        row["revision"], row["dtype"] = stage.get("revision"), dtype
        row["status"], row["detail"] = death or ("crashed", "the measuring process did not report this stage")
        pending = None
        for event in events:
            if event["stage"] != stage["number"]:
                continue
            if event["event"] == "phase":
                row["phase"] = event["phase"]
            elif event["event"] == "values":
                row.update(event["columns"])
            elif event["event"] == "outcome":
                row["status"], row["detail"] = event["status"], event["detail"]
            elif event["event"] == "pending":
                pending = event["mechanisms"]
            elif event["event"] == "sample":
                samples.append({**identity, "stage": stage["number"], **event["columns"]})
        keep_measured(row, pending)
        row.update(machine_columns(row, events, monitor))
        rows.append(row)
    return rows, samples
