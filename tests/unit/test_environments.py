"""The environment files: pinned, of one scheme, and told apart; what is wrong with one is said in one line."""

import datetime
import re
import shutil
import subprocess
import sys
import warnings
import zipfile

import pytest
import yaml

from built import make_index, use_index, write_environment
from conftest import ROOT, Project
from diffbench.catalogue.definition import recipe_of
from diffbench.catalogue.environments import (
    environment_names,
    newest_current,
    nightly_date,
    normalize_name,
    read_environment,
)
from diffbench.catalogue.schema_checks import read_catalogue
from diffbench.catalogue.yaml_file import read_yaml
from diffbench.commands import environment as command
from diffbench.commands.environment import check_installed
from diffbench.commands.pin_environments import is_of_cuda, packages_of, preferences, refresh_nightly, resolve
from diffbench.mechanisms.registry import LIBRARIES, libraries_of
from diffbench.vocabulary.errors import DiffbenchError

NAMES = environment_names(ROOT)
SOURCE = read_yaml(ROOT / "envs/releases.yaml")
REQUIREMENTS = dict(
    line.split("==") for line in (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines() if "==" in line
)


@pytest.mark.parametrize("name", NAMES)
def test_every_file_is_pinned_and_of_the_one_scheme(name):
    environment = read_environment(name, ROOT)  # refuses what is not pinned
    content = read_yaml(ROOT / "envs" / f"torch-{name}.yaml")
    assert content["channels"] == ["conda-forge", "nodefaults"]
    assert [entry.partition("=")[0] for entry in content["dependencies"][:2]] == ["python", "pip"]
    assert {"torch", "diffusers", "transformers", "accelerate", "huggingface-hub", "numpy"} <= set(environment.packages)
    options = [line for line in environment.requirements if line.startswith("--")]
    assert all("download.pytorch.org/whl/nightly" in line for line in options if "index" in line)
    assert bool(options) == name.startswith("nightly")


def test_the_files_are_those_that_the_releases_give():
    expected = [f"{release}{suffix}" for release in SOURCE["releases"] for suffix in ("", "-current")]
    expected += [f"{name}-{also}" for name, release in SOURCE["releases"].items() for also in release.get("also", [])]
    assert sorted(NAMES) == sorted(expected)
    for release in ("2.0", "2.8", "2.13", "nightly"):
        assert read_environment(release, ROOT).packages["torch"] == SOURCE["releases"][release]["torch"]


def test_only_torch_varies_in_the_control_environments():
    stack = [*SOURCE["stacks"]["control"], "safetensors", "tokenizers"]
    releases = [read_environment(name, ROOT).packages for name in NAMES if re.fullmatch(r"[\d.]+|nightly", name)]
    for package in stack:
        assert {packages[package.replace("_", "-")] for packages in releases} == {
            releases[0][package.replace("_", "-")]
        }


def test_no_file_of_the_current_stack_shares_a_name_with_the_control():
    *_, newest, _ = SOURCE["releases"]  # the last is nightly
    assert newest_current(ROOT) == f"{newest}-current"
    assert NAMES.index("2.9") < NAMES.index("2.10"), "releases are numbers, not letters"
    control, current = read_environment(newest, ROOT), read_environment(f"{newest}-current", ROOT)
    assert control.packages["torch"] == current.packages["torch"]
    assert control.packages["diffusers"] != current.packages["diffusers"]


def test_the_nightly_is_pinned_by_a_date_that_has_been():
    version = read_environment("nightly", ROOT).packages["torch"]
    age = datetime.date.today() - datetime.date.fromisoformat(nightly_date(version))
    assert age >= datetime.timedelta(0)
    assert read_environment("nightly-current", ROOT).packages["torch"] == version
    if age > datetime.timedelta(days=60):
        warnings.warn(f"the nightly is {age.days} days old, its wheels may be gone: run `make nightly`", stacklevel=1)


def test_the_report_environment_has_the_versions_of_the_requirements_and_all_that_reporting_imports():
    content = read_yaml(ROOT / "envs/report.yaml")
    pins = dict(line.split("==") for line in content["dependencies"][-1]["pip"])
    assert not any(package == "torch" or is_of_cuda(package) for package in pins)
    for package in SOURCE["report"]["packages"]:
        assert pins[package.lower()] == REQUIREMENTS[package]
    folders = ("data", "statistics", "tables", "figures", "page", "documents")
    paths = [path for folder in folders for path in ROOT.glob(f"workflow/scripts/diffbench/{folder}/*.py")]
    imported = {
        name for path in paths for name in re.findall(r"^(?:import|from) (\w+)", path.read_text(), re.MULTILINE)
    }
    installed = {"yaml": "pyyaml", "mpl_toolkits": "matplotlib"}
    third_party = {name for name in imported if installed.get(name, name) in {p.lower() for p in REQUIREMENTS}}
    assert third_party and {installed.get(name, name) for name in third_party} <= set(pins)


LIBRARY_VARIANTS = {name: libraries_of(recipe_of(name)) for name in read_catalogue("variants")}
NO_WHEELS = {"flash-attn", "flash-attn-3", "sageattention"}  # PyPI has none that Diffusers uses


def extended_names():
    return [f"{name}-extras" for name, release in SOURCE["releases"].items() if "extras" in release.get("also", [])]


def test_a_new_release_has_the_libraries_of_every_variant_whose_library_has_wheels():
    *_, second, newest, _ = SOURCE["releases"]
    assert {f"{second}-extras", f"{newest}-extras"} & set(extended_names())
    used = {library for libraries in LIBRARY_VARIANTS.values() for library in libraries}
    for name in extended_names():
        assert used - NO_WHEELS <= set(read_environment(name, ROOT).packages)


def test_the_extras_differ_from_the_current_stack_by_their_libraries_alone():
    added = set(SOURCE["stacks"]["extras"]) - {"base"}
    assert added <= set(LIBRARIES)
    for name in extended_names():
        extras, current = (read_environment(f"{name.split('-')[0]}-{stack}", ROOT) for stack in ("extras", "current"))
        own = extras.packages.items() - current.packages.items()
        assert current.packages.items() <= extras.packages.items() and added <= {package for package, _ in own}
        assert (extras.python, extras.cuda) == (current.python, current.cuda)


def test_a_stack_has_the_packages_of_its_base():
    stacks = {"a": {"x": "1", "y": "1"}, "b": {"base": "a", "y": "2", "z": "2"}}
    assert packages_of("b", stacks) == {"x": "1", "y": "2", "z": "2"}
    assert stacks["b"]["base"] == "a", "it is read again for the next release"


def test_the_pins_of_an_environment_are_preferred_to_those_of_another_release(tmp_path):
    (tmp_path / "envs").mkdir()
    for name, version in (("2.1-extras", "1"), ("2.2-extras", "2"), ("2.2-current", "3")):
        torch = name.split("-")[0]
        text = FILE.replace("2.1.2", f"{torch}.0").replace("1.1.1", version)
        (tmp_path / f"envs/torch-{name}.yaml").write_text(text, encoding="utf-8")
    for name, shared, version in (
        ("2.1-extras", None, "1"),
        ("2.3-extras", None, "2"),
        ("2.1-extras", "2.2-current", "3"),
    ):
        found = preferences(name, tmp_path, shared)
        assert f"accelerate=={version}" in found
        assert not any(line.startswith("torch==") for line in found)
    assert preferences("2.3-other", tmp_path) == []


@pytest.mark.slow
def test_every_pin_exists_for_its_python(tmp_path):
    """Asked of the package index, without downloading; of a nightly, all but torch: its wheels vanish."""
    for name in NAMES:
        environment = read_environment(name, ROOT)
        pins = [line for line in environment.requirements if not line.startswith("--") and ".dev" not in line]
        found = resolve(pins, environment.python, tmp_path, "--no-deps")
        wanted = {normalize_name(line.split("==")[0]): line.split("==")[1].split(" ")[0] for line in pins}
        assert {package: found[package] for package in wanted} == wanted, name


FILE = """\
channels: [conda-forge, nodefaults]
dependencies:
  - python=3.11.7
  - pip=25.0.1
  - pip:
      - torch==2.1.2
      - diffusers==0.31.0
      - transformers==4.46.3
      - accelerate==1.1.1
variables:
  DIFFBENCH_CUDA: "12.1"
"""


@pytest.mark.parametrize(
    ("name", "before", "after", "message"),
    [
        ("2.1", "torch==2.1.2", "torch", "envs/torch-2.1.yaml: found 'torch', expected a pin as in 'torch==2.1.2'"),
        ("2.1", "torch==2.1.2", "torch>=2.1", "found 'torch>=2.1', expected a pin"),
        ("2.1", "      - torch==2.1.2\n", "", "envs/torch-2.1.yaml: no pin of torch; add one"),
        ("2.1", "2.1.2", "2.10.0", "pins torch 2.10.0, but its name says 2.1; rename one of them"),
        ("2.1-current", "2.1.2", "2.2.2", "pins torch 2.2.2, but its name says 2.1"),
        ("nightly", "x", "x", "found torch 2.1.2, expected a nightly with its date"),
        ("2.1", "python=3.11.7", "python=3.11.*", "dependencies: found 'python=3.11.*', expected python=…"),
        ("2.1", "python=3.11.7", "gcc=13.1", "dependencies: found 'gcc=13.1'"),
        ("2.1", "  - pip:", "  - pipx:", "dependencies: found {'pipx'"),
        ("2.1", '"12.1"', "12.1", "variables.DIFFBENCH_CUDA: found 12.1, expected a CUDA release in quotes"),
        ("2.1", "channels: [", "channels: ]", "torch-2.1.yaml:1"),
        ("2.1", "- torch==2.1.2", "- --trusted-host evil", "found '--trusted-host evil', expected a pin"),
        ("2", "torch==2.1.2", "torch==1.13.1", "pins torch 1.13.1, but its name says 2; rename"),
        ("cu118-2.2", "x", "x", "pins torch 2.1.2, but its name says 2.2; rename"),
        ("v2.2", "x", "x", "pins torch 2.1.2, but its name says 2.2; rename"),
        ("2.1", "2.1.2", "2.1.0.dev20230801", "expected a release; a nightly is named nightly"),
        ("2.1", "- torch==2.1.2", "- torch==2.1.2\n      - Torch==2.1.1", "Torch is pinned twice; keep one"),
        ("2.1", "python=3.11.7", "python=3.11", "expected python=3.x.y"),
        ("2.1", "  - pip=25.0.1", "  - python=3.11.8", "dependencies: found 'python=3.11.8'"),
        (
            "2.1",
            "variables:\n  DIFFBENCH_CUDA:",
            "variables: [a]\nx:",
            "found the keys channels, dependencies, variables, x",
        ),
        (
            "2.1",
            'variables:\n  DIFFBENCH_CUDA: "12.1"',
            "variables: [a]",
            "expected channels, a list of dependencies, variables",
        ),
        (
            "2.1",
            '"12.1"',
            '"12.1"\n  LD_PRELOAD: evil.so',
            "envs/torch-2.1.yaml: variables: found LD_PRELOAD, expected only DIFFBENCH_CUDA",
        ),
        (
            "2.1",
            '"12.1"',
            '"12.1"\n  OMP_NUM_THREADS: "1"',
            "variables: found OMP_NUM_THREADS, expected only DIFFBENCH_CUDA",
        ),
        (
            "2.1",
            "channels: [conda-forge, nodefaults]",
            "channels: 5",
            "envs/torch-2.1.yaml: channels: found 5, expected a list of names",
        ),
        (
            "2.1",
            "channels: [conda-forge, nodefaults]",
            "channels: conda-forge",
            "channels: found 'conda-forge', expected a list of names",
        ),
        (
            "2.1",
            "channels: [conda-forge, nodefaults]",
            "channels: [conda-forge, 5]",
            "channels: found ['conda-forge', 5], expected",
        ),
        ("2.1", "channels: [conda-forge, nodefaults]", "channels: []", "channels: found [], expected a list of names"),
        ("2.1", "channels: [conda-forge, nodefaults]", "channels:", "channels: found None, expected a list of names"),
        ("2.1", '"12.1"', "banana", "found 'banana', expected a CUDA release"),
    ],
)
def test_what_is_wrong_with_a_file_is_one_line(tmp_path, name, before, after, message):
    (tmp_path / "envs").mkdir()
    (tmp_path / "envs" / f"torch-{name}.yaml").write_text(FILE.replace(before, after), encoding="utf-8")
    with pytest.raises(DiffbenchError) as error:
        read_environment(name, tmp_path)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["2.1.2-cu118", "2.1-cu12.1", "2.1-rocm6.4", "mine"])
