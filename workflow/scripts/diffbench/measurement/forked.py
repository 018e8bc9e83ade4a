"""Starting a run as a fork of a process that has already imported torch and Diffusers: the side of the parent
(forkserver.py).

On Linux only: elsewhere the libraries do not support forking. Any failure costs a new process, but no row.
"""

from __future__ import annotations

import hashlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from array import array
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from diffbench.system.compiler_caches import private_folder
from diffbench.system.environment_variables import PADDING
from diffbench.vocabulary.errors import SetupError

from .locking import FOLDER
from .session import PROGRAM, is_dead

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import IO

# libraries read these when they need them, not at import; TMPDIR is read at import, for torch's precompiled headers
OF_A_RUN = ("TORCHINDUCTOR_CACHE_DIR", "TRITON_CACHE_DIR", PADDING)
NVML_CHECK = "PYTORCH_NVML_BASED_CUDA_CHECK"  # with it torch asks NVML whether there is a GPU, and leaves CUDA alone
NO_FOLDER = "/"  # where a template works: nothing of the user's is there
START_S = 300.0  # for importing, on a slow disk
SILENT_S = 10.0  # after the end of a run, if its template has not reported it
TEMPLATE_MIB = 500.0  # of one template
MOST_MEMORY = 0.1  # share of the machine's that the templates of a workflow may hold
LEAST_KEPT = 2  # templates, however small the machine


class ForkedRun:
    """A run that was forked from the process `template`, with the interface of subprocess.Popen. `is_lost` is set after the
    template was killed, and the run with it."""

    def __init__(self, connection: socket.socket, pid: int, template: int) -> None:
        self.connection, self.pid, self.template = connection, pid, template
        self.returncode: int | None = None
        self.is_lost = False
        self.dead_since_s: float | None = None
        self.looked_s = time.monotonic()

    def wait(self, timeout: float) -> int:
        """The exit code, negative for a signal. Raises subprocess.TimeoutExpired."""
        if self.returncode is not None:
            return self.returncode
        if not select.select([self.connection], [], [], timeout)[0]:
            self.look()
            raise subprocess.TimeoutExpired(str(PROGRAM), timeout)
        message = receive(self.connection)
        self.connection.close()
        self.is_lost = "returncode" not in message
        returncode: int = message.get("returncode", -signal.SIGKILL)
        self.returncode = returncode
        return returncode

    def look(self) -> None:
        """Kill a template that does not report the end of the run: it hangs, or is stopped."""
        now_s = time.monotonic()
        if now_s < self.looked_s + 1:
            return
        self.looked_s = now_s
        if not is_dead(self.pid):
            self.dead_since_s = None
        elif self.dead_since_s is None:
            self.dead_since_s = now_s
        elif now_s > self.dead_since_s + SILENT_S:
            os.kill(self.template, signal.SIGKILL)


