"""Rows as CSV text, and files that appear whole or not at all."""

import csv
import io
import os
import shutil
from pathlib import Path

from diffbench.vocabulary.errors import SetupError

from .folders import describe_failure


def as_text(value):
    """A CSV cell: nothing for None, floats with the six significant digits that a clock can give."""
    if value is None:
        return ""
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def to_csv(rows, columns):
    """The rows (dictionaries) as CSV text; a missing key is an empty cell, an unknown one an error."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows({key: as_text(value) for key, value in row.items()} for row in rows)
    return text.getvalue()


def put(folder, files, folders):
    """Put `files` ({name: text}) and copies of `folders` ({name: path}) into a folder, in the place of what is there: all of it
    or nothing, the last of the files last.

    Raises SetupError where the disk is full or the folder cannot be written; nothing half-written stays.
    """
    temporary = folder / f".measured.{os.getpid()}.part"
    try:
        shutil.rmtree(temporary, ignore_errors=True)  # of a process that was killed
        temporary.mkdir(parents=True)
        for name, source in folders.items():
            shutil.copytree(source, temporary / name)
        for name, text in files.items():
            write(temporary / name, text.encode("utf-8"))
        for name in folders:
            shutil.rmtree(folder / name, ignore_errors=True)
        for name in [*folders, *files]:
            os.replace(temporary / name, folder / name)
    except OSError as error:  # also a shutil.Error
        raise SetupError(describe_failure(folder, error)) from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def write(path, content):
    """Write bytes to a file, and wait until they are on the disk. Raises OSError."""
    with open(path, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def write_whole(path, content):
    """Write a file (text in UTF-8, or bytes) under a temporary name in the same folder and rename it: readers see all of it or
    nothing.

    Raises SetupError where the disk is full or the folder cannot be written; nothing half-written stays.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(temporary, content.encode("utf-8") if isinstance(content, str) else content)
        os.replace(temporary, path)
    except OSError as error:
        try:
            temporary.unlink()
        except OSError:
            pass
        raise SetupError(describe_failure(path, error)) from None
