"""Write the environment files of envs/ from envs/releases.yaml: every package pinned, resolved by uv for Linux x86-64.

A package that the torch wheel itself pins exactly (CUDA's libraries, Triton) is left to the wheel, so that the same file
also fits a CPU build. A package that the wheel leaves open is pinned here.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from diffbench.catalogue.definition import ROOT
from diffbench.catalogue.environments import (
    CUDA_VARIABLE,
    PINNED,
    environment_names,
    environment_path,
    nightly_date,
    read_environment,
)
from diffbench.catalogue.yaml_file import read_yaml
from diffbench.mechanisms.registry import LIBRARIES
from diffbench.system.printing import print_anywhere
from diffbench.vocabulary.errors import DiffbenchError, one_line

from .environment import find_uv

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any


PIP = "25.0.1"
OF_CUDA = ("nvidia-", "cuda-", "triton")
# imports of the measuring program itself, in addition to the stack
ALWAYS = ("safetensors", "tqdm", "pyyaml", "psutil", "nvidia-ml-py")
HEADER = "# torch {torch} (built for CUDA {cuda}){dated} with the {stack}: {libraries}.\n"


def resolve(
    requirements: Sequence[str], python: str, folder: Path, *options: str, prefer: Iterable[str] = ()
) -> dict[str, str]:
    """{package: version} of the requirements as uv resolves them, with the pins of `prefer` wherever they fit.

    Raises DiffbenchError with uv's reason.
    """
    resolved = folder / "resolved.txt"
    resolved.write_text("\n".join(prefer), encoding="utf-8")
    command = [find_uv(), "pip", "compile", "-", "--quiet", "--no-header", "--no-annotate", "--python-version", python]
    command += ["--python-platform", "x86_64-unknown-linux-gnu", "--output-file", str(resolved), *options]
    result = subprocess.run(
        command,
        input="\n".join(requirements),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        errors="replace",
    )
    if result.returncode:
        raise DiffbenchError(f"{requirements[0]}: cannot be resolved: {one_line(result.stderr)}")
    pins = [line.partition(" ;")[0] for line in resolved.read_text(encoding="utf-8").splitlines()]
    return dict(pin.split("==") for pin in pins)


def is_of_cuda(package: str) -> bool:
    """Whether a package belongs to torch's CUDA build; the bindings of NVIDIA's management library do not."""
    return package.startswith(OF_CUDA) and package != "nvidia-ml-py"


def pin(torch: str, python: str, stack: Mapping[str, str], prefer: Iterable[str], folder: Path) -> list[str]:
    """The sorted pip lines of an environment: torch, the stack and their dependencies."""
    requirements = [f"torch=={torch}", *ALWAYS, *(f"{package}=={version}" for package, version in stack.items())]
    newest = resolve(requirements, python, folder, prefer=prefer)
    generic = folder / "generic.txt"
    pins = {package: version for package, version in newest.items() if not is_of_cuda(package)}
    pinned = [f"{package}=={version}\n" for package, version in pins.items() if package != "torch"]
    generic.write_text("".join(pinned), encoding="utf-8")
    oldest = resolve(requirements, python, folder, "--resolution", "lowest", "--constraint", str(generic))
    lines = []
    for package, version in newest.items():
        if package in pins:
            lines.append(f"{package}=={version}")
        elif oldest.get(package) != version:
            lines.append(f"{package}=={version} ; sys_platform == 'linux'")
    return sorted(lines, key=lambda line: (not line.startswith("torch=="), line))


def preferences(name: str, root: Path, shared: str | None = None) -> list[str]:
    """The pins of the environment of this name, else those of the newest release with the same suffix, so that only
    necessary changes are made. The pins of the environment `shared` come first, if it is given."""
    suffix = name.partition("-")[2]
    others = [other for other in environment_names(root) if other.partition("-")[2] == suffix and other != name]
    before = [other for other in [name, *reversed(others)] if environment_path(other, root).is_file()][:1]
    pins = {}
    for candidate in [*before, *filter(None, [shared])]:
        pins.update(read_environment(candidate, root).packages)
    return [f"{package}=={version}" for package, version in pins.items() if package != "torch"]


def packages_of(stack_name: str, stacks: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """{package: version} of a stack, those of its `base` included."""
    stack = dict(stacks[stack_name])
    base = stack.pop("base", None)
    return {**(packages_of(base, stacks) if base else {}), **stack}


def describe_stack(packages: Mapping[str, str]) -> str:
    """`Diffusers 0.42.1, torchao 0.18.0`: Diffusers and what the stack has of the libraries of variants."""
    libraries = [f"{name} {packages[name]}" for name in LIBRARIES if name in packages]
    return ", ".join([f"Diffusers {packages['diffusers']}", *libraries])


def render(header: str, python: str, lines: Iterable[str], variables: str = "") -> str:
    """The text of an environment file; `lines` are pip's."""
    pip = "".join(f'      - "{line}"\n' if ";" in line else f"      - {line}\n" for line in lines)
    return (
        f"{header}# Written by `make environments` from envs/releases.yaml; resolved for Linux x86-64.\n"
        f"channels: [conda-forge, nodefaults]\ndependencies:\n  - python={python}\n  - pip={PIP}\n  - pip:\n{pip}{variables}"
    )