class Template:
    """The process that the runs of one round in one environment are forked from. It ends with the psutil.Process `owner`."""

    def __init__(self, owner: psutil.Process, round_number: int) -> None:
        self.owner, self.round_number = owner, round_number

    def fork(
        self, spec_path: str | Path, environment: Mapping[str, str], log: IO[bytes], lock: int
    ) -> ForkedRun | None:
        """The ForkedRun of the spec; None if it cannot be forked, for a reason that is written to the log."""
        shared = {name: value for name, value in environment.items() if name not in OF_A_RUN}
        request = Path(spec_path).with_name("request.json")
        content = {"spec": str(spec_path), "environment": environment, "folder": str(Path(spec_path).parent)}
        request.write_text(json.dumps({**content, "compiler": shared.get("TORCH_WARM_POOL") == "0"}), encoding="utf-8")
        request.chmod(0o600)
        connection = None
        try:
            path = self.path(shared)
            connection, started = self.connect(path, {**shared, PADDING: environment.get(PADDING, "")}, log)
            message = self.prepare(connection, started, path, request, log)
            if "ready" in message:  # only now: the device is never locked by what runs are forked from
                send(connection, b"fork", lock)
                message = receive(connection)
        except (
            OSError,
            SetupError,
            psutil.Error,
        ) as error:  # such as a folder of another user, or no room for the socket
            message = {"refused": str(error)}
        if connection and "pid" in message:
            connection.settimeout(None)
            return ForkedRun(connection, message["pid"], message["template"])
        if connection:
            connection.close()
        why = message.get("refused", "the process to fork from ended before it had imported all")
        log.write(f"not forked, but started as a new process: {why}\n".encode())
        log.flush()
        return None

    def prepare(
        self,
        connection: socket.socket,
        started: subprocess.Popen[bytes] | None,
        path: Path,
        request: Path,
        log: IO[bytes],
    ) -> dict[str, Any]:
        """Make the template import what the run needs, and return its answer. `started` is the template's process if this
        run has started it.

        If it takes too long or ends by itself, no other run of the round waits for it. Raises OSError.
        """
        connection.settimeout(START_S)
        send(connection, os.fsencode(str(request)), log.fileno())
        try:
            message = receive(connection)
        except socket.timeout:
            message = {"refused": f"importing took more than {START_S:g} s"}
            replace_socket(path, message["refused"])
            if started:
                started.kill()
        if not message and started:
            with suppress(subprocess.TimeoutExpired):
                code = started.wait(1)
                message = {"refused": f"the process to fork from ended with exit code {code} while it imported"}
                if code != -signal.SIGKILL:
                    replace_socket(path, message["refused"])
        return message

    def path(self, environment: Mapping[str, str]) -> Path:
        """The path of the template's socket. Raises OSError, psutil.Error, and SetupError if the folder is not safe."""
        content = json.dumps([sys.executable, sorted(environment.items()), *circumstances(self.owner)])
        key = hashlib.sha256(content.encode()).hexdigest()[:12]
        folder = private_folder(FOLDER / f"diffbench-forks-{os.getuid()}")
        return folder / f"{self.owner.pid}-{key}-{self.round_number}"

    def connect(
        self, path: Path, environment: Mapping[str, str], log: IO[bytes]
    ) -> tuple[socket.socket, subprocess.Popen[bytes] | None]:
        """A connection to the template, and its process if this call has started it. Raises OSError."""
        with suppress(FileNotFoundError, ConnectionRefusedError):
            connection = connect_to(path)
            os.utime(path)
            return connection, None
        if path.is_file():
            raise OSError(path.read_text(encoding="utf-8"))
        self.clean(path)
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
            listener.bind(str(path))
            listener.listen()
            started = subprocess.Popen(
                [sys.executable, str(PROGRAM), "--serve", str(listener.fileno()), str(self.owner.pid)],
                # torch makes its folder of caches as it is imported, whether or not anything is compiled
                env={
                    **environment,
                    NVML_CHECK: "1",
                    "TORCH_WARM_POOL": "0",
                    "TORCHINDUCTOR_CACHE_DIR": str(path.parent),
                },
                cwd=NO_FOLDER,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                pass_fds=[listener.fileno()],
            )
            return connect_to(path), started

    def clean(self, path: Path) -> None:
        """Make room for a new socket: remove those of killed workflows, of another round in this environment, and, if there
        are many, of the templates of this workflow that were used least recently. These templates then end by themselves."""
        used_s = {}
        for other in path.parent.iterdir():
            owner, _, _ = other.name.partition("-")
            is_of_environment = other.name.startswith(path.name[: path.name.rindex("-") + 1])
            with suppress(OSError, ValueError):
                if is_of_environment or not psutil.pid_exists(int(owner)):
                    other.unlink()
                elif int(owner) == self.owner.pid and other.is_socket():
                    used_s[other] = other.stat().st_mtime
        memory_mib = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**20
        kept = max(LEAST_KEPT, int(memory_mib * MOST_MEMORY / TEMPLATE_MIB))
        for other in sorted(used_s, key=lambda other: used_s[other], reverse=True)[kept - 1 :]:
            with suppress(OSError):
                other.unlink()


def circumstances(owner: psutil.Process) -> list[Any]:
    """What a run inherits from its template in addition to the environment, and must therefore be the same here:
    namespaces, control group, CPUs and limits. Also the owner's start time, because its pid may have been used before.

    Raises OSError, psutil.Error.
    """
    namespaces = [os.readlink(f"/proc/self/ns/{name}") for name in ("pid", "mnt", "net")]
    group = Path("/proc/self/cgroup").read_text(encoding="utf-8")
    process = psutil.Process()
    limits = [process.rlimit(getattr(psutil, name)) for name in sorted(dir(psutil)) if name.startswith("RLIMIT_")]
    cpus = sorted(os.sched_getaffinity(0))
    return [namespaces, group, cpus, process.nice(), limits, owner.create_time()]


def replace_socket(path: Path, reason: str) -> None:
    """Replace a socket with a file that contains the reason: no other run of the round then tries to be forked."""
    with suppress(OSError):
        temporary = path.with_name(f"{path.name}.part")
        temporary.write_text(reason, encoding="utf-8")
        os.replace(str(temporary), str(path))


def connect_to(path: Path) -> socket.socket:
    """A connection to the socket at a path. Raises OSError."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        connection.connect(str(path))
    except OSError:
        connection.close()
        raise
    return connection


def send(connection: socket.socket, message: bytes, descriptor: int) -> None:
    """Send bytes and a descriptor. Raises OSError."""
    connection.sendmsg([message], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array("i", [descriptor]))])


def receive(connection: socket.socket) -> dict[str, Any]:
    """The next message; an empty one if the other end has closed."""
    try:
        text = connection.recv(4096)
    except ConnectionError:
        text = b""
    return json.loads(text or "{}")
