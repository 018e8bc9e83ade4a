"""Which part of the package may import which, what measuring needs of Python and of packages, and what reporting does without."""

import ast
import json
import os
import subprocess
import sys

import pytest

from conftest import ROOT
from diffbench.plan.result_files import REPORTING_FOLDERS

SCRIPTS = ROOT / "workflow/scripts"
PACKAGE = SCRIPTS / "diffbench"
MEASURING = ("vocabulary", "system", "libraries", "mechanisms", "catalogue", "measurement", "commands")  # Python 3.8
REPORTING = ("data", "statistics", "tables", "figures", "page", "documents")
BELOW = {  # what each folder may import besides itself
    "vocabulary": (),
    "system": ("vocabulary",),
    "libraries": ("vocabulary", "system"),
    "mechanisms": ("vocabulary", "system", "libraries"),
    "catalogue": ("vocabulary", "system", "libraries", "mechanisms"),
    "measurement": ("vocabulary", "system", "libraries", "mechanisms", "catalogue"),
    "commands": ("vocabulary", "system", "libraries", "mechanisms", "catalogue", "measurement"),
    "data": ("vocabulary", "system", "libraries", "mechanisms", "catalogue"),
    "plan": ("vocabulary", "system", "libraries", "mechanisms", "catalogue", "data"),
    "statistics": ("vocabulary", "system", "libraries", "mechanisms", "catalogue", "data"),
    "tables": ("vocabulary", "system", "libraries", "mechanisms", "catalogue", "data", "statistics"),
    "figures": ("vocabulary", "system", "libraries", "mechanisms", "catalogue", "data", "statistics", "tables"),
    "page": ("vocabulary", "system", "libraries", "mechanisms", "catalogue", "data", "statistics", "tables", "figures"),
    "documents": (
        *("vocabulary", "system", "libraries", "mechanisms", "catalogue", "data", "statistics", "tables", "figures"),
    ),
    "terminal": (
        "vocabulary",
        "system",
        "libraries",
        "mechanisms",
        "catalogue",
        "data",
        "statistics",
        "tables",
        "plan",
    ),
}
NOT_OF_MEASURING = {"pandas", "snakemake", "seaborn", "matplotlib", "scipy", "tabulate", "jinja2"}
HEAVY = {"torch", "diffusers", "transformers", "accelerate"}


def imports_of(path, only_top=False):
    """The full names of the modules that a file imports; `only_top`: those that are imported when the file is."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    parts = path.relative_to(SCRIPTS).with_suffix("").parts
    for node in tree.body if only_top else ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        if isinstance(node, ast.ImportFrom):
            base = ".".join(parts[: -node.level]) if node.level else ""
            module = ".".join(filter(None, [base, node.module]))
            yield from (f"{module}.{name.name}" for name in node.names)


def files_of(*folders):
    return sorted(path for folder in folders for path in (PACKAGE / folder).rglob("*.py"))


def test_every_folder_of_the_package_has_its_place():
    folders = {path.name for path in PACKAGE.iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert folders == set(BELOW)


@pytest.mark.parametrize("folder", BELOW)
def test_dependencies_point_downwards(folder):
    for path in files_of(folder):
        for name in imports_of(path):
            if name.startswith("diffbench."):
                assert name.split(".")[1] in (folder, *BELOW[folder]), f"{path.relative_to(SCRIPTS)} imports {name}"


def test_measuring_is_python_3_8_and_needs_nothing_of_reporting():
    programs = ["measure", "ceiling", "environment", "fetch_weights", "measuring_process"]
    for path in [*(SCRIPTS / f"{name}.py" for name in programs), *files_of(*MEASURING)]:
        ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 8))
        assert not {name.split(".")[0] for name in imports_of(path)} & NOT_OF_MEASURING, path


def test_what_reporting_shares_with_measuring_imports_no_torch_at_the_top():
    for path in files_of("vocabulary", "system", "libraries", "mechanisms", "catalogue"):
        assert not {name.split(".")[0] for name in imports_of(path, only_top=True)} & HEAVY, path


@pytest.mark.parametrize(
    "path", files_of("plan", "terminal", *REPORTING), ids=lambda path: path.parent.name + "/" + path.name
)
def test_planning_and_reporting_never_import_torch(path):
    assert not {name.split(".")[0] for name in imports_of(path)} & HEAVY


def test_vocabulary_needs_the_standard_library_alone():
    for path in files_of("vocabulary", "system"):
        names = {name.split(".")[0] for name in imports_of(path, only_top=True)}
        assert names <= {*sys.stdlib_module_names, "diffbench"}, path


def test_tables_are_made_again_for_the_code_that_they_import():
    imported = {
        name.split(".")[1]
        for path in files_of(*REPORTING)
        for name in imports_of(path)
        if name.startswith("diffbench.")
    }
    assert imported | set(REPORTING) <= {*REPORTING_FOLDERS, "system"}


def test_no_script_hides_a_module_of_another_package():
    """The folder of the scripts is the first place where their Python looks for modules."""
    names = {path.stem for path in SCRIPTS.glob("*.py")} - {"measure"}
    code = (
        f"import importlib.util, json; print(json.dumps([n for n in {sorted(names)} if importlib.util.find_spec(n)]))"
    )
    result = subprocess.run([sys.executable, "-I", "-c", code], cwd="/", capture_output=True, text=True, check=True)
    assert json.loads(result.stdout) == []


def test_planning_needs_no_packages_of_reporting():
    """Snakemake and pandas plan, and fetch weights, where only rules' own environments have the rest."""
    names = set()
    for path in [ROOT / "workflow/Snakefile", *(ROOT / "workflow/rules").glob("*.smk")]:
        lines = path.read_text(encoding="utf-8").splitlines()
        names |= {line.split()[1] for line in lines if line.startswith(("from diffbench", "import diffbench"))}
    assert {"diffbench.plan.matrix", "diffbench.documents.markers"} <= names
    hidden = ["PIL", "jinja2", "matplotlib", "scipy", "seaborn", "skimage", "tabulate", "torch"]
    code = f"import sys; sys.modules.update(dict.fromkeys({hidden})); import {', '.join(sorted(names))}"
    environment = {**os.environ, "PYTHONPATH": str(SCRIPTS)}
    result = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