def test_names_of_ones_own(tmp_path, name):
    (tmp_path / "envs").mkdir()
    text = FILE.replace("torch==2.1.2", "torch==2.1.2+cu118")
    (tmp_path / "envs" / f"torch-{name}.yaml").write_text(text, encoding="utf-8")
    assert read_environment(name, tmp_path).packages["torch"] == "2.1.2+cu118"


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DiffbenchError, match="envs/torch-2.1.yaml: missing"):
        read_environment("2.1", tmp_path)


def test_what_changes_nothing_that_is_pinned_changes_no_digest(tmp_path):
    (tmp_path / "envs").mkdir()
    file = tmp_path / "envs/torch-2.1.yaml"
    digests = []
    for text in (FILE, "# a comment\n" + FILE, FILE.replace("1.1.1", "1.1.2"), FILE.replace("3.11.7", "3.11.8")):
        file.write_text(text, encoding="utf-8")
        digests.append(read_environment("2.1", tmp_path).digest())
    assert digests[0] == digests[1]
    assert len(set(digests)) == 3


def pinned(tmp_path):
    (tmp_path / "envs").mkdir(exist_ok=True)
    (tmp_path / "envs/torch-2.1.yaml").write_text(FILE, encoding="utf-8")
    return read_environment("2.1", tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({}, None),
        ({"torch": "2.1.2+cpu"}, None),
        ({"torch": "2.1.20"}, "torch 2.1.20, expected 2.1.2"),
        (
            {"diffusers": None},
            "diffusers is missing, expected 0.31.0; the environment is broken: remove /made and start Snakemake again",
        ),
    ],
)
def test_an_environment_that_is_not_its_file_is_refused(tmp_path, change, message):
    environment = pinned(tmp_path)
    installed = {key: value for key, value in {**environment.packages, **change}.items() if value}
    if message is None:
        check_installed(environment, installed, "3.11.7", "/made")
    else:
        with pytest.raises(DiffbenchError, match=re.escape(message)):
            check_installed(environment, installed, "3.11.7", "/made")
    with pytest.raises(DiffbenchError, match="its Python is 3.10.1, expected 3.11.7"):
        check_installed(environment, environment.packages, "3.10.1", "/made")


