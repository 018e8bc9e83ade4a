"""Put the wheels that a GPU machine without network lacks into a folder, for `run.py --wheels`.

    python tests/gpu/wheels.py --python 3.12 --has there.txt --folder wheels

--has names a file of the packages that the machine has: what `pip list` or `pip freeze` prints there, or names with anything
between them. torch must be one of them, with its own libraries. Everything else comes in the release that requirements.txt pins,
with what it needs in turn.
"""

import argparse
import re
import subprocess
import sys
import zipfile
from email.parser import HeaderParser
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
SITE = ROOT / ".environments/gpu-wheels"  # where run.py unpacks them
PACKAGES = {  # what a session imports, by module
    "torch": "torch",
    "diffusers": "diffusers",
    "transformers": "transformers",
    "accelerate": "accelerate",
    "torchao": "torchao",
    "numpy": "numpy",
    "PIL": "pillow",
    "tqdm": "tqdm",
    "psutil": "psutil",
    "yaml": "PyYAML",
    "pandas": "pandas",
    "scipy": "scipy",
    "skimage": "scikit-image",
    "fastjsonschema": "fastjsonschema",
    "pytest": "pytest",
}
GLIBC = (28, 27, 24, 17, 5)  # of manylinux tags: pip takes each tag as it stands


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", default="3.12", help="the machine's Python")
    parser.add_argument("--machine", default="x86_64", help="the machine's processor: x86_64 or aarch64")
    parser.add_argument("--glibc", type=int, default=39, help="the machine's glibc, 2.N")
    parser.add_argument("--has", type=Path, required=True, help="file of the packages that the machine has")
    parser.add_argument("--folder", type=Path, default=Path("wheels"))
    return parser.parse_args()


def names_in(text):
    """The names of packages in what pip prints, or in any list of names."""
    return {canonicalize_name(word) for word in re.findall(r"(?<![\w.+])[A-Za-z][\w.-]*\w", text)}


def pinned():
    """{name: `name==release`} of requirements.txt."""
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    found = [Requirement(line) for line in lines if "==" in line and not line.startswith("#")]
    return {canonicalize_name(one.name): f"{one.name}{one.specifier}" for one in found}


def lacking(needs, has):
    """The Requirements of `needs` that the machine lacks, by name."""
    found = {canonicalize_name(one.name): one for one in needs}
    return {name: one for name, one in found.items() if name not in has}


def needs_of(wheel, environment):
    """The Requirements of a wheel, without its extras, for a machine that `environment` describes as markers do."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (entry for entry in archive.namelist() if re.fullmatch(r"[^/]+\.dist-info/METADATA", entry))
        text = archive.read(name).decode()
    found = map(Requirement, HeaderParser().parsestr(text).get_all("Requires-Dist", []))
    return [one for one in found if not one.marker or one.marker.evaluate({**environment, "extra": ""})]


def download(requirement, arguments):
    """Download the wheel of one package, without its needs. Returns its path; ends the program where there is none."""
    before = set(arguments.folder.glob("*.whl"))
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command += ["--only-binary=:all:", "--implementation", "cp", "--python-version", arguments.python]
    tags = [f"manylinux_2_{minor}" for minor in sorted({arguments.glibc, *range(29, arguments.glibc), *GLIBC})]
    for tag in [*reversed(tags), "manylinux2014", "manylinux2010", "manylinux1", "linux"]:
        command += ["--platform", f"{tag}_{arguments.machine}"]
    result = subprocess.run(
        [*command, "--dest", str(arguments.folder), requirement],
        stderr=subprocess.PIPE,
        encoding="utf-8",
        errors="replace",
    )
    if result.returncode:
        last = (result.stderr.strip().splitlines() or ["no message"])[-1].replace("ERROR: ", "")
        sys.exit(f"error: {requirement}: {last}; see whether it has a wheel for Python {arguments.python}")
    name = canonicalize_name(Requirement(requirement).name)
    there = [path for path in arguments.folder.glob("*.whl") if canonicalize_name(path.name.split("-")[0]) == name]
    return next(iter(set(there) - before), max(there, key=lambda path: path.stat().st_mtime))


def main():
    arguments = parse_arguments()
    has, pins = names_in(arguments.has.read_text(encoding="utf-8")), pinned()
    if "torch" not in has:
        sys.exit(f"error: {arguments.has}: names no torch; a session takes the machine's own, which no wheel replaces")
    environment = {
        "python_version": arguments.python,
        "python_full_version": f"{arguments.python}.0",
        "sys_platform": "linux",
        "platform_system": "Linux",
        "platform_machine": arguments.machine,
        "os_name": "posix",
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
    }
    arguments.folder.mkdir(parents=True, exist_ok=True)
    wanted, size = lacking(map(Requirement, PACKAGES.values()), has), 0
    while wanted:
        name, needed = wanted.popitem()
        has.add(name)
        wheel = download(pins.get(name, str(needed).partition(";")[0]), arguments)
        size += wheel.stat().st_size
        print(f"{wheel.stat().st_size / 2**20:7.2f} MiB  {wheel.name}", flush=True)
        wanted.update(lacking(needs_of(wheel, environment), has))
    print(f"{size / 2**20:7.2f} MiB in {arguments.folder}")


if __name__ == "__main__":
    main()
