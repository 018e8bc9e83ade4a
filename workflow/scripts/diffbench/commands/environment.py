"""Build the environment of a torch build with uv, or check an existing one, and write its packages to a file.

    environment.py NAME --folder FOLDER --make    build what envs/torch-<name>.yaml pins, if FOLDER is not complete
    environment.py NAME --folder FOLDER           check the environment in FOLDER; change nothing
    environment.py NAME                           check the environment that runs this program (conda's)

A check starts the environment's Python and compares every pin of the file with the installed version. Jobs only check. A
complete environment is never deleted or changed, because jobs may run in it; no job uses an incomplete one.
"""

from __future__ import annotations

import argparse
import fcntl
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from diffbench.catalogue.definition import ROOT
from diffbench.catalogue.environments import COMPLETE, PINNED, normalize_name, read_environment
from diffbench.libraries.releases import same_release
from diffbench.system.files import write_whole
from diffbench.system.printing import print_anywhere
from diffbench.vocabulary.errors import DiffbenchError, one_line

if TYPE_CHECKING:
    from collections.abc import Mapping

    from diffbench.catalogue.environments import Environment

WANTED = re.compile(r"/simple/([A-Za-z0-9._-]+)/|`([A-Za-z0-9._-]+==[^`\s]+)`|\b([A-Za-z0-9._-]+==[^\s,`]+)")


def find_uv() -> str:
    """The uv program: next to this Python, else on the PATH. Raises DiffbenchError if there is none."""
    found = shutil.which("uv", path=sysconfig.get_path("scripts")) or shutil.which("uv")
    if not found:
        raise DiffbenchError("uv cannot be found; install it (pip install uv), or let conda build: --use-conda")
    return found


