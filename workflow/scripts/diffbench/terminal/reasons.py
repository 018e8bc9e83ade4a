"""The reason why Snakemake ends, in one line. Its own messages can have thousands of characters; its log file has them."""

import builtins
import re
import shlex
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from diffbench.data.types import AnyPath
from diffbench.vocabulary.errors import find_near

LENGTH = 200  # of the last line, without the path of a log
CLOCK_SLACK_S = 2  # a file's time is that of a kernel tick, or of a file server whose clock may be slow
ERROR = "error: "
LOCKED = (
    "another snakemake runs in this folder: wait until it ends; if none runs, "
    "`snakemake --unlock --directory {folder}` removes its lock"
)
UNKNOWN = "{name}: no rule has this name or makes this file;{near} `snakemake --list-target-rules` lists the rules"
MISSING = "{file}: this input of rule {rule} is missing{more}; restore it"
FUTURE = "{file}: its time is in the future; correct the clock, or run `find {folder} -newermt now -exec touch {{}} +`"
NO_USER = "this user, {number}, has no name on this machine; set one: `export USER=me`"
FOREIGN = "{what}; diffbench's own code did not raise it: look for the cause in the log"
FAULT = "{what}; this is a bug in diffbench: report it with the log"
SYSTEM = "{file}: cannot be read or written: {reason}"
CRASHED = "rule {rule}: its program was killed by {signal}"
FAILED = "rule {rule}: its program failed with exit code {code}"
CONDA = "conda: command not found; install conda, or start without --use-conda, --sdm conda or --archive"
ENVIRONMENT = "{file}: conda cannot make this environment: {reason}"
PIP = "ERROR: "
PACKAGES = {"site-packages", "dist-packages"}  # folders of installed packages
LIBRARY = re.compile(r"/lib/python3\.\d+/")  # of any Python: jobs may use another than Snakemake
OWN = re.compile(r"\b(?:DiffbenchError|ReportError|SetupError): *(.+)")


class ProgramExit(NamedTuple):
    """How a failed program ended: its exit code, or the name of the signal that killed it; each None if unknown."""

    code: str | None
    signal_name: str | None


def shorten(text: object, limit: int = LENGTH) -> str:
    """The text as one line of at most `limit` characters. It is cut in the middle: the problem is at its start, the remedy at its
    end."""
    line = " ".join("".join(c if c.isprintable() else " " for c in str(text)).split())
    if len(line) <= limit:
        return line
    end = limit * 2 // 5
    return f"{line[: limit - end - 3]} … {line[-end:]}"


def with_log(reason: str, log: AnyPath | None) -> str:
    """The line for a reason, with the log that has the details, if there is one."""
    text = ERROR + shorten(reason.removeprefix(ERROR), LENGTH - len(ERROR))
    return f"{text} (log: {log})" if log else text


def last_line(path: AnyPath, since: float) -> str:
    """The last line of a log, if it was written after `since` (seconds since the epoch); otherwise nothing."""
    try:
        path = Path(path)
        if path.stat().st_mtime < since - CLOCK_SLACK_S:
            return ""
        return path.read_text(encoding="utf-8", errors="replace").rstrip().rpartition("\n")[2]
    except OSError:
        return ""


def describe_exit(text: str) -> ProgramExit:
    """How a failed program ended, according to Snakemake's message."""
    code = re.search(r"non-zero exit status (\d+)", text)
    died = re.search(r"died with <Signals\.(\w+)", text)
    if died:
        return ProgramExit(None, died[1])
    if code and int(code[1]) > 128 and int(code[1]) - 128 in set(signal.Signals):  # how a shell reports a signal
        return ProgramExit(None, signal.Signals(int(code[1]) - 128).name)
    return ProgramExit(code[1] if code else None, None)


def describe_submitted(text: str) -> str:
    """The cluster's message about a job that failed, without the text that Snakemake's plugins add to each."""
    return text.partition("For further error details see")[0].strip()


def describe_program(rule: str, text: str) -> str:
    """The line for a rule whose program ended without giving a reason; `text`: Snakemake's message."""
    code, name = describe_exit(text)
    return CRASHED.format(rule=rule, signal=name) if name else FAILED.format(rule=rule, code=code or "other than 0")


