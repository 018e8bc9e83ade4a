"""The folders that a measurement writes to: checks before anything is measured, and advice if one fails."""

from __future__ import annotations

import errno
import os
import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from diffbench.vocabulary.errors import SetupError, one_line

from .compiler_caches import CACHE_VARIABLE, CLEAN, private_folder

if TYPE_CHECKING:
    from collections.abc import Iterable

LEAST_FREE_MIB = 64  # compiled code and its sources, latents and images of one run take 5 to 50 MiB
LEAST_FREE_FILES = 1000  # inodes; compiling a pipeline makes some hundred files
CACHE_REMEDY = f"set {CACHE_VARIABLE} or --cache-folder to another folder"
LONGEST_PATH = 150  # characters of one in a message
FULL = (errno.ENOSPC, errno.EDQUOT)
FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS)
LONG = (errno.ENAMETOOLONG,)
TAKEN = (errno.ENOTDIR, errno.EEXIST, errno.EISDIR)
MISSING = (errno.ENOENT,)
BROKEN = (errno.EIO, errno.ESTALE, errno.ENOTCONN)
FEW_FILES = (errno.EMFILE, errno.ENFILE)
FEW_PROCESSES = (errno.EAGAIN,)
REMEDIES = {
    FULL: "make room",
    FORBIDDEN: "name a folder that you can write, or change its permissions",
    LONG: "name one with a shorter path",
    TAKEN: "name another",
    MISSING: "make the folder, or correct the path",
    BROKEN: "the file system fails: look at `dmesg` and `mount`",
    FEW_FILES: "raise `ulimit -n`",
    FEW_PROCESSES: "raise `ulimit -u`, or end other processes",
}
NUMBERED = re.compile(r"\[Errno (\d+)\] ([^:'\")\]]*)")
UNQUOTABLE = re.compile(r"[ \t\r\n\"'\\]")  # what shlex.split does not leave as it is


def errno_of(error: OSError) -> int | None:
    """The errno of an OSError, also of one that shutil has turned into text; None if it has none."""
    if error.errno:
        return error.errno
    match = NUMBERED.search(str(error))
    return int(match.group(1)) if match else None


def reason_of(error: OSError) -> str:
    """Why a file or folder could not be used, in a few words. shutil.Error contains a list of (source, target, text)."""
    if error.strerror:
        return error.strerror
    match = NUMBERED.search(str(error))
    return match.group(2) if match else one_line(error, 120)


def remedy_of(error: OSError) -> str:
    """Advice for an OSError or shutil.Error."""
    number = errno_of(error)
    return next((remedy for numbers, remedy in REMEDIES.items() if number in numbers), "correct the path")


def describe_failure(path: str | Path, error: OSError) -> str:
    """One line for a path that cannot be written."""
    return f"{one_line(path, LONGEST_PATH)}: cannot be written: {reason_of(error)}; {remedy_of(error)}"


def check_room(folder: str | Path, remedy: str) -> None:
    """Raises SetupError if the file system of a folder is (nearly) full. One that reports no size passes."""
    usage = os.statvfs(folder)
    free_mib = usage.f_bavail * usage.f_frsize / 2**20
    if usage.f_blocks and free_mib < LEAST_FREE_MIB:
        raise SetupError(
            f"{folder}: found {free_mib:.0f} MiB free, expected {LEAST_FREE_MIB} MiB or more; make room, or {remedy}"
        )
    if usage.f_files and usage.f_favail < LEAST_FREE_FILES:
        raise SetupError(
            f"{folder}: found room for {usage.f_favail} more files (inodes), expected {LEAST_FREE_FILES}; "
            f"delete some, or {remedy}"
        )


def check_writable(folder: str | Path, remedy: str, names: Iterable[str] = ()) -> None:
    """Raises SetupError if files cannot be written to a folder, which may not exist yet, or if one of `names` in it is a
    folder.

    Makes no folder that another run might use: the missing part of the path is tried in a temporary folder.
    """
    folder = Path(os.path.abspath(folder))
    existing = next(path for path in [folder, *folder.parents] if os.path.lexists(path))
    try:
        with tempfile.TemporaryDirectory(prefix=".", suffix=".part", dir=existing) as trial:
            tried = Path(trial) / folder.relative_to(existing)
            tried.mkdir(parents=True, exist_ok=True)
            (tried / "trial").write_bytes(bytes(4096))
        check_room(existing, remedy)
    except OSError as error:
        raise SetupError(describe_failure(folder, error)) from None
    for name in names:
        if (folder / name).is_dir():
            raise SetupError(f"{folder / name}: found a folder, expected a file or nothing; {remedy}")


def check_output(folder: str | Path, files: Iterable[str], folders: Iterable[str] = ()) -> None:
    """Raises SetupError if a run could not write `files` and `folders` to its output folder. Leaves nothing there."""
    check_writable(folder, "name another --output", files)
    for name in folders:
        path = Path(folder) / name
        if os.path.lexists(path) and not (path.is_dir() and os.access(path, os.W_OK | os.X_OK)):
            raise SetupError(f"{path}: cannot be replaced: it is no folder that you can write; delete it")


def check_file(path: Path | None) -> None:
    """Raises SetupError if a file cannot be written. An existing file keeps its content."""
    if path is None:
        return
    is_new = not os.path.lexists(path)
    try:
        with open(path, "ab"):
            pass
        if is_new:
            os.unlink(path)
    except OSError as error:
        raise SetupError(describe_failure(path, error)) from None


def check_temporary() -> None:
    """Raises SetupError if there is no folder for temporary files, or too little room in it."""
    try:
        folder = tempfile.gettempdir()
    except OSError as error:
        raise SetupError(f"{one_line(error.strerror, 120)}; make room in one, or set TMPDIR to another") from None
    check_writable(folder, "set TMPDIR to another folder")


def check_cache(folder: Path) -> None:
    """Make the folder of the compiler caches. Raises SetupError if it cannot be used."""
    try:
        try:
            private_folder(folder)
        except SetupError as error:
            raise SetupError(f"{error}, or {CACHE_REMEDY}") from None
        check_room(folder, f"{CACHE_REMEDY}; {CLEAN}")
        with tempfile.TemporaryDirectory(prefix="trial-", dir=folder):
            pass
    except OSError as error:
        raise SetupError(f"{folder}: cannot be written: {reason_of(error)}; {CACHE_REMEDY}") from None


def check_quotable(path: str | Path, remedy: str) -> None:
    """Raises SetupError if torch's compiler cannot use a path: it writes paths unquoted into the commands of the C++
    compiler and splits these as a shell would."""
    text = str(path)
    if UNQUOTABLE.search(text) or text.encode("utf-8", "replace") != os.fsencode(path):
        raise SetupError(
            f"{text!r}: torch.compile cannot use a path with a space, quote, backslash or byte that is not UTF-8; {remedy}"
        )
