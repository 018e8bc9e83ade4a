"""The installed versions of packages."""

from __future__ import annotations

import importlib.util
import re
from contextlib import suppress
from importlib import metadata
from pathlib import Path

IMPORTED = ("torch", "diffusers", "transformers", "accelerate")  # the measuring process reports these as imported
STATEMENT = re.compile(r"^__version__ *= *['\"]([^'\"]+)", re.MULTILINE)


def source_version(name: str) -> str | None:
    """The version that a module's source states, read without importing it; None if it states none."""
    with suppress(ValueError, OSError):  # UnicodeDecodeError is a ValueError
        found = importlib.util.find_spec(name)
        folder = Path(found.origin).parent if found and found.origin else None
        for file in [folder / "version.py", folder / "__init__.py"] if folder else []:
            stated = STATEMENT.search(file.read_text(encoding="utf-8")) if file.is_file() else None
            if stated:
                return stated.group(1)
    return None


def package_version(name: str) -> str | None:
    """The version of a package, or None. For a package of STATED, the version of the source that would be imported: in a
    folder of PYTHONPATH or an editable install it may differ from the version that pip has recorded."""
    stated = source_version(name) if name in IMPORTED else None
    if stated:
        return stated
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
