"""The compiler caches of cells: where they are, whether one was used, and when they are deleted.

Each cell has a folder of its own, on a local disk, which a run holds a lock on. Round 1 starts with an empty one, later rounds
with what the rounds before have left there, and the last one deletes it.
"""

import fcntl
import os
import shlex
import shutil
import stat
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path

from diffbench.vocabulary.errors import SetupError

SHARED, FRESH = CACHES = (
    "shared",
    "fresh",
)  # later rounds take what round 1 compiled, or each round compiles for itself
COLD, WARM = "cold", "warm"
VARIABLE = "DIFFBENCH_CACHE"
CLEAN = "`snakemake --cores 1 clean_caches` deletes those that no run uses"
MEASURED = "measured"  # the file that says that a round was measured to its end with this cache
TAG = "CACHEDIR.TAG"  # bford.info/cachedir: programs that make backups leave such a folder out
TAG_TEXT = "Signature: 8a477f597d28d172789f06886806bc55\n# compiler cache of a cell of diffbench\n"
COMPILED = {".so", ".cubin", ".hsaco", ".ptx", ".spv", ".metallib"}  # what a compiler leaves


def default_folder():
    """The folder of all caches of this user: $DIFFBENCH_CACHE, else one in the folder for temporary files."""
    named = os.environ.get(VARIABLE)
    return without_links(named) if named else Path(tempfile.gettempdir()) / f"diffbench-cache-{os.getuid()}"


def without_links(named):
    """Where a folder that the user has named is: it may be a link of theirs."""
    return Path(os.path.realpath(named))


def private_folder(path):
    """Make a folder that only this user can write: what is loaded from it is run. Raises SetupError where another could, or it
    is a link, which another may have put in a place that all know."""
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode):
        raise SetupError(f"{path}: is a link; remove it")
    if found.st_uid != os.getuid():
        raise SetupError(f"{path}: is another user's; have it removed")
    if found.st_mode & 0o022:
        raise SetupError(f"{path}: others can write there; `chmod go-w {shlex.quote(str(path))}`")
    return path


def cell_folder():
    """The cell's cache, in the measuring process."""
    return Path(os.environ["TORCHINDUCTOR_CACHE_DIR"]).parent


class CellCache:
    """The cache of one cell, locked by this run, in a mode of CACHES. `started` is COLD, or WARM where an earlier round of the
    cell was measured to its end with it."""

    def __init__(self, folder, mode, started):
        self.folder, self.mode, self.started = folder, mode, started
        self.before = self.compiled_files()

    def compiled_files(self):
        """The files in it that a compiler has made."""
        return {path for path in self.folder.rglob("*") if path.suffix in COMPILED}

    def state(self, row):
        """What the column `cache` says of a compiled stage's row: WARM only if the compiler took every graph from the cache.

        A torch that does not count hits and misses is judged by what it compiled: anything new makes the run cold. None
        where the stage ended too early to know.
        """
        if self.started == COLD:
            return COLD
        hits, misses = row.get("cache_hits"), row.get("cache_misses")
        if hits is not None:
            return WARM if hits > 0 and misses == 0 else COLD
        if row["status"] != "ok":
            return None
        return WARM if self.compiled_files() <= self.before else COLD

    def finish(self, round_number, rounds, complete):
        """Note that a round was measured to its end, if it was, and delete the cache after the last of the cell's `rounds`
        (None: it is kept). No failure of it loses the measurement: without the note the next round is cold."""
        if complete:
            with suppress(OSError):
                (self.folder / MEASURED).touch()
        if rounds is not None and (self.mode == FRESH or round_number >= rounds):
            shutil.rmtree(self.folder, ignore_errors=True)


@contextmanager
def cell_cache(base, name, round_number, mode):
    """The CellCache `name` in the folder `base`. Round 1 empties it, as does every round in the mode FRESH, and a later round
    that finds none that was measured to its end: warm means that the same cell was measured with this cache."""
    folder = private_folder(Path(base)) / name
    with locked_folder(folder):
        warm = round_number > 1 and mode == SHARED and (folder / MEASURED).is_file()
        if not warm:
            empty(folder)
        (folder / TAG).write_text(TAG_TEXT, encoding="utf-8")
        yield CellCache(folder, mode, WARM if warm else COLD)


def empty(folder):
    """Delete what is in a folder, and not the folder, which is locked."""
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink()


@contextmanager
def locked_folder(folder):
    """Make a private folder and hold its lock; one that was deleted while this waited for the lock is made again."""
    while True:
        private_folder(folder)
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            lock(folder, descriptor)
            if is_same_folder(folder, descriptor):
                yield
                return
        finally:
            os.close(descriptor)


def lock(folder, descriptor):
    """Wait for the lock of a folder that is open. Raises SetupError where its file system has no locks."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    except OSError as error:
        raise SetupError(
            f"{folder}: cannot be locked: {error.strerror}; set {VARIABLE} or --cache-folder to a folder on a local disk"
        ) from None


def is_same_folder(path, descriptor):
    """Whether a path still names the folder that is open."""
    try:
        return os.path.samestat(os.stat(path), os.fstat(descriptor))
    except FileNotFoundError:
        return False
