"""The environment files envs/torch-<name>.yaml: their pins, checked. Conda builds them, or uv (commands/environment.py)."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from diffbench.libraries.versions import IMPORTED
from diffbench.vocabulary.errors import DiffbenchError, one_line
from diffbench.vocabulary.names import NAME_PATTERN

from .definition import ROOT, digest
from .yaml_file import read_yaml

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

PINNED = re.compile(rf"({NAME_PATTERN})==([^\s;*,<>=]+)(\s*;.*)?\Z")
OPTION = re.compile(r"--(pre|(extra-)?index-url\s+https://\S+)\Z")
CONDA_PIN = re.compile(r"(python|pip)=(\d+\.\d+(\.\d+)?)\Z")
RELEASE = re.compile(r"\A\d+(?:\.\d+)*|(?<!cu)(?<!rocm)(?<![\d.])\d+(?:\.\d+)+")  # in a name; not cu12.1
INSTALLED = "installed"  # the torch build that is the Python which runs Snakemake, or measure.py
COMPLETE = ".complete"  # a file in an environment, written last: without it building was interrupted
KEYS = {"channels", "dependencies", "variables"}
CUDA_VARIABLE = "DIFFBENCH_CUDA"  # the CUDA release of the torch build: a variable, because a pin cannot say it
NIGHTLY = re.compile(r"\.dev(\d{4})(\d{2})(\d{2})(\+|\Z)")


class Environment(NamedTuple):
    """The pins of an environment file. `packages` maps a normalized name to its version, `requirements` are pip's lines."""

    name: str
    python: str
    cuda: str
    packages: dict[str, str]
    requirements: list[str]

    def expected(self, libraries: Iterable[str] = ()) -> str:
        """`torch=…,diffusers=…,…,python=…,cuda=…,torchao=…`: the versions that the measuring process must find. `libraries` are
        those that the run's variant uses; one that is not pinned is left out."""
        stated = {package: self.packages[package] for package in IMPORTED if package in self.packages}
        used = {package: self.packages[package] for package in libraries if package in self.packages}
        versions = {**stated, "python": self.python, "cuda": self.cuda, **used}
        return ",".join(f"{key}={value}" for key, value in versions.items())

    def digest(self) -> str:
        """A hash of all pins; comments and order do not change it."""
        return digest([self.python, self.cuda, sorted(self.requirements)])


def environment_path(name: str, root: str | Path = ROOT) -> Path:
    """The file of a torch build."""
    return Path(root) / "envs" / f"torch-{name}.yaml"


def environment_names(root: str | Path = ROOT) -> list[str]:
    """The names of the files envs/torch-<name>.yaml, oldest release first, nightly last."""
    names = {path.stem[len("torch-") :] for path in Path(root).glob("envs/torch-*.yaml")}
    return sorted(names - {INSTALLED, "auto"}, key=release_order)  # words with another meaning in a config


def release_order(name: str) -> tuple[list[int], str]:
    """Sorts 2.9 before 2.10, a stack after its release, nightly after all releases."""
    release = re.match(r"\d+(\.\d+)*", name)
    numbers = [int(part) for part in release.group().split(".")] if release else [10**6]
    return numbers, name


def newest_current(root: str | Path = ROOT) -> str:
    """The newest released `-current` environment. Raises DiffbenchError if there is none."""
    names = [name for name in environment_names(root) if re.match(r"\d[\d.]*-current\Z", name)]
    if not names:
        raise DiffbenchError("config: torch: auto: envs/ has no torch-<release>-current.yaml; name a torch build")
    return names[-1]


def normalize_name(package: str) -> str:
    """A package's name in the form that package indexes compare."""
    return re.sub(r"[-_.]+", "-", package).lower()


