"""Measurements from other machines: the files of `external` in a config, checked against the config; nothing is merged
silently."""

from __future__ import annotations

import csv
import glob
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd

from diffbench.catalogue.definition import planned_digest
from diffbench.data import run_checks
from diffbench.data.ceilings import read_ceilings
from diffbench.data.csv_text import line_of
from diffbench.data.errors import SENT, ReportError
from diffbench.data.fidelity_csv import read_fidelity
from diffbench.data.measurements import read_calls, read_rows
from diffbench.vocabulary.columns import CELL, IDENTITY
from diffbench.vocabulary.errors import DiffbenchError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

COMPARED = [*run_checks.KEY_OF_CALLS, "status", "calls", "latency_s"]  # of a row, with its calls
ROW_KEY = [*(column for column in IDENTITY if column != "size"), "definition", "started_at", "status", "latency_s"]
DEFINED = ["scale", "weights"]  # columns that the definition includes
HINT = "name a CSV of measurements, the folder of a bundle or of results/<name>, or a glob of them"


class Source(NamedTuple):
    """A CSV of measurements and the other files in its folder: lists of at most one path (`ceilings`: any number)."""

    rows: Path
    calls: list[Path]
    fidelity: list[Path]
    ceilings: list[Path]


def find_sources(patterns: Iterable[str], own: str | Path) -> list[Source]:
    """The Sources that `patterns` (CSVs, folders, globs) name, each file once.

    Raises DiffbenchError for a pattern that matches none, for a path with braces, which Snakemake reads as a wildcard, for a
    file below `own`, the folder of this config's results, and for a collected file that lacks a run in its folder.
    """
    sources: dict[Path, Source] = {}
    for pattern in patterns:
        pattern = expand_user(pattern, "external", HINT)
        # glob.glob and not Path.glob, which takes no absolute pattern
        matches = [pattern] if Path(pattern).exists() else sorted(glob.glob(pattern, recursive=True))  # noqa: PTH207
        paths = [Path(path) for path in matches]
        found = [source for path in paths for source in (sources_in(path) if path.is_dir() else [source_of(path)])]
        if not found:
            problem = f"{paths[0]} has neither measurements.csv nor a run.csv" if paths else "no such file or folder"
            raise DiffbenchError(f"config: external: {pattern}: {problem}; {HINT}")
        for source in found:
            if {"{", "}"} & set(str(source.rows)):
                raise DiffbenchError(
                    f"config: external: found {str(source.rows)!r}, expected a path without braces; rename it"
                )
            if Path(own).resolve() in source.rows.resolve().parents:
                raise DiffbenchError(
                    f"config: external: {source.rows}: belongs to this config's own results; choose another `name`"
                )
            sources.setdefault(source.rows.resolve(), source)
    return list(sources.values())


def expand_user(pattern: str, key: str, hint: str) -> str:
    """A path of the config's `key`, with `~` expanded. Raises DiffbenchError with the hint for an unknown user."""
    try:
        return str(Path(pattern).expanduser())
    except RuntimeError:
        user = Path(pattern).parts[0][1:]
        raise DiffbenchError(f"config: {key}: {pattern}: user {user!r} has no home folder; {hint}") from None


def files_in(paths: Iterable[Path]) -> list[Path]:
    """The paths that are files, sorted. A named pipe is left out: opening it would block."""
    return sorted(path for path in paths if path.is_file())


def sources_in(folder: Path) -> list[Source]:
    """The Sources in a folder: every measurements.csv in it, otherwise the runs, the first of which has the folder's ceilings."""
    collected = files_in(folder.rglob("measurements.csv"))
    for path in collected:
        newer = [run for run in files_in(path.parent.rglob("run.csv")) if run.stat().st_mtime > path.stat().st_mtime]
        known = read_row_keys(path) if newer else set()
        missing = next(
            (run for run in newer if not read_row_keys(run) <= known), None
        )  # copying can change a file's time
        if missing:
            raise DiffbenchError(
                f"config: external: {path}: lacks the rows of {missing}; finish there (`snakemake --cores 1`), or pack a bundle"
            )
    found = [source_of(path) for path in collected or files_in(folder.rglob("run.csv"))]
    if found and not collected:
        found[0] = found[0]._replace(ceilings=files_in(folder.glob("ceilings/*/*.csv")))
    return found


def read_row_keys(path: Path) -> set[tuple[str, ...]]:
    """The values that identify each row of a CSV of measurements, in columns that every release has; empty for another
    file."""
    with open(path, encoding="utf-8", errors="replace", newline="") as file:
        return {tuple(row.get(column, "") for column in ROW_KEY) for row in csv.DictReader(file)}


def source_of(rows: Path) -> Source:
    """The Source of a CSV of measurements. Raises DiffbenchError for an archive, and for a path that is not a file."""
    if not rows.is_file():
        raise DiffbenchError(f"config: external: {rows}: found a pipe or a device, expected a file; {HINT}")
    if rows.suffix == ".zip":
        raise DiffbenchError(
            f"config: external: {rows}: found an archive, expected a folder; unpack it and name its folder"
        )
    companions = {
        name: [path] if (path := rows.with_name(f"{name}.csv")).is_file() else [] for name in Source._fields[1:]
    }
    companions["ceilings"] += files_in(rows.parent.glob("ceilings/*/*.csv"))
    return Source(rows, **companions)


