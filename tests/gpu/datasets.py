"""A dataset of resources/measured/ as text: in its folder, or in the archive that a session brings back. Imports no pandas."""

import csv
import io
import zipfile
from pathlib import Path

from diffbench.system.files import to_csv, write_whole
from diffbench.vocabulary.columns import CALL_COLUMNS, CEILING_COLUMNS, CELL, COLUMNS, MINUTE_COLUMNS
from diffbench.vocabulary.errors import DiffbenchError
from diffbench.vocabulary.sizes import NATIVE

RUN = [*CELL, "round"]
TABLES = {  # of a dataset's files, the columns that name what its rows belong to
    "measurements.csv": RUN,
    "calls.csv": RUN,
    "fidelity.csv": RUN,
    "minutes.csv": RUN,  # how long each phase of a run took
    "ceilings.csv": ["gpu", "torch", "dtype"],
}
COLUMNS_OF = {
    "measurements.csv": COLUMNS,
    "calls.csv": CALL_COLUMNS,
    "minutes.csv": MINUTE_COLUMNS,
    "ceilings.csv": CEILING_COLUMNS,
}
CHECKS = "checks"  # folder of what tests, bare loops and traces printed
PASSED = "exit code 0"  # the last line of a check that has come to its end
EPOCH = (1980, 1, 1, 0, 0, 0)  # of every file in an archive


def name_of(gpu, torch_version):
    """The name of the dataset of a GPU and a torch release: `h100-sxm-torch-2.11` of `H100-SXM` and `2.11.0+cu130`."""
    return f"{gpu.lower()}-torch-{'.'.join(torch_version.split('+')[0].split('.')[:2])}"


def key_of(row, table="measurements.csv"):
    """What a row belongs to: the values of the table's own columns."""
    return tuple(row.get(axis) or (NATIVE if axis == "size" else "") for axis in TABLES[table])


def rows_in(text):
    """The rows of a CSV as dictionaries of text."""
    return list(csv.DictReader(io.StringIO(text, newline="")))


class Dataset:
    """`tables`: the rows of each of TABLES. `texts`: every other file, by its path within the dataset."""

    def __init__(self):
        self.tables = {table: [] for table in TABLES}
        self.texts = {}

    def add(self, name, text):
        """Take in one file of a dataset."""
        if name in TABLES:
            self.tables[name] += rows_in(text)
        else:
            self.texts[name] = text

    def rows(self):
        """The rows of its runs."""
        return self.tables["measurements.csv"]

    def has_passed(self, check):
        """Whether a check of this name has come to a good end."""
        return self.texts.get(f"{CHECKS}/{check}.txt", "").rstrip().endswith(PASSED)

    def files(self):
        """{name: text} of all files that it has."""
        found = {}
        for table, rows in self.tables.items():
            if rows:
                found[table] = to_csv(
                    rows, COLUMNS_OF.get(table) or list(dict.fromkeys(key for row in rows for key in row))
                )
        return {**found, **self.texts}


def read_folder(folder):
    """The Dataset in a folder; an empty one where there is no such folder."""
    found = Dataset()
    for path in sorted(Path(folder).rglob("*")):
        if path.is_file():
            found.add(path.relative_to(folder).as_posix(), path.read_text(encoding="utf-8"))
    return found


def read_archive(path):
    """(name of the folder, the Dataset in it) of an archive. Raises DiffbenchError for another file."""
    folder, found = "", Dataset()
    try:
        with zipfile.ZipFile(path) as archive:
            for entry in archive.namelist():
                folder, _, name = entry.partition("/")
                found.add(name, archive.read(entry).decode("utf-8-sig"))
    except (zipfile.BadZipFile, UnicodeDecodeError) as error:
        raise DiffbenchError(f"{path}: not an archive of a session: {error}; have it sent again") from None
    return folder, found


def write_archive(path, name, dataset):
    """Write the archive, whole or not at all."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as file:
        for entry, text in dataset.files().items():
            file.writestr(zipfile.ZipInfo(f"{name}/{entry}", EPOCH), text, zipfile.ZIP_DEFLATED)
    write_whole(path, content.getvalue())