def run_uv(shown: str, what: str | None, *arguments: object) -> None:
    """Run uv. Raises DiffbenchError with the missing item (`what`, or the package that uv names) and the reason."""
    result = subprocess.run(
        [find_uv(), *map(str, arguments)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        errors="replace",
    )
    if result.returncode:
        reason = result.stderr.strip()
        print(reason, file=sys.stderr)
        wanted = None if what else WANTED.search(reason)
        package = what or (next(filter(None, wanted.groups())) if wanted else "the environment")
        last = [line.strip() for line in reason.splitlines() if "warning" not in line.lower()]
        advice = (
            "; nightly wheels vanish after some 60 days: `make nightly` pins the newest" if "nightly" in shown else ""
        )
        raise DiffbenchError(f"{shown}: {package} is not available: {one_line(' '.join(last))}{advice}")


def make_environment(environment: Environment, folder: Path) -> None:
    """Build the environment in `folder`, and delete the files that an interrupted build left there."""
    shown = shown_name(environment)
    shutil.rmtree(folder, ignore_errors=True)
    python = f"Python {environment.python} (install it, or `uv python install {environment.python}`)"
    run_uv(shown, python, "venv", "--quiet", "--python", environment.python, folder)
    options = [line for line in environment.requirements if line.startswith("--")]
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", suffix=".txt", prefix="requirements-") as file:
        file.write("\n".join(environment.requirements) + "\n")
        file.flush()
        # with a second index, take the pinned version from whichever has it, as pip does
        strategy = ["--index-strategy", "unsafe-best-match"] if options else []
        run_uv(
            shown,
            None,
            "pip",
            "install",
            "--quiet",
            "--python",
            python_of(folder),
            *strategy,
            "--requirement",
            file.name,
        )


def shown_name(environment: Environment) -> str:
    """The environment's file, as errors name it."""
    return f"envs/torch-{environment.name}.yaml"


def python_of(folder: str | Path) -> Path:
    """The Python of an environment."""
    return Path(folder) / "bin" / "python"


def release_of(python: str | Path) -> str | None:
    """The release of a Python, such as `3.11.7`; None if it does not start."""
    command = [str(python), "-I", "-S", "-c", "import sys; print(sys.version.split()[0])"]
    try:
        result = subprocess.run(command, capture_output=True, encoding="utf-8", errors="replace")
    except OSError:
        return None
    return None if result.returncode else result.stdout.strip()


def installed_in(folder: str | Path) -> dict[str, str]:
    """{package: version} of the packages in an environment, from the names of their .dist-info folders."""
    found = (path.stem.rpartition("-") for path in Path(folder).glob("lib/python3*/site-packages/*.dist-info"))
    return {normalize_name(package): version for package, _, version in found}


def check_installed(environment: Environment, installed: Mapping[str, str], python: str | None, folder: Path) -> None:
    """Raises DiffbenchError if the environment in `folder` does not match its file: `installed` maps packages to versions,
    `python` is the release of its Python, None if it does not start."""
    problems = [] if python == environment.python else [f"its Python is {python}, expected {environment.python}"]
    if python is None:
        problems = [f"its Python does not start: {python_of(folder)}"]
    for line in environment.requirements:
        match = PINNED.match(line)
        if not match:
            continue
        package, version, marker = match.groups()
        found = installed.get(normalize_name(package))
        if found is None and marker:
            continue
        if not same_release(found, version):
            problems.append(f"{package} {found or 'is missing'}, expected {version}")
    if problems:
        raise DiffbenchError(
            f"{shown_name(environment)}: {problems[0]}; the environment is broken: remove {folder} and start Snakemake again"
        )


def check_packages(environment: Environment, folder: Path) -> str:
    """The packages of the environment in `folder`, a `package==version` per line. Raises DiffbenchError if they do not
    match its file."""
    python, installed = release_of(python_of(folder)), installed_in(folder)
    check_installed(environment, installed, python, folder)
    lines = [f"# {shown_name(environment)}, Python {python}"]
    lines += [f"{package}=={version}" for package, version in sorted(installed.items())]
    return "\n".join(lines) + "\n"


def check_built(environment: Environment, folder: Path, wait_s: float = 0) -> str:
    """The same for an environment that uv builds, which must be complete. `wait_s` is how long a shared disk may take to
    show it."""
    deadline_s = time.monotonic() + wait_s
    while not (folder / COMPLETE).is_file() and time.monotonic() < deadline_s:
        time.sleep(1)
    if not (folder / COMPLETE).is_file():
        raise DiffbenchError(
            f"{shown_name(environment)}: no complete environment in {folder}; start Snakemake again, which builds it first"
        )
    return check_packages(environment, folder)


def build_if_missing(environment: Environment, folder: Path) -> str:
    """Build the environment in `folder` unless it is complete, one builder at a time. Returns its packages."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with open(folder.with_name(f"{folder.name}.lock"), "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / COMPLETE).is_file():
            make_environment(environment, folder)
            check_packages(environment, folder)
            write_whole(folder / COMPLETE, "")
        return check_built(environment, folder)


def main() -> int:
    print_anywhere()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", help="a name of envs/torch-<name>.yaml")
    parser.add_argument("--folder", type=Path, help="folder of the environment; default: that of this Python")
    parser.add_argument("--make", action="store_true", help="build it with uv if it is not complete")
    parser.add_argument("--record", type=Path, help="write the environment's packages to this file")
    parser.add_argument("--wait-s", type=float, default=0, help="how long a shared disk may take to show the folder")
    parser.add_argument("--root", type=Path, default=ROOT, help="folder with envs/")
    arguments = parser.parse_args()
    if arguments.make and not arguments.folder:
        parser.error("--make needs --folder")
    try:
        environment = read_environment(arguments.name, arguments.root)
        if arguments.make:
            packages = build_if_missing(environment, arguments.folder)
        elif arguments.folder:
            packages = check_built(environment, arguments.folder, arguments.wait_s)
        else:
            packages = check_packages(environment, Path(sys.prefix))
        if arguments.record:
            write_whole(arguments.record, packages)
    except DiffbenchError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0
