"""The lock that reserves a device for one run at a time."""

from __future__ import annotations

import fcntl
import os
import re
import signal
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from diffbench.system.printing import say
from diffbench.vocabulary.errors import SetupError

from .session import KILL_S, is_being_killed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType
    from typing import NoReturn

LOCKS_VARIABLE = "DIFFBENCH_LOCKS"  # another folder, such as one that containers on a machine share
FOLDER = Path("/tmp")  # the same for every user and job of the machine, with any TMPDIR
PERIOD_S = 10.0  # of waiting, after which the holder is checked again


def lock_path(identity: str) -> Path:
    """The lock file of the device with this identity (devices.Device), the same for every user of the machine.

    Raises SetupError if the user has named a folder that does not exist.
    """
    named = os.environ.get(LOCKS_VARIABLE)
    if named and not Path(named).is_dir():  # another folder in its place would be another lock
        raise SetupError(f"{LOCKS_VARIABLE}: found {named!r}, expected a folder; make it, or unset the variable")
    if named and not os.path.isabs(named):  # a run in another folder would take another lock
        raise SetupError(
            f"{LOCKS_VARIABLE}: found {named!r}, expected an absolute path; name one, or unset the variable"
        )
    folder = Path(named or FOLDER)
    folder = folder if folder.is_dir() else Path(tempfile.gettempdir())
    return folder / f"diffbench-{re.sub(r'[^A-Za-z0-9-]', '-', identity)}.lock"


def open_lock(path: Path) -> int:
    """A descriptor of the lock file. Another user's file is opened without O_CREAT, which a sticky folder would refuse."""
    try:
        return os.open(path, os.O_RDWR | os.O_NOFOLLOW)
    except FileNotFoundError:
        pass
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o666)
    except FileExistsError:  # another run was faster
        return os.open(path, os.O_RDWR | os.O_NOFOLLOW)
    os.fchmod(descriptor, 0o666)
    return descriptor


def write_holder(descriptor: int, pid: int) -> None:
    """Write to the lock file which process has the device."""
    try:
        os.truncate(descriptor, 0)
        os.pwrite(descriptor, f"{pid}\n".encode(), 0)
    except OSError:  # a full disk: the lock works without the note
        pass


def read_holder(descriptor: int) -> int | None:
    """The process that the lock file names; None if it names none."""
    try:
        return int(os.pread(descriptor, 32, 0))
    except (OSError, ValueError):
        return None


class Interrupted(Exception):
    """The timer that ends a wait for the lock has expired."""


def interrupt(number: int, frame: FrameType | None) -> NoReturn:
    raise Interrupted


def acquire_within(descriptor: int, seconds: float) -> bool:
    """Wait for the lock in the kernel's queue, at most so many seconds. Returns whether it was acquired."""
    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, seconds)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        signal.setitimer(signal.ITIMER_REAL, 0)
        return True
    except Interrupted:  # right after the lock was acquired, too: then the next try acquires it again
        return False
    finally:
        signal.signal(signal.SIGALRM, before)


def acquire(descriptor: int, path: Path) -> None:
    """Wait for the lock and report its holder. Raises SetupError if the holder was killed and does not die."""
    try:
        return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        pass
    reported, killed_since_s = None, None
    while True:
        holder = read_holder(descriptor)
        if reported != (holder,):
            who = "another run" if holder is None else f"process {holder}, another run,"
            say(f"waiting for the device: {who} holds {path}")
            reported = (holder,)
        if holder is None or not is_being_killed(holder):
            killed_since_s = None
        elif killed_since_s is None:
            killed_since_s = time.monotonic()
        elif time.monotonic() > killed_since_s + KILL_S:
            raise SetupError(
                f"process {holder} holds the device ({path}): it was killed, but the kernel does not end it; see "
                f"`ps -o pid,stat,wchan,args {holder}`, and restart the machine if it stays"
            )
        if acquire_within(descriptor, PERIOD_S):
            return None


@contextmanager
def locked(identity: str) -> Iterator[int]:
    """Hold the lock of the device with this identity; yields its descriptor, for the child to inherit."""
    path = lock_path(identity)
    try:
        descriptor = open_lock(path)
    except OSError as error:
        remedy = "ask its owner to remove it" if os.path.lexists(path) else f"set {LOCKS_VARIABLE} to another folder"
        raise SetupError(f"{path}: the lock cannot be opened: {error.strerror}; {remedy}") from None
    try:
        try:
            acquire(descriptor, path)
        except OSError as error:
            remedy = f"set {LOCKS_VARIABLE} to a folder on a local disk"
            raise SetupError(f"{path}: cannot be locked: {error.strerror}; {remedy}") from None
        write_holder(descriptor, os.getpid())
        yield descriptor
    finally:
        os.close(descriptor)
