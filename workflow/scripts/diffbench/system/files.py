"""Rows as CSV text, and files that are written completely or not at all."""

from __future__ import annotations

import csv
import io
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from diffbench.vocabulary.errors import SetupError

from .folders import describe_failure

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any


def format_cell(value: object) -> str:
    """The text of a CSV cell: empty for None, floats with six significant digits, the precision of the clock."""
    if value is None:
        return ""
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def to_csv(rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> str:
    """The rows (dictionaries) as CSV text. A missing key is an empty cell, an unknown key is an error."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows({key: format_cell(value) for key, value in row.items()} for row in rows)
    return text.getvalue()


def put_together(folder: Path, files: Mapping[str, str], folders: Mapping[str, Path]) -> None:
    """Write `files` ({name: text}) and copies of `folders` ({name: path}) to a folder and replace existing ones: all of
    them or none, the last file last.

    Raises SetupError if the disk is full or the folder cannot be written; no partial output is left.
    """
    temporary = folder / f".measured.{os.getpid()}.part"
    try:
        shutil.rmtree(temporary, ignore_errors=True)  # of a process that was killed
        temporary.mkdir(parents=True)
        for name, source in folders.items():
            shutil.copytree(source, temporary / name)
        for name, text in files.items():
            write_synced(temporary / name, text.encode("utf-8"))
        for name in folders:
            shutil.rmtree(folder / name, ignore_errors=True)
        for name in [*folders, *files]:
            os.replace(temporary / name, folder / name)
    except OSError as error:  # also a shutil.Error
        raise SetupError(describe_failure(folder, error)) from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def write_synced(path: Path, content: bytes) -> None:
    """Write bytes to a file and wait until they are on the disk. Raises OSError."""
    with open(path, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def write_whole(path: str | Path, content: str | bytes) -> None:
    """Write a file (text in UTF-8, or bytes) under a temporary name in the same folder and rename it, so that readers never
    see part of it.

    Raises SetupError if the disk is full or the folder cannot be written; no partial file is left.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_synced(temporary, content.encode("utf-8") if isinstance(content, str) else content)
        os.replace(temporary, path)
    except OSError as error:
        try:
            temporary.unlink()
        except OSError:
            pass
        raise SetupError(describe_failure(path, error)) from None
