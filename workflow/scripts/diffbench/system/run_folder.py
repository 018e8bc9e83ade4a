"""The folder for the temporary files of one program, and the removal of those that killed programs have left."""

import fcntl
import os
import shutil
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path

from .compiler_caches import is_same_folder


def name_start():
    """How the names of this machine's folders start: only its own locks are certain, if several share the folder."""
    return f"diffbench-run-{os.uname().nodename}-"


@contextmanager
def run_folder():
    """Make a folder for temporary files, locked while it is in use, and delete it at the end. Folders of this user that no
    program uses any more are deleted first."""
    remove_left()
    folder, descriptor = make_locked()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(descriptor)


def make_locked():
    """(a new folder, its open descriptor, which holds the lock). Another program may delete it before it is locked: then one more
    is made. Where the file system has no locks, nothing is deleted."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=name_start()))
        try:
            descriptor = os.open(folder, os.O_RDONLY)
        except FileNotFoundError:
            continue
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        if is_same_folder(folder, descriptor):
            return folder, descriptor
        os.close(descriptor)


def remove_left():
    """Delete this user's folders that no program holds the lock of. What cannot be deleted stays."""
    for folder in Path(tempfile.gettempdir()).glob(f"{name_start()}*"):
        with suppress(OSError):
            if folder.is_symlink() or folder.stat().st_uid != os.getuid():
                continue
            descriptor = os.open(folder, os.O_RDONLY)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(descriptor)
