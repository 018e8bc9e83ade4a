"""How a rule's script ends after an error: with one line. A script imports this first, before modules that import slowly."""

import os
import sys
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

from diffbench.data.types import AnyPath
from diffbench.system.printing import print_anywhere
from diffbench.vocabulary.errors import DiffbenchError, describe_missing, one_line

FAULT = "{place}: {kind}: {text}; this is a bug in diffbench: report it with the log"
LIMIT = 2000  # characters of a reason in a log
INTERRUPTED = 130  # exit code, as of a shell


class Snakemake(Protocol):
    """The object that Snakemake gives to a rule's script: the files and params of a job, by number and name."""

    input: Any
    output: Any
    params: Any
    log: Any


def run_script(main: Callable[[Snakemake], None], snakemake: Snakemake) -> None:
    """Run a script's `main(snakemake)`; see `end`."""
    print_anywhere()
    try:
        main(snakemake)
        sys.stdout.flush()
    except (Exception, KeyboardInterrupt) as error:
        sys.exit(end(error, snakemake))


def end(error: BaseException, snakemake: Snakemake) -> int:
    """Write the reason why a script ends as the last line of its rule's log, if it has one: Snakemake's process prints it from
    there. Returns the exit code. The log also has the traceback of an unexpected exception."""
    if isinstance(error, KeyboardInterrupt):
        return INTERRUPTED
    planned = isinstance(error, (DiffbenchError, OSError, ModuleNotFoundError))
    details = "" if planned else "".join(traceback.format_exception(type(error), error, error.__traceback__))
    text = f"{details}error: {describe(error)}\n"
    try:
        Path(snakemake.log[0]).write_text(text, encoding="utf-8", errors="replace")
    except IndexError:
        sys.stderr.write(text)
    except OSError:  # on a full disk, removing the script's output makes room: Snakemake would remove it anyway
        remove(snakemake.output)
        try:
            Path(snakemake.log[0]).write_text(text, encoding="utf-8", errors="replace")
        except OSError:
            sys.stderr.write(text)
    return 1


def remove(paths: Iterable[AnyPath]) -> None:
    """Remove those of the paths that are files."""
    for path in map(Path, paths):
        if path.is_file():
            path.unlink()


def describe(error: BaseException) -> str:
    """One line: an error's own text, an OSError's file and reason, the missing package, or the place of a bug."""
    if isinstance(error, ModuleNotFoundError):
        return describe_missing((error.name or "a package").partition(".")[0], sys.executable)
    if isinstance(error, OSError):
        return f"{error.filename or 'a file'}: cannot be read or written: {error.strerror or one_line(error)}"
    if isinstance(error, DiffbenchError):
        return one_line(error, LIMIT)
    return FAULT.format(place=place_of(error), kind=type(error).__name__, text=one_line(error))


def place_of(error: BaseException) -> str:
    """The file and line that an exception comes from: the last in diffbench's own code."""
    own = Path(__file__).resolve().parents[2]
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if own in Path(frame.filename).resolve().parents]
    frame = (ours or frames)[-1]
    return f"{Path(frame.filename).name}, line {frame.lineno}"


def hook(snakemake: Snakemake) -> Callable[[type[BaseException], BaseException, TracebackType | None], None]:
    """A hook for exceptions outside `run_script`, while a script imports its modules."""

    def end_script(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        sys.exit(end(error.with_traceback(trace), snakemake))

    return end_script


os.environ.pop("MPLBACKEND", None)  # importing matplotlib fails with an unknown backend
os.environ["MATPLOTLIBRC"] = os.devnull  # ignore the user's settings
if hasattr(sys.modules["__main__"], "snakemake"):  # a script that Snakemake runs
    sys.excepthook = hook(sys.modules["__main__"].snakemake)