@pytest.fixture
def mine(tmp_path, monkeypatch):
    """A torch build that uv makes in a second, and the folder for it."""
    versions = make_index(tmp_path / "simple")
    use_index(monkeypatch, tmp_path / "simple")
    (tmp_path / "envs").mkdir()
    write_environment(tmp_path, "mine", {**versions, "extra": "1.0"})
    return read_environment("mine", tmp_path), tmp_path / "made"


def look_at(folder, conda=False):
    """What a job does first; with conda it runs in the environment. Returns its exit code and what it printed."""
    command = [ROOT / "workflow/scripts/environment.py", "mine", "--root", folder.parent]
    command = [folder / "bin/python", *command] if conda else [sys.executable, *command, "--folder", folder]
    result = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    return result.returncode, result.stderr


def test_an_environment_is_built_once_and_what_an_interrupted_build_left_is_replaced(mine):
    environment, folder = mine
    (folder / "lib").mkdir(parents=True)
    (folder / "left").touch()
    held = command.build_if_missing(environment, folder)
    assert "extra==1.0\n" in held and not (folder / "left").exists()
    assert look_at(folder) == look_at(folder, conda=True) == (0, "")
    (folder / "mark").touch()
    assert command.build_if_missing(environment, folder) == held and (folder / "mark").exists(), "jobs may run in it"


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ("bin/python", "its Python does not start: .*/bin/python"),
        ("lib/python3*/site-packages/diffusers-*.dist-info", "diffusers is missing, expected"),
        (".complete", "no complete environment in .*; start Snakemake again"),
        ("", "no complete environment in .*; start Snakemake again"),
    ],
)
def test_a_job_changes_nothing_in_a_broken_environment_and_says_what_to_do(mine, damage, message):
    environment, folder = mine
    command.build_if_missing(environment, folder)
    (broken,) = folder.glob(damage) if damage else [folder]
    shutil.rmtree(broken) if broken.is_dir() else broken.unlink()
    before = sorted(folder.rglob("*"))
    code, text = look_at(folder)
    assert code == 1 and re.fullmatch(f"error: envs/torch-mine.yaml: {message}.*\n", text), text
    assert "start Snakemake again" in text and str(folder) in text
    assert sorted(folder.rglob("*")) == before
    if (folder / ".complete").is_file():
        with pytest.raises(DiffbenchError, match=f"remove {folder} and start"):
            command.build_if_missing(environment, folder)
        assert sorted(folder.rglob("*")) == before, "a builder does not replace it under jobs that run"