def describe_exception(name: str, text: str, rules: Sequence[str] = ()) -> str:
    """The line for an exception of class `name` that Snakemake prints as `text`; `rules`: the names of all rules."""
    own = OWN.search(text)
    if own:
        return own[1]
    inner = re.search(r"^Error:\s+(\w+): (.*)\nWildcards:", text, re.MULTILINE)  # of an InputFunctionException
    if inner:
        heading = text.partition("\n")[0]
        return describe_exception(inner[1], f"{heading}\n{inner[2]}", rules)
    block = re.match(r"RuleException:\n(\w+) in file ", text)
    if block:  # the exception of a rule's `run:` block
        name, text = block[1], text.partition("\n")[2]
    if name == "LockException":
        return LOCKED.format(folder=shlex.quote(str(Path.cwd())))
    unknown = re.search(r"No rule to produce (\S+) \(|There is no rule named (\S+)\.", text)
    if unknown:
        target = unknown[1] or unknown[2]
        near = find_near(target, rules)
        return UNKNOWN.format(name=target, near=f" did you mean {near}?" if near else "")
    missing = re.search(r"Missing input files for rule (\S+):.*affected files:\s+(.*)", text, re.DOTALL)
    if missing:
        files = missing[2].split("\n")
        more = f", and {len(files) - 1} more" if len(files) > 1 else ""
        return MISSING.format(rule=missing[1], file=files[0].strip(), more=more)
    future = re.search(r"Output .+ has older modification time \(.+?\) than input (.+?) \(\d", text)
    if future:
        return FUTURE.format(file=future[1], folder=shlex.quote(folder_of_all(Path(future[1]))))
    nameless = re.search(r"getpwuid\(\): uid not found: (\d+)", text)
    if nameless:
        return NO_USER.format(number=nameless[1])
    if "Error running conda info" in text:
        return CONDA
    environment = re.search(r"Could not create conda environment from (\S+):\n.*Output:\n(.*)", text, re.DOTALL)
    if environment:
        return ENVIRONMENT.format(file=environment[1], reason=describe_installer(environment[2]))
    system = re.search(r"\[Errno \d+\] ([^:\n]+)(?:: '([^'\n]+)')?", text)
    kind = getattr(builtins, name, None)
    if system and isinstance(kind, type) and issubclass(kind, OSError):
        return SYSTEM.format(file=system[2] or "a file", reason=system[1])
    return describe_fault(name, text) if kind else describe_other(text)


def folder_of_all(path: Path) -> str:
    """The folder of a file and of others like it: results/ for a file in it, otherwise the file's own folder."""
    return str(path.parent) if path.is_absolute() else path.parts[0]


def describe_installer(output: str) -> str:
    """Why conda failed: the error of pip, which conda starts, otherwise the last line."""
    lines = list(filter(None, map(str.strip, output.splitlines())))
    return ([line for line in lines if line.startswith(PIP)] or lines or ["no message"])[-1].removeprefix(PIP)


def describe_fault(name: str, text: str) -> str:
    """`plan.smk, line 12: KeyError: 'gpu'; …`, for an unexpected exception; the place is the last in diffbench's own code."""
    places = re.findall(r'\b[Ff]ile "([^"]+)", line (\d+)', text)
    own = [place for place in places if not is_library(place[0])]
    where = "".join(f"{Path(path).name}, line {line}: " for path, line in (own or places)[-1:])
    what = f"{where}{name}: {describe_other(text)}".removesuffix(": ")
    return (FAULT if own or not places else FOREIGN).format(what=what)


def is_library(path: str) -> bool:
    """Whether a file of a traceback is part of Python or of an installed package."""
    return path.startswith("<") or bool(LIBRARY.search(path)) or not PACKAGES.isdisjoint(Path(path).parts)


def describe_other(text: str) -> str:
    """The text of a message of Snakemake, without its heading, places in files and tracebacks."""
    if "Traceback (most recent call last)" in text:
        return text.rstrip().rpartition("\n")[2].partition(": ")[2]
    heading = r'^(?!Error:)\w+( in rule \w+)?( in file "[^"\n]*", line \d+)?[:.](\n|$)'
    lines = re.sub(heading, "", text.strip()).removeprefix("Error: ").split("\n")
    return " ".join(line.strip() for line in lines if not line.startswith('  File "')).strip()
