"""The process that runs are forked from: it has imported torch, Diffusers and the classes of pipelines, and has not opened
a device.

    measuring_process.py --serve DESCRIPTOR OWNER

Imports take most of the time of a short run. One such process serves the runs of one round in one environment, one after
the other. It never measures: each run is a child, with the environment and the files that its request names (forked.py). It
ends when its OWNER, a pid, has ended, or when its socket has been removed.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from diffbench.system.environment_variables import PADDING
from diffbench.system.printing import flush
from diffbench.vocabulary.errors import one_line, print_traceback

from .forked import replace_socket
from .preload import describe_touched, preload
from .session import FORKSERVER, POLL_S, die_with_parent, kill_session

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import FrameType

PERIOD_S = 1.0  # between two checks whether this process is still needed
LONGEST_BYTES = 4096  # of a request: the path of a file


class Child:
    """A forked run, with the interface that `kill_session` needs."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """The exit code, negative for a signal; None while it runs."""
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.returncode = -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
        return self.returncode

    def wait(self, timeout: float) -> int:
        """The exit code. Raises subprocess.TimeoutExpired."""
        deadline_s = time.monotonic() + timeout
        while True:
            returncode = self.poll()
            if returncode is not None:
                return returncode
            if time.monotonic() > deadline_s:
                raise subprocess.TimeoutExpired("a run", timeout)
            time.sleep(POLL_S / 10)


class Server:
    """Serves the requests of a socket, one at a time."""

    def __init__(self, listener: socket.socket, owner: int) -> None:
        self.listener, self.owner, self.pid = listener, psutil.Process(owner), os.getpid()
        self.path = listener.getsockname()
        self.socket_file = os.stat(self.path)
        self.wake, self.awake = socket.socketpair()
        for end in (self.wake, self.awake):
            end.setblocking(False)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGCHLD, lambda number, frame: None)
        signal.signal(signal.SIGALRM, self.end_if_unneeded)
        signal.set_wakeup_fd(self.awake.fileno())

    def end_if_unneeded(self, number: int, frame: FrameType | None) -> None:
        if not self.is_needed():
            self.end()

    def is_needed(self) -> bool:
        """Whether the owner is alive, and the socket still exists."""
        try:
            alive = self.owner.is_running() and self.owner.status() != psutil.STATUS_ZOMBIE
            return alive and self.owns_path()
        except psutil.Error:
            return False

    def owns_path(self) -> bool:
        """Whether the path still names this socket, and not a new one."""
        try:
            return os.path.samestat(os.stat(self.path), self.socket_file)
        except OSError:
            return False

    def end(self) -> None:
        """End this process and the processes that libraries have started; never returns."""
        if self.owns_path():
            with contextlib.suppress(OSError):
                os.unlink(self.path)
        os.killpg(0, signal.SIGKILL)  # it leads its session

    def serve(self) -> None:
        """Serve until this process is no longer needed."""
        while self.is_needed():
            if select.select([self.listener], [], [], PERIOD_S)[0]:
                connection, _ = self.listener.accept()
                with connection, contextlib.suppress(ConnectionError):
                    self.answer(connection)

    def answer(self, connection: socket.socket) -> None:
        """Answer a request with `ready`, then with the `pid` of the run and of its `template`, and with its `returncode` at
        its end. If the request is `refused`, with the reason, this process ends: it may hold a GPU."""
        message, descriptors = receive(connection)
        if not message:
            return
        for log in descriptors:
            for descriptor in (1, 2):
                os.dup2(log, descriptor)
            os.close(log)
        try:
            request = json.loads(Path(os.fsdecode(message)).read_text(encoding="utf-8"))
            spec = json.loads(Path(request["spec"]).read_text(encoding="utf-8"))
        except OSError as error:  # the folder for temporary files is gone
            send(connection, refused=str(error))
            return
        try:
            refusal = self.prepare(spec, request["compiler"])
        except Exception as error:
            print_traceback(error)
            refusal = f"{type(error).__name__}: {one_line(error)}"
        flush()
        if refusal:
            replace_socket(Path(self.path), refusal)
            send(connection, refused=refusal)
            return
        send(connection, ready=True)
        message, descriptors = receive(connection)
        if not message:
            return
        try:
            pid = os.fork()
            if pid == 0:
                self.become_run(connection, request, *descriptors)
        finally:
            for descriptor in descriptors:
                os.close(descriptor)
        self.watch(connection, Child(pid))

    def prepare(self, spec: Mapping[str, Any], compiler: bool) -> str | None:
        """Import what the run needs. Returns why no run can be forked afterwards, or None. Ends this process if it is no
        longer needed. Raises any exception of the libraries."""
        signal.setitimer(signal.ITIMER_REAL, PERIOD_S, PERIOD_S)
        try:
            preload(spec, compiler)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
        return describe_touched()

    def watch(self, connection: socket.socket, child: Child) -> None:
        """Send the exit code of the child when it has ended. If the connection is closed, kill the run."""
        while child.poll() is None:
            ready = select.select([connection, self.wake], [], [])[0]
            with contextlib.suppress(BlockingIOError):
                self.wake.recv(LONGEST_BYTES)
            if connection in ready and child.poll() is None:  # nothing is sent on it: it was closed
                kill_session(child)
                return
        send(connection, returncode=child.returncode)

    def become_run(self, connection: socket.socket, request: Mapping[str, Any], lock: int) -> None:
        """In the child: become the process of the request; never returns."""
        try:
            os.setsid()
            die_with_parent()
            if os.getppid() != self.pid:  # it has died before
                return
            signal.set_wakeup_fd(-1)
            for number in (signal.SIGCHLD, signal.SIGALRM):
                signal.signal(number, signal.SIG_DFL)
            signal.signal(signal.SIGINT, signal.default_int_handler)
            os.set_inheritable(lock, True)
            for end in (self.listener, self.wake, self.awake):
                end.close()
            environment = {**request["environment"], PADDING: os.environ.get(PADDING, "")}  # which has moved the stack
            os.environ.clear()
            os.environ.update(environment)
            tempfile.tempdir = None  # TMPDIR may be gone
            os.chdir(request["folder"])
            reseed()
            from .process import run

            send(connection, pid=os.getpid(), template=os.getppid())
            connection.close()
            run(request["spec"], FORKSERVER)
        except BaseException as error:
            print_traceback(error)
        finally:
            os._exit(1)


def reseed() -> None:
    """Seed the generators that start from a random state again."""
    random.seed()
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed()


def send(connection: socket.socket, **message: Any) -> None:
    connection.send(json.dumps(message).encode())


def receive(connection: socket.socket) -> tuple[bytes, list[int]]:
    """(bytes, descriptors) of a message; no bytes if the other end has closed."""
    message, ancillary, _, _ = connection.recvmsg(LONGEST_BYTES, socket.CMSG_LEN(4))
    found = [data for level, kind, data in ancillary if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS)]
    return message, list(memoryview(b"".join(found)).cast("i"))


def main(descriptor: str, owner: str) -> None:
    server = Server(socket.socket(fileno=int(descriptor)), int(owner))
    try:
        server.serve()
    except Exception as error:
        print_traceback(error)
    finally:
        flush()
        server.end()
