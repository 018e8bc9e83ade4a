"""The compiler caches of cells: their folders, whether they start cold or warm, and when they are deleted.

Each cell has its own folder on a local disk, which a run locks. Round 1 starts with an empty folder. Later rounds start
with the files that earlier rounds left there, and the last round deletes them.
"""

from __future__ import annotations

import fcntl
import os
import shlex
import shutil
import stat
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from diffbench.vocabulary.errors import SetupError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

SHARED, FRESH = CACHES = (
    "shared",
    "fresh",
)  # later rounds take what round 1 compiled, or each round compiles for itself
COLD, WARM = "cold", "warm"
CACHE_VARIABLE = "DIFFBENCH_CACHE"
CLEAN = "`snakemake --cores 1 clean_caches` deletes those that no run uses"
MEASURED = "measured"  # the file that says that a round was measured to its end with this cache
TAG = "CACHEDIR.TAG"  # bford.info/cachedir: programs that make backups leave such a folder out
TAG_TEXT = "Signature: 8a477f597d28d172789f06886806bc55\n# compiler cache of a cell of diffbench\n"
COMPILED = {".so", ".cubin", ".hsaco", ".ptx", ".spv", ".metallib"}  # what a compiler leaves


def default_folder() -> Path:
    """The folder of all caches of this user: $DIFFBENCH_CACHE, else a folder in the one for temporary files."""
    named = os.environ.get(CACHE_VARIABLE)
    return resolve_links(named) if named else Path(tempfile.gettempdir()) / f"diffbench-cache-{os.getuid()}"


def resolve_links(named: str | Path) -> Path:
    """The real path of a folder that the user has named: it may be the user's own link."""
    return Path(os.path.realpath(named))


def private_folder(path: Path) -> Path:
    """Make a folder that only this user can write to, because code is loaded from it and run. Raises SetupError if other
    users can write to it, or if it is a link, which another user may have made."""
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode):
        raise SetupError(f"{path}: is a link; remove it")
    if found.st_uid != os.getuid():
        raise SetupError(f"{path}: is another user's; have it removed")
    if found.st_mode & 0o022:
        raise SetupError(f"{path}: others can write there; `chmod go-w {shlex.quote(str(path))}`")
    return path


def cell_folder() -> Path:
    """The cell's cache, read in the measuring process."""
    return Path(os.environ["TORCHINDUCTOR_CACHE_DIR"]).parent


class CellCache:
    """The cache of one cell, locked by this run, in a mode of CACHES. `started` is WARM if an earlier round of the cell was
    measured to its end with it, else COLD."""

    def __init__(self, folder: Path, mode: str, started: str) -> None:
        self.folder, self.mode, self.started = folder, mode, started
        self.before = self.compiled_files()

    def compiled_files(self) -> set[Path]:
        """The files in it that a compiler has written."""
        return {path for path in self.folder.rglob("*") if path.suffix in COMPILED}

    def state(self, row: Mapping[str, Any]) -> str | None:
        """The value of the column `cache` for a compiled stage: WARM only if the compiler took every graph from the cache.

        A torch that does not count hits and misses is judged by its compiled files: any new file makes the run cold. None
        if the stage ended too early to know.
        """
        if self.started == COLD:
            return COLD
        hits, misses = row.get("cache_hits"), row.get("cache_misses")
        if hits is not None:
            return WARM if hits > 0 and misses == 0 else COLD
        if row["status"] != "ok":
            return None
        return WARM if self.compiled_files() <= self.before else COLD

    def finish(self, round_number: int, rounds: int | None, complete: bool) -> None:
        """Mark the cache if a round was measured to its end, and delete it after the last of the cell's `rounds` (None:
        keep it). A failure here does not lose the measurement: without the mark the next round starts cold."""
        if complete:
            with suppress(OSError):
                (self.folder / MEASURED).touch()
        if rounds is not None and (self.mode == FRESH or round_number >= rounds):
            shutil.rmtree(self.folder, ignore_errors=True)


@contextmanager
def cell_cache(base: str | Path, name: str, round_number: int, mode: str) -> Iterator[CellCache]:
    """The CellCache `name` in the folder `base`. It is emptied in round 1, in every round of the mode FRESH, and if no
    earlier round was measured to its end with it: warm means that the same cell was measured with this cache."""
    folder = private_folder(Path(base)) / name
    with locked_folder(folder):
        warm = round_number > 1 and mode == SHARED and (folder / MEASURED).is_file()
        if not warm:
            delete_content(folder)
        (folder / TAG).write_text(TAG_TEXT, encoding="utf-8")
        yield CellCache(folder, mode, WARM if warm else COLD)


def delete_content(folder: Path) -> None:
    """Delete the content of a folder, but not the folder, which is locked."""
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink()


@contextmanager
def locked_folder(folder: Path) -> Iterator[None]:
    """Make a private folder and hold its lock. A folder that is deleted while this waits for the lock is made again."""
    while True:
        private_folder(folder)
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            wait_for_lock(folder, descriptor)
            if is_same_folder(folder, descriptor):
                yield
                return
        finally:
            os.close(descriptor)


def wait_for_lock(folder: Path, descriptor: int) -> None:
    """Wait for the lock of an open folder. Raises SetupError if its file system has no locks."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    except OSError as error:
        raise SetupError(
            f"{folder}: cannot be locked: {error.strerror}; set {CACHE_VARIABLE} or --cache-folder to a folder on a local disk"
        ) from None


def is_same_folder(path: Path, descriptor: int) -> bool:
    """Whether a path still names the open folder."""
    try:
        return os.path.samestat(os.stat(path), os.fstat(descriptor))
    except FileNotFoundError:
        return False
