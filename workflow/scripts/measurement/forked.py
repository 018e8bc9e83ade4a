"""Starting a run as a fork of a process that has imported torch and Diffusers already: the side of the parent (forkserver.py).

On Linux alone: elsewhere the libraries are not made to be forked.
"""

import hashlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
from array import array
from contextlib import suppress
from pathlib import Path

import psutil

from .caches import private_folder
from .locking import FOLDER
from .session import PROGRAM

OWNER = "DIFFBENCH_OWNER"  # the pid of the workflow, with which its templates end
# read when they are needed, not at import
OF_A_RUN = ("TORCHINDUCTOR_CACHE_DIR", "TRITON_CACHE_DIR", "TMPDIR", "DIFFBENCH_PADDING")
NVML_CHECK = "PYTORCH_NVML_BASED_CUDA_CHECK"  # with it torch asks NVML whether there is a GPU, and leaves CUDA alone
START_S = 300.0  # for importing, on a slow disk


class Forked:
    """A run that was forked from the process `template`, in the manner of subprocess.Popen."""

    def __init__(self, connection, pid, template):
        self.connection, self.pid, self.template, self.returncode = connection, pid, template, None

    def wait(self, timeout):
        """The exit code, negative for a signal. Raises subprocess.TimeoutExpired."""
        if self.returncode is None:
            if not select.select([self.connection], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(str(PROGRAM), timeout)
            message = receive(self.connection)
            # what it was forked from was killed, and the run with it
            self.returncode = message.get("returncode", -signal.SIGKILL)
            self.connection.close()
        return self.returncode


class Template:
    """The process that the runs of one round in one environment are forked from. It ends with the process `owner`."""

    def __init__(self, owner, round_number):
        self.owner, self.round_number = owner, round_number

    def fork(self, spec_path, environment, log, lock):
        """The Forked run of the spec, or None where it cannot be forked, which the log says."""
        shared = {name: value for name, value in environment.items() if name not in OF_A_RUN}
        request = Path(spec_path).with_name("request.json")
        asked = {"spec": str(spec_path), "environment": environment, "folder": str(Path.cwd())}
        request.write_text(json.dumps({**asked, "compiler": shared.get("TORCH_WARM_POOL") == "0"}), encoding="utf-8")
        request.chmod(0o600)
        descriptors = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array("i", [log.fileno(), lock]))]
        connection = None
        try:
            connection = self.connect(shared, log)
            connection.settimeout(START_S)
            connection.sendmsg([os.fsencode(str(request))], descriptors)
            message = receive(connection)
        except OSError as error:  # no room for the socket, or it takes too long
            message = {"refused": str(error)}
        if "pid" in message:
            return Forked(connection, message["pid"], message["template"])
        if connection:
            connection.close()
        why = message.get("refused", "the process to fork from ended before it had imported all")
        log.write(f"not forked, but started as a new process: {why}\n".encode())
        log.flush()
        return None

    def connect(self, environment, log):
        """A connection to the process, which is started if it does not run."""
        content = json.dumps([sys.executable, sorted(environment.items())])
        key = f"{self.owner}-{hashlib.sha256(content.encode()).hexdigest()[:12]}-"
        folder = private_folder(FOLDER / f"diffbench-forks-{os.getuid()}")
        path = folder / f"{key}{self.round_number}"
        with suppress(OSError):
            return connected(path)
        for other in folder.iterdir():
            # of another round: that process ends when it sees it; or of a workflow that was killed
            if other.name.startswith(key) or not psutil.pid_exists(int(other.name.partition("-")[0])):
                other.unlink()
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
            listener.bind(str(path))
            listener.listen()
            subprocess.Popen(
                [sys.executable, str(PROGRAM), "--serve", str(listener.fileno()), str(self.owner)],
                env={**environment, NVML_CHECK: "1", "TORCH_WARM_POOL": "0"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                pass_fds=[listener.fileno()],
            )
            return connected(path)


def connected(path):
    """A connection to the socket at a path. Raises OSError."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        connection.connect(str(path))
    except OSError:
        connection.close()
        raise
    return connection


def receive(connection):
    """The next message; an empty one where the other end has closed."""
    try:
        text = connection.recv(4096)
    except ConnectionError:
        text = b""
    return json.loads(text or "{}")


def template_of(owner, round_number):
    """The Template of a workflow's runs; None for a run of its own."""
    return Template(owner, round_number) if owner and sys.platform == "linux" else None
