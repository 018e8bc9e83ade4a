"""The process that runs are forked from: it has imported torch, Diffusers and the classes of pipelines, and touched no device.

    measuring_process.py --serve DESCRIPTOR OWNER

Importing takes most of the time of a short run. One such process serves the runs of one round in one environment, one after the
other. It never measures: each run is a child of its own, with the environment and the files that its request names (forked.py).
It ends when its OWNER, a pid, has ended, or when its socket has been removed.
"""

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

import psutil

from diffbench.system.environment_variables import PADDING
from diffbench.system.printing import flush
from diffbench.vocabulary.errors import one_line, print_traceback

from .forked import replace_socket
from .preload import preload, touched
from .session import FORKSERVER, POLL_S, die_with_parent, kill_session

PERIOD_S = 1.0  # between two looks at whether this process is still of use
LONGEST_BYTES = 4096  # of a request: the path of a file


class Child:
    """A forked run, as `kill_session` wants it."""

    def __init__(self, pid):
        self.pid, self.returncode = pid, None

    def poll(self):
        """The exit code, negative for a signal; None while it runs."""
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.returncode = -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
        return self.returncode

    def wait(self, timeout):
        """The exit code. Raises subprocess.TimeoutExpired."""
        ends_s = time.monotonic() + timeout
        while self.poll() is None:
            if time.monotonic() > ends_s:
                raise subprocess.TimeoutExpired("a run", timeout)
            time.sleep(POLL_S / 10)
        return self.returncode


class Server:
    """Serves requests that come to a socket, one at a time."""

    def __init__(self, listener, owner):
        self.listener, self.owner, self.pid = listener, psutil.Process(owner), os.getpid()
        self.path = listener.getsockname()
        self.socket_file = os.stat(self.path)
        self.wake, self.awake = socket.socketpair()
        for end in (self.wake, self.awake):
            end.setblocking(False)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGCHLD, lambda number, frame: None)
        signal.signal(signal.SIGALRM, lambda number, frame: self.is_needed() or self.end())
        signal.set_wakeup_fd(self.awake.fileno())

    def is_needed(self):
        """Whether the owner lives, and the socket can still be found."""
        try:
            alive = self.owner.is_running() and self.owner.status() != psutil.STATUS_ZOMBIE
            return alive and self.owns_path()
        except psutil.Error:
            return False

    def owns_path(self):
        """Whether the path still names this socket, and not one that was made in its place."""
        try:
            return os.path.samestat(os.stat(self.path), self.socket_file)
        except OSError:
            return False

    def end(self):
        """End this process and what libraries have started; never returns."""
        if self.owns_path():
            with contextlib.suppress(OSError):
                os.unlink(self.path)
        os.killpg(0, signal.SIGKILL)  # it leads its session

    def serve(self):
        """Serve until this process is needed no more."""
        while self.is_needed():
            if select.select([self.listener], [], [], PERIOD_S)[0]:
                connection, _ = self.listener.accept()
                with connection, contextlib.suppress(ConnectionError):
                    self.answer(connection)

    def answer(self, connection):
        """Answer a request: that it is `ready`; then with the `pid` of the run and of its `template`, and with its `returncode`
        once it is over; or with why it is `refused`, which ends this process: it may hold a GPU."""
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

    def prepare(self, spec, compiler):
        """Import what the run needs. Returns why no run can be forked then, or None. Ends this process if it is needed no
        more. Raises whatever libraries raise."""
        signal.setitimer(signal.ITIMER_REAL, PERIOD_S, PERIOD_S)
        try:
            preload(spec, compiler)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
        return touched()

    def watch(self, connection, child):
        """Send the exit code of the child once it has ended. Without anybody to tell, the run is killed."""
        while child.poll() is None:
            ready = select.select([connection, self.wake], [], [])[0]
            with contextlib.suppress(BlockingIOError):
                self.wake.recv(LONGEST_BYTES)
            if connection in ready and child.poll() is None:  # nothing is sent on it: it was closed
                kill_session(child)
                return
        send(connection, returncode=child.returncode)

    def become_run(self, connection, request, lock):
        """In the child: be the process that the request asks for; never returns."""
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


def reseed():
    """Give the generators that begin with a random state one of their own."""
    random.seed()
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed()


def send(connection, **message):
    connection.send(json.dumps(message).encode())


def receive(connection):
    """(the bytes, the descriptors) of a message; no bytes where the other end has closed."""
    message, ancillary, _, _ = connection.recvmsg(LONGEST_BYTES, socket.CMSG_LEN(4))
    found = [data for level, kind, data in ancillary if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS)]
    return message, list(memoryview(b"".join(found)).cast("i"))


def main(descriptor, owner):
    server = Server(socket.socket(fileno=int(descriptor)), int(owner))
    try:
        server.serve()
    except Exception as error:
        print_traceback(error)
    finally:
        flush()
        server.end()