def test_a_package_that_cannot_be_had_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("UV_OFFLINE", "1")
    monkeypatch.setenv("UV_NO_CACHE", "1")
    text = FILE.replace("3.11.7", ".".join(map(str, command.sys.version_info[:3])))
    (tmp_path / "envs").mkdir()
    (tmp_path / "envs/torch-2.1.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(DiffbenchError) as error:
        command.make_environment(read_environment("2.1", tmp_path), tmp_path / "made")
    assert re.match(r"envs/torch-2.1.yaml: [a-z=.0-9]+ is not available: ", str(error.value)), error.value


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"torch": ["2.99"]}, "config: torch: unknown name '2.99'; known are: installed, nightly-current, "),
        ({"torch": [2.10]}, ": torch[0]: found 2.1, which YAML reads as a number: put what you wrote in quotes"),
        ({"torch": ["2.1", "installed"], "baseline": {"torch": "2.0"}}, "baseline.torch: '2.0' is outside the matrix"),
    ],
)
def test_a_torch_build_that_is_not_there_is_told(tmp_path, config, message):
    project = Project(tmp_path / "project")
    project.configure(**config)
    result = project.snakemake("-n", check=False)
    assert result.returncode != 0
    assert message in result.output


def test_a_faulty_environment_file_stops_the_workflow_before_it_starts(tmp_path):
    project = Project(tmp_path / "project")
    project.configure(torch=["2.1"])
    file = project.folder / "envs/torch-2.1.yaml"
    file.write_text(file.read_text(encoding="utf-8").replace("torch==2.1.2", "torch==2.2.2"), encoding="utf-8")
    result = project.snakemake("-n", check=False)
    assert result.returncode != 0
    assert "error: envs/torch-2.1.yaml: pins torch 2.2.2, but its name says 2.1" in result.output
    assert "Traceback" not in result.output