def write_report(report: Mapping[str, Any], folder: Path, root: Path) -> None:
    """Write the environment file of the reporting rules, with the versions of requirements.txt."""
    lines = [
        line for line in (root / "requirements.txt").read_text(encoding="utf-8").splitlines() if PINNED.match(line)
    ]
    wanted = [line for line in lines if line.split("==")[0] in report["packages"]]
    path = root / "envs" / "report.yaml"
    before = read_yaml(path)["dependencies"][-1]["pip"] if path.is_file() else []
    pins = [
        f"{package}=={version}" for package, version in resolve(wanted, report["python"], folder, prefer=before).items()
    ]
    header = (
        "# The environment of the reporting rules under --use-conda: the pins of requirements.txt, without torch.\n"
    )
    path.write_text(render(header, report["python"], pins), encoding="utf-8")


def write_release(
    name: str, release: Mapping[str, Any], stacks: Mapping[str, Mapping[str, str]], folder: Path, root: Path
) -> None:
    """Write every environment file of a release."""
    suffixes = {
        "": "control",
        "-current": release["current"],
        **{f"-{extra}": extra for extra in release.get("also", [])},
    }
    for suffix, stack_name in suffixes.items():
        stack = packages_of(stack_name, stacks)
        is_extended = stacks[stack_name].get("base") == release["current"]
        prefer = preferences(name + suffix, root, f"{name}-current" if is_extended else None)
        lines = pin(release.get("like", release["torch"]), release["python"], stack, prefer, folder)
        if "like" in release:
            lines = [line for line in lines[1:] if not is_of_cuda(line.split("==")[0])]
            lines.insert(0, f"torch=={release['torch']}")
        header = HEADER.format(
            torch=release["torch"],
            cuda=release["cuda"],
            dated=f", built {nightly_date(release['torch'])}," if nightly_date(release["torch"]) else "",
            stack="newest stack that it supports" if suffix == "-current" else f"{stack_name} stack",
            libraries=describe_stack(stack),
        )
        options = ["--pre", f"--extra-index-url {release['index']}"] if "index" in release else []
        text = render(
            header, release["python"], [*options, *lines], f'variables:\n  {CUDA_VARIABLE}: "{release["cuda"]}"\n'
        )
        environment_path(name + suffix, root).write_text(text, encoding="utf-8")


def newest_nightly(release: Mapping[str, Any], folder: Path) -> str:
    """The version of the newest nightly at the release's index."""
    options = ["--prerelease", "allow", "--default-index", release["index"], "--no-deps"]
    return resolve(["torch>=2.0.dev0"], release["python"], folder, *options)["torch"]


def refresh_nightly(path: Path, release: dict[str, Any], folder: Path) -> None:
    """Write the newest nightly to the file of releases and to `release`."""
    version = newest_nightly(release, folder)
    if nightly_date(version) is None:
        raise DiffbenchError(f"{release['index']}: found torch {version}, expected a nightly; correct the index")
    tag = re.search(r"\+cu(\d+)(\d)\Z", version)
    if tag and ".".join(tag.groups()) != release["cuda"]:
        raise DiffbenchError(f"{release['index']}: found torch {version}, expected a build for CUDA {release['cuda']}")
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace(f"torch: {release['torch']}\n", f"torch: {version}\n"), encoding="utf-8")
    release["torch"] = version


def main() -> int:
    print_anywhere()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("releases", nargs="*", help="releases of envs/releases.yaml; default: all")
    parser.add_argument(
        "--nightly", action="store_true", help="take the newest nightly from its index, and write its files"
    )
    parser.add_argument("--root", type=Path, default=ROOT, help="folder with envs/")
    arguments = parser.parse_args()
    path = arguments.root / "envs" / "releases.yaml"
    try:
        content = read_yaml(path)
        releases = content["releases"]
        names = arguments.releases or ([] if arguments.nightly else list(releases))
        names += ["nightly"] if arguments.nightly and "nightly" not in names else []
        unknown = [name for name in names if name not in releases]
        if unknown:
            raise DiffbenchError(f"{unknown[0]}: unknown release; {path} has: {', '.join(releases)}")
        with tempfile.TemporaryDirectory(prefix="diffbench-") as folder:
            if arguments.nightly:
                refresh_nightly(path, releases["nightly"], Path(folder))
            for name in names:
                write_release(name, releases[name], content["stacks"], Path(folder), arguments.root)
                print(f"torch {releases[name]['torch']}: envs/torch-{name}*.yaml")
            if set(names) == set(releases):
                write_report(content["report"], Path(folder), arguments.root)
    except DiffbenchError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0
