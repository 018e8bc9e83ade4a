"""The installed versions of packages."""

import importlib.util
import re
from contextlib import suppress
from importlib import metadata
from pathlib import Path

STATED = ("torch", "diffusers", "transformers", "accelerate")  # what the measuring process states as imported
STATEMENT = re.compile(r"^__version__ *= *['\"]([^'\"]+)", re.MULTILINE)


def source_version(name):
    """The version that a module's source states, found without importing it; None where it states none."""
    with suppress(ValueError, OSError):  # UnicodeDecodeError is a ValueError
        found = importlib.util.find_spec(name)
        folder = Path(found.origin).parent if found and found.origin else None
        for file in [folder / "version.py", folder / "__init__.py"] if folder else []:
            stated = STATEMENT.search(file.read_text(encoding="utf-8")) if file.is_file() else None
            if stated:
                return stated.group(1)
    return None


def package_version(name):
    """The version of a package, or None. Of STATED it is the version of the source that would be imported: in a folder of
    PYTHONPATH, or one that pip has installed as editable, it may be another than the one that pip has noted."""
    stated = source_version(name) if name in STATED else None
    if stated:
        return stated
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
