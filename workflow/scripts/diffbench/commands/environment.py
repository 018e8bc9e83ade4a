"""Build the environment of a torch build with uv, or look at one that is there; write down what it holds.

    environment.py NAME --folder FOLDER --make    build what envs/torch-<name>.yaml pins, if FOLDER is not complete
    environment.py NAME --folder FOLDER           look at the environment in FOLDER; change nothing
    environment.py NAME                           look at the environment that runs this program (conda's)

To look means: its Python starts, and every pin of the file is installed in its version. A job only looks. One that is complete is
never deleted or changed, because jobs may run in it; one that is not complete is not used by any job.
"""

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

from diffbench.catalogue.definition import ROOT
from diffbench.catalogue.environments import COMPLETE, PINNED, normalized, read_environment
from diffbench.libraries.releases import same_release
from diffbench.system.files import write_whole
from diffbench.system.printing import print_anywhere
from diffbench.vocabulary.errors import DiffbenchError, one_line

WANTED = re.compile(r"/simple/([A-Za-z0-9._-]+)/|`([A-Za-z0-9._-]+==[^`\s]+)`|\b([A-Za-z0-9._-]+==[^\s,`]+)")


def find_uv():
    """The uv program: next to this Python, else on the PATH. Raises DiffbenchError if there is none."""
    found = shutil.which("uv", path=sysconfig.get_path("scripts")) or shutil.which("uv")
    if not found:
        raise DiffbenchError("uv cannot be found; install it (pip install uv), or let conda build: --use-conda")
    return found


def run_uv(shown, what, *arguments):
    """Run uv. Raises DiffbenchError that names what is not available (`what`, or the package that uv names) and why."""
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


def make_environment(environment, folder):
    """Build the environment in `folder`; what an interrupted build left there is deleted."""
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


def shown_name(environment):
    """The environment's file, as errors name it."""
    return f"envs/torch-{environment.name}.yaml"


def python_of(folder):
    """The Python of an environment."""
    return Path(folder) / "bin" / "python"


def release_of(python):
    """`3.11.7` of a Python; None if it does not start."""
    command = [str(python), "-I", "-S", "-c", "import sys; print(sys.version.split()[0])"]
    try:
        result = subprocess.run(command, capture_output=True, encoding="utf-8", errors="replace")
    except OSError:
        return None
    return None if result.returncode else result.stdout.strip()


def installed_in(folder):
    """{package: version} of what is installed in an environment, by the names of its .dist-info folders."""
    found = (path.stem.rpartition("-") for path in Path(folder).glob("lib/python3*/site-packages/*.dist-info"))
    return {normalized(package): version for package, _, version in found}


def check_installed(environment, installed, python, folder):
    """Raises DiffbenchError if the environment in `folder` is not what its file says: `installed` maps packages to versions,
    `python` is the release of its Python, None if it does not start."""
    problems = [] if python == environment.python else [f"its Python is {python}, expected {environment.python}"]
    if python is None:
        problems = [f"its Python does not start: {python_of(folder)}"]
    for line in environment.requirements:
        match = PINNED.match(line)
        if not match:
            continue
        package, version, marker = match.groups()
        found = installed.get(normalized(package))
        if found is None and marker:
            continue
        if not same_release(found, version):
            problems.append(f"{package} {found or 'is missing'}, expected {version}")
    if problems:
        raise DiffbenchError(
            f"{shown_name(environment)}: {problems[0]}; the environment is broken: remove {folder} and start Snakemake again"
        )


def look(environment, folder):
    """What the environment in `folder` holds, a `package==version` per line. Raises DiffbenchError if its file says otherwise."""
    python, installed = release_of(python_of(folder)), installed_in(folder)
    check_installed(environment, installed, python, folder)
    lines = [f"# {shown_name(environment)}, Python {python}"]
    lines += [f"{package}=={version}" for package, version in sorted(installed.items())]
    return "\n".join(lines) + "\n"


def look_at_made(environment, folder, wait_s=0):
    """The same of an environment that uv builds: it must be complete. `wait_s` is how long a shared disk may take to show it."""
    deadline_s = time.monotonic() + wait_s
    while not (folder / COMPLETE).is_file() and time.monotonic() < deadline_s:
        time.sleep(1)
    if not (folder / COMPLETE).is_file():
        raise DiffbenchError(
            f"{shown_name(environment)}: no complete environment in {folder}; start Snakemake again, which builds it first"
        )
    return look(environment, folder)


def make(environment, folder):
    """Build the environment in `folder` unless it is complete, one builder at a time. Returns what it holds."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with open(folder.with_name(f"{folder.name}.lock"), "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / COMPLETE).is_file():
            make_environment(environment, folder)
            look(environment, folder)
            write_whole(folder / COMPLETE, "")
        return look_at_made(environment, folder)


def main():
    print_anywhere()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", help="a name of envs/torch-<name>.yaml")
    parser.add_argument("--folder", type=Path, help="of the environment; by default that of the Python that runs this")
    parser.add_argument("--make", action="store_true", help="build it with uv if it is not complete")
    parser.add_argument("--record", type=Path, help="file to write what the environment holds to")
    parser.add_argument("--wait-s", type=float, default=0, help="how long a shared disk may take to show the folder")
    parser.add_argument("--root", type=Path, default=ROOT, help="folder that holds envs/")
    arguments = parser.parse_args()
    if arguments.make and not arguments.folder:
        parser.error("--make needs --folder")
    try:
        environment = read_environment(arguments.name, arguments.root)
        if arguments.make:
            held = make(environment, arguments.folder)
        elif arguments.folder:
            held = look_at_made(environment, arguments.folder, arguments.wait_s)
        else:
            held = look(environment, Path(sys.prefix))
        if arguments.record:
            write_whole(arguments.record, held)
    except DiffbenchError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0
