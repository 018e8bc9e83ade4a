"""Make the environment of a torch build with uv, or look at the one that conda made; write down what it holds.

    build.py NAME --make FOLDER    see to it that FOLDER holds what envs/torch-<name>.yaml pins, and make it anew if not
    build.py NAME                  look at the environment that runs this program (conda's)

Looking at it means: every pin of the file is installed in its version. So an environment that was interrupted, damaged or made
from other pins is noticed.
"""

import argparse
import fcntl
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from importlib import metadata
from pathlib import Path

from environments import PINNED, normalized, read_environment
from measurement.definition import ROOT
from measurement.errors import DiffbenchError, one_line
from measurement.release import same_release
from measurement.row import write_whole

COMPLETE = ".complete"  # written last: an environment without it was interrupted
WANTED = re.compile(r"/simple/([A-Za-z0-9._-]+)/|`([A-Za-z0-9._-]+==[^`\s]+)`|\b([A-Za-z0-9._-]+==[^\s,`]+)")


def find_uv():
    """The uv program: beside this Python, else on the PATH. Raises DiffbenchError where there is none."""
    found = shutil.which("uv", path=sysconfig.get_path("scripts")) or shutil.which("uv")
    if not found:
        raise DiffbenchError("uv cannot be found; install it (pip install uv), or let conda build: --use-conda")
    return found


def run_uv(shown, what, *arguments):
    """Run uv. Raises DiffbenchError that names what could not be had (`what`, or the package that uv names), with the reason."""
    result = subprocess.run(
        [find_uv(), *map(str, arguments)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
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
        raise DiffbenchError(f"{shown}: {package} could not be had: {one_line(' '.join(last))}{advice}")


def make_environment(environment, folder):
    """Make the environment anew in `folder`."""
    shown = f"envs/torch-{environment.name}.yaml"
    shutil.rmtree(folder, ignore_errors=True)
    python = f"Python {environment.python} (install it, or `uv python install {environment.python}`)"
    run_uv(shown, python, "venv", "--quiet", "--python", environment.python, folder)
    options = [line for line in environment.requirements if line.startswith("--")]
    with tempfile.NamedTemporaryFile("w", suffix=".txt", prefix="requirements-") as file:
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


def python_of(folder):
    """The Python of an environment."""
    return Path(folder) / "bin" / "python"


def check_installed(environment, installed, python):
    """Raises DiffbenchError where the environment is not what its file says. `installed` maps names to versions."""
    shown = f"envs/torch-{environment.name}.yaml"
    if python != environment.python:
        raise DiffbenchError(f"{shown}: Python {python} was found, expected {environment.python}")
    for line in environment.requirements:
        match = PINNED.match(line)
        if not match:
            continue
        package, version, marker = match.groups()
        found = installed.get(normalized(package))
        if found is None and marker:
            continue
        if not same_release(found, version):
            problem = f"{package} {found or 'is missing'}, expected {version}"
            raise DiffbenchError(f"{shown}: {problem}; the environment is broken: remove {sys.prefix}")


def record(environment):
    """What the environment that runs this program holds, one `package==version` a line."""
    installed = {}
    for one in metadata.distributions():  # the first on the path is the one that is imported
        installed.setdefault(normalized(one.metadata["Name"]), one.version)
    check_installed(environment, installed, platform.python_version())
    lines = [f"# envs/torch-{environment.name}.yaml, Python {platform.python_version()}"]
    lines += [f"{package}=={version}" for package, version in sorted(installed.items())]
    return "\n".join(lines) + "\n"


def look(folder, arguments):
    """Look at the environment in `folder` with its own Python. Returns the completed process, None if it does not start."""
    command = [python_of(folder), __file__, arguments.name, "--root", arguments.root]
    command += ["--record", arguments.record] if arguments.record else []
    try:
        return subprocess.run(list(map(str, command)), stderr=subprocess.PIPE, text=True)
    except OSError:
        return None


def ensure(environment, folder, arguments):
    """See to it that `folder` holds the environment; one at a time. Returns the exit code."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with open(folder.with_name(f"{folder.name}.lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        complete = folder / COMPLETE
        whole = complete.is_file() and complete.read_text(encoding="utf-8") == environment.digest()
        seen = look(folder, arguments) if whole else None
        if seen is None or seen.returncode:
            make_environment(environment, folder)
            write_whole(complete, environment.digest())
            seen = look(folder, arguments)
    if seen is None:
        raise DiffbenchError(f"envs/torch-{environment.name}.yaml: the Python that uv made in {folder} does not start")
    sys.stderr.write(seen.stderr)
    return seen.returncode


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", help="a name of envs/torch-<name>.yaml")
    parser.add_argument("--make", type=Path, help="folder of the environment that uv makes")
    parser.add_argument("--record", type=Path, help="file for what the environment holds")
    parser.add_argument("--root", type=Path, default=ROOT, help="folder that holds envs/")
    arguments = parser.parse_args()
    try:
        environment = read_environment(arguments.name, arguments.root)
        if arguments.make:
            return ensure(environment, arguments.make, arguments)
        text = record(environment)
        if arguments.record:
            write_whole(arguments.record, text)
    except DiffbenchError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
