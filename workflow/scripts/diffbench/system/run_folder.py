"""The folder for the temporary files of one program, and the removal of folders that killed programs have left."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from .compiler_caches import is_same_folder

if TYPE_CHECKING:
    from collections.abc import Iterator


def name_start() -> str:
    """The first part of the names of this machine's folders: if machines share the folder, only this machine's locks are
    reliable."""
    return f"diffbench-run-{os.uname().nodename}-"


@contextmanager
def run_folder() -> Iterator[Path]:
    """Make a folder for temporary files, locked while it is in use, and delete it at the end. First delete folders of this
    user that no program uses any more."""
    remove_left()
    folder, descriptor = make_locked()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(descriptor)


def make_locked() -> tuple[Path, int]:
    """(a new folder, its open descriptor, which holds the lock). If another program deletes it before it is locked, make
    one more. If the file system has no locks, nothing is deleted."""
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


def remove_left() -> None:
    """Delete this user's folders that no program has locked. Folders that cannot be deleted stay."""
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
