"""Deleting the compiler caches that no run uses."""

from __future__ import annotations

import fcntl
import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from diffbench.vocabulary.errors import SetupError

from .compiler_caches import CACHE_VARIABLE, TAG, TAG_TEXT, default_folder


class Cleaning(NamedTuple):
    """The result of a cleaning: the number of deleted caches, the bytes that this freed, the number of caches in use, and
    the folders that could not be deleted."""

    deleted: int
    freed_bytes: int
    in_use: int
    undeletable: list[Path]


def is_ours(folder: Path, base: Path) -> bool:
    """Whether a folder is a cell's cache, which may be deleted. Everything in the default folder is ours."""
    if folder.is_symlink() or not folder.is_dir():
        return False
    if not os.environ.get(CACHE_VARIABLE) and base == default_folder():
        return True
    try:
        return (folder / TAG).read_text(encoding="utf-8") == TAG_TEXT
    except (OSError, UnicodeDecodeError):
        return False


def clean(base: Path) -> Cleaning:
    """Delete the unused caches in a folder. Raises SetupError if `base` cannot be read."""
    deleted, freed_bytes, in_use, undeletable = 0, 0, 0, []
    for folder in folders_in(base):
        if not is_ours(folder, base):
            continue
        try:
            descriptor = os.open(folder, os.O_RDONLY)
        except OSError:
            undeletable.append(folder)
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            in_use += 1
            continue
        else:
            before = size_of(folder)
            shutil.rmtree(folder, ignore_errors=True)
            freed_bytes += before - size_of(folder)
            if folder.exists():
                undeletable.append(folder)
            else:
                deleted += 1
        finally:
            os.close(descriptor)
    return Cleaning(deleted, freed_bytes, in_use, undeletable)


def folders_in(base: Path) -> list[Path]:
    """The entries of the folder of all caches, sorted; none if it does not exist."""
    try:
        return sorted(base.iterdir())
    except FileNotFoundError:
        return []
    except OSError as error:
        raise SetupError(
            f"{base}: cannot be read: {error.strerror}; expected the folder of the compiler caches; correct {CACHE_VARIABLE}"
        ) from None


def size_of(folder: Path) -> int:
    """The bytes of the files in a folder that can be read."""
    size = 0
    for path in folder.rglob("*"):
        with suppress(OSError):
            size += path.lstat().st_size
    return size


def describe_cleaning(base: Path) -> str:
    """Delete the unused caches in a folder and describe the result in one line. Raises SetupError if one cannot be deleted."""
    result = clean(base)
    in_use = f"; {result.in_use} in use, left as they are" if result.in_use else ""
    text = f"{base}: {result.deleted} compiler cache(s) deleted, {result.freed_bytes / 2**20:.0f} MiB{in_use}"
    if result.undeletable:
        problem = f"{len(result.undeletable)} could not be deleted: {result.undeletable[0].name}"
        raise SetupError(f"{text}; {problem}; delete what is left by hand")
    return text


def report_cleaning(base: Path, log: str | Path) -> None:
    """Delete the unused caches in a folder; print the result and write it to the log. Raises SetupError."""
    try:
        text = describe_cleaning(base)
    except SetupError as error:
        Path(log).write_text(f"error: {error}\n", encoding="utf-8")
        raise
    Path(log).write_text(f"{text}\n", encoding="utf-8")
    print(text)