def read_sources(sources: Iterable[Source]) -> pd.DataFrame:
    """The rows of all Sources, as text, with the columns of IDENTITY, `definition`, DEFINED and `place` (`FILE:LINE`).

    Raises DiffbenchError if a file is not a CSV of measurements, another file of its folder is damaged, a row contradicts
    itself, or a row occurs twice.
    """
    rows = []
    for source in sources:
        try:
            measured = read_rows(source.rows, remedy=SENT)
            read_ceilings(source.ceilings, remedy=SENT)
            for path in source.calls:
                calls = read_calls([path], remedy=SENT)
                check_measured(path, calls, run_checks.KEY_OF_CALLS, source.rows, measured)
                columns = {column: [row[column] for row in measured] for column in COMPARED}
                run_checks.check_calls([source.rows], columns, [len(measured)], calls, SENT, complete=False)
            for path in source.fidelity:
                check_measured(path, read_fidelity(path, remedy=SENT), IDENTITY, source.rows, measured)
        except ReportError as error:
            raise DiffbenchError(f"config: external: {error}") from None
        except OSError as error:
            raise DiffbenchError(f"config: external: {error.filename}: cannot be read: {error.strerror}") from None
        rows += [{**row, "place": f"{source.rows}:{line}"} for line, row in enumerate(measured, start=2)]
    frame = pd.DataFrame(rows, columns=[*IDENTITY, "definition", *DEFINED, "place"])
    duplicates = frame[frame.duplicated(IDENTITY, keep=False)]
    if len(duplicates):
        first, other = duplicates.loc[(duplicates[IDENTITY] == duplicates.iloc[0][IDENTITY]).all(axis=1), "place"][:2]
        raise DiffbenchError(
            f"config: external: {other}: the same measurement as in {first} ({describe(duplicates.iloc[0])}); keep one of them"
        )
    return frame


def check_measured(
    path: Path, frame: pd.DataFrame, columns: Sequence[str], place: Path, rows: Iterable[Mapping[str, str]]
) -> None:
    """Raises ReportError for a row of the DataFrame in `path` whose `columns` match no row of the measurements in the file
    `place`."""
    measured = {tuple(row[column] for column in columns) for row in rows}
    for number, values in enumerate(zip(*(frame[column].astype(str) for column in columns))):
        if values not in measured:
            row = dict(zip(columns, values))
            suffix = f" under definition {row['definition']}" if "definition" in row else ""
            raise ReportError(
                f"{path}:{line_of(path, number, SENT)}: {describe(row)}{suffix} is not in {place.name}; {SENT}"
            )


def describe(row: Any) -> str:
    """`A100, 2.0, if, batch size 4, eager, stage 1, round 2`."""
    return f"{row['gpu']}, {row['torch']}, {run_checks.describe([row[axis] for axis in IDENTITY])}"


def check_definitions(frame: pd.DataFrame, config: Mapping[str, Any], root: str | Path) -> None:
    """Raises DiffbenchError for the first row whose definition differs from that of this config and these catalogues, and
    for a run without one of its stages."""
    definitions = {}
    for row in frame.to_dict("records"):
        key = (row["pipeline"], int(row["batch_size"]), row["size"], row["variant"])
        if key not in definitions:
            try:
                definitions[key] = planned_digest(config, *key, root)
            except DiffbenchError as error:
                raise DiffbenchError(f"config: external: {row['place']}: {error}") from None
        if row["definition"] != definitions[key]:
            its_config = Path(row["place"].rpartition(":")[0]).with_name("config.yaml")
            remedy = (
                f"name its own config first: --configfile {its_config} …"
                if its_config.is_file()
                else "use those it came with, or leave it out"
            )
            raise DiffbenchError(
                f"config: external: {row['place']}: has another definition: `measurement`, `weights`, `scale`, `cache` or a "
                f"catalogue differs; {remedy}"
            )
        for column in DEFINED:
            if row[column] not in ("", config[column]):
                raise DiffbenchError(
                    f"config: external: {row['place']}: {column}: found {row[column]!r}, but its definition is that of "
                    f"{config[column]!r}; {SENT}"
                )
    try:
        run_checks.check_stages(
            zip(frame["place"], frame[IDENTITY].astype(str).itertuples(index=False, name=None)), SENT, root
        )
    except ReportError as error:
        raise DiffbenchError(f"config: external: {error}") from None


def external_cells(
    sources: Iterable[Source], config: Mapping[str, Any], runs: pd.DataFrame, root: str | Path
) -> pd.DataFrame:
    """The cells of the Sources, a DataFrame with the columns of CELL and `definition`. None of them is scheduled here.

    `runs` are the config's own. Raises DiffbenchError for a row that is also one of them, that occurs twice, or that was
    measured under another definition.
    """
    frame = read_sources(sources)
    check_definitions(frame, config, root)
    planned = pd.MultiIndex.from_frame(runs[[*CELL, "round"]].astype(str))
    both = frame[pd.MultiIndex.from_frame(frame[[*CELL, "round"]]).isin(planned)]
    if len(both):
        row = both.iloc[0]
        raise DiffbenchError(
            f"config: external: {row['place']}: is also a run of this config, so it would have two sources; "
            f"remove {row['gpu']} from `gpus`, `exclude` the cell, or leave the file out"
        )
    cells = frame[[*CELL, "definition"]].drop_duplicates()
    return cells.assign(batch_size=cells["batch_size"].astype(int)).reset_index(drop=True)
