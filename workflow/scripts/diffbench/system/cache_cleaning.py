"""Deleting the compiler caches that no run uses."""

import fcntl
import os
import shutil
from contextlib import suppress
from pathlib import Path

from diffbench.vocabulary.errors import SetupError

from .compiler_caches import TAG, TAG_TEXT, VARIABLE, default_folder


def is_ours(folder, base):
    """Whether a folder is a cell's cache: another's is never deleted. Everything in the default place is ours."""
    if folder.is_symlink() or not folder.is_dir():
        return False
    if not os.environ.get(VARIABLE) and base == default_folder():
        return True
    try:
        return (folder / TAG).read_text(encoding="utf-8") == TAG_TEXT
    except (OSError, UnicodeDecodeError):
        return False


def clean(base):
    """Delete the caches in a folder that no run uses. Returns how many, the bytes that this freed, how many are in use, and the
    folders that could not be deleted. Raises SetupError where `base` is no folder that can be read."""
    deleted, freed_bytes, used, left = 0, 0, 0, []
    for folder in folders_in(base):
        if not is_ours(folder, base):
            continue
        try:
            descriptor = os.open(folder, os.O_RDONLY)
        except OSError:
            left.append(folder)
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            used += 1
            continue
        else:
            before = size_of(folder)
            shutil.rmtree(folder, ignore_errors=True)
            freed_bytes += before - size_of(folder)
            if folder.exists():
                left.append(folder)
            else:
                deleted += 1
        finally:
            os.close(descriptor)
    return deleted, freed_bytes, used, left


def folders_in(base):
    """What is in the folder of all caches, sorted; nothing where it is not there."""
    try:
        return sorted(base.iterdir())
    except FileNotFoundError:
        return []
    except OSError as error:
        raise SetupError(
            f"{base}: cannot be read: {error.strerror}; expected the folder of the compiler caches; correct {VARIABLE}"
        ) from None


def size_of(folder):
    """The bytes of the files in a folder, as far as they can be read."""
    size = 0
    for path in folder.rglob("*"):
        with suppress(OSError):
            size += path.lstat().st_size
    return size


def describe_cleaning(base):
    """Delete the caches in a folder that no run uses, and say so in one line. Raises SetupError where one is left."""
    deleted, freed_bytes, used, left = clean(base)
    in_use = f"; {used} in use, left as they are" if used else ""
    text = f"{base}: {deleted} compiler cache(s) deleted, {freed_bytes / 2**20:.0f} MiB{in_use}"
    if left:
        raise SetupError(f"{text}; {len(left)} could not be deleted: {left[0].name}; delete what is left by hand")
    return text


def report_cleaning(base, log):
    """Delete the caches in a folder that no run uses; print what came of it, and write it to the log. Raises SetupError."""
    try:
        text = describe_cleaning(base)
    except SetupError as error:
        Path(log).write_text(f"error: {error}\n", encoding="utf-8")
        raise
    Path(log).write_text(f"{text}\n", encoding="utf-8")
    print(text)