def read_environment(name: str, root: str | Path = ROOT) -> Environment:
    """The Environment of a torch build. Raises DiffbenchError in one line for any error in its file."""
    path = environment_path(name, root)
    shown = f"envs/{path.name}"
    if not path.is_file():
        raise DiffbenchError(f"{shown}: missing; expected the environment of torch build {name!r}")
    content = read_yaml(path)
    variables = content.get("variables")
    if set(content) != KEYS or not isinstance(content["dependencies"], list) or not isinstance(variables, dict):
        raise DiffbenchError(
            f"{shown}: found the keys {', '.join(content)}; expected channels, a list of dependencies, variables"
        )
    check_channels(content["channels"], shown)
    others = [variable for variable in variables if variable != CUDA_VARIABLE]
    if others:
        raise DiffbenchError(
            f"{shown}: variables: found {others[0]}, expected only {CUDA_VARIABLE}: conda would set it in the measuring "
            "process; remove it"
        )
    python, requirements = read_dependencies(content, shown)
    packages = {}
    for line in requirements:
        match = PINNED.match(line)
        if not match and not OPTION.match(line):
            raise DiffbenchError(
                f"{shown}: found {line!r}, expected a pin as in 'torch==2.1.2': nothing is left unpinned"
            )
        if match and normalize_name(match.group(1)) in packages:
            raise DiffbenchError(f"{shown}: {match.group(1)} is pinned twice; keep one")
        if match:
            packages[normalize_name(match.group(1))] = match.group(2)
    missing = [package for package in IMPORTED if package not in packages]
    if missing:
        raise DiffbenchError(f"{shown}: no pin of {missing[0]}; add one, as in '{missing[0]}==…'")
    check_release(name, packages["torch"], shown)
    cuda = variables.get(CUDA_VARIABLE)
    if not isinstance(cuda, str) or not re.match(r"\d+\.\d+\Z", cuda):
        raise DiffbenchError(f"{shown}: variables.{CUDA_VARIABLE}: found {cuda!r}, expected a CUDA release in quotes")
    return Environment(name, python, cuda, packages, requirements)


def check_channels(channels: object, shown: str) -> None:
    """Raises DiffbenchError if an environment file's `channels` are not a list of names."""
    if not isinstance(channels, list) or not channels or not all(isinstance(name, str) and name for name in channels):
        raise DiffbenchError(
            f"{shown}: channels: found {one_line(repr(channels), 80)}, expected a list of names, as in [conda-forge, nodefaults]"
        )


def read_dependencies(content: Mapping[str, Any], shown: str) -> tuple[str, list[str]]:
    """(Python's version, pip's lines) of an environment file's `dependencies`."""
    pins, requirements = {}, None
    for entry in content["dependencies"]:
        conda = CONDA_PIN.match(entry) if isinstance(entry, str) else None
        if (
            isinstance(entry, dict)
            and list(entry) == ["pip"]
            and isinstance(entry["pip"], list)
            and requirements is None
        ):
            requirements = [str(line).strip() for line in entry["pip"]]
        elif conda and conda.group(1) not in pins:
            pins[conda.group(1)] = conda.group(2)
        else:
            raise DiffbenchError(
                f"{shown}: dependencies: found {entry!r}, expected python=…, pip=… and a list of pip's, once each"
            )
    if set(pins) != {"python", "pip"} or not requirements or pins["python"].count(".") != 2:
        raise DiffbenchError(f"{shown}: dependencies: expected python=3.x.y, pip=… and a list of pip's with torch==…")
    return pins["python"], requirements


def check_release(name: str, version: str, shown: str) -> None:
    """Raises DiffbenchError if the file's name is of another release than the torch that it pins."""
    conflict = release_conflict(name, version)
    if conflict:
        raise DiffbenchError(f"{shown}: {conflict}")


def release_conflict(name: str, version: str) -> str | None:
    """Why a torch build of this name cannot have this version of torch; None if it can."""
    for release in RELEASE.findall(name):
        if not f"{version.split('+')[0]}.".startswith(f"{release}."):
            return f"pins torch {version}, but its name says {release}; rename one of them"
    if name.startswith("nightly") != bool(NIGHTLY.search(version)):
        kind = "a nightly with its date, as in 2.9.0.dev20250801" if name.startswith("nightly") else "a release"
        return f"found torch {version}, expected {kind}; a nightly is named nightly…"
    return None


def nightly_date(version: str) -> str | None:
    """The date of a nightly build's version, such as `2026-11-20`; None for a release."""
    match = NIGHTLY.search(version)
    return "-".join(match.groups()[:3]) if match else None


def is_built() -> bool:
    """Whether this Python's environment is one that the workflow has built, by uv or by conda: it may be removed."""
    folders = os.path.abspath(sys.prefix).split(os.sep)
    return ".environments" in folders or ".snakemake" in folders
