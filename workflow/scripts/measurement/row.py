"""Rows as CSV text, and files that appear whole or not at all."""

import csv
import io
import os
import shutil
from pathlib import Path

from .errors import SetupError, one_line


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


def copy_folder(source, target):
    """Put a copy of the folder at `target`, in the place of what is there: readers see all of it or nothing.

    Raises SetupError where the disk is full or the folder cannot be written; nothing half-written stays.
    """
    temporary = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        shutil.copytree(source, temporary)
        shutil.rmtree(target, ignore_errors=True)
        os.replace(temporary, target)
    except (OSError, shutil.Error) as error:
        shutil.rmtree(temporary, ignore_errors=True)
        reason = getattr(error, "strerror", None) or one_line(error)
        raise SetupError(f"{target}: cannot be written: {reason}; make room or mend the permissions") from None


def write_whole(path, content):
    """Write a file (text in UTF-8, or bytes) under a temporary name in the same folder and rename it: readers see all of it or
    nothing.

    Raises SetupError where the disk is full or the folder cannot be written; nothing half-written stays.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(temporary, "wb") as file:
            file.write(content.encode("utf-8") if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        try:
            temporary.unlink()
        except OSError:
            pass
        raise SetupError(f"{path}: cannot be written: {error.strerror}; make room or mend the permissions") from None