def test_conda_can_read_what_uv_reads():
    """Keys that conda's environment files do not have would be refused by it."""
    for name in NAMES:
        content = yaml.safe_load((ROOT / "envs" / f"torch-{name}.yaml").read_text(encoding="utf-8"))
        assert set(content) == {"channels", "dependencies", "variables"}


def write_index(folder, *versions):
    """A package index of files with torch wheels that hold nothing but their names."""
    project = folder / "torch"
    project.mkdir(parents=True)
    links = ""
    for version in versions:
        name = f"torch-{version}-cp311-cp311-manylinux_2_28_x86_64.whl"
        with zipfile.ZipFile(project / name, "w") as wheel:
            info = f"torch-{version}.dist-info"
            wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: torch\nVersion: {version}\n")
            wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nTag: cp311-cp311-manylinux_2_28_x86_64\n")
        links += f'<a href="{name}">{name}</a>\n'
    (project / "index.html").write_text(links, encoding="utf-8")
    return folder.as_uri()


def test_a_command_pins_the_newest_nightly(tmp_path):
    index = write_index(tmp_path / "index", "2.16.0.dev20261119+cu130", "2.16.0.dev20261201+cu130")
    release = {**SOURCE["releases"]["nightly"], "index": index}
    file = tmp_path / "releases.yaml"
    file.write_text((ROOT / "envs/releases.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    refresh_nightly(file, release, tmp_path)
    releases = read_yaml(file)["releases"]
    assert releases["nightly"]["torch"] == release["torch"] == "2.16.0.dev20261201+cu130"
    assert {**releases, "nightly": None} == {**SOURCE["releases"], "nightly": None}


def test_a_nightly_of_another_cuda_is_refused_and_nothing_is_written(tmp_path):
    index = write_index(tmp_path / "index", "2.16.0.dev20261201+cu126")
    file = tmp_path / "releases.yaml"
    file.write_text((ROOT / "envs/releases.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    with pytest.raises(DiffbenchError, match="2.16.0.dev20261201.cu126, expected a build for CUDA 13.0"):
        refresh_nightly(file, {**SOURCE["releases"]["nightly"], "index": index}, tmp_path)
    assert read_yaml(file) == SOURCE
