"""What the code that measures needs of Python and of packages, and what the reporting code does without."""

import json
import os
import re
import subprocess
import sys

from conftest import ROOT
from running import MEASURE

REPORTING_PACKAGES = ["PIL", "jinja2", "matplotlib", "scipy", "seaborn", "skimage", "tabulate", "torch"]


def test_measurement_code_is_python_3_8_and_needs_no_reporting():
    import ast

    programs = [MEASURE, *(MEASURE.with_name(name) for name in ("ceiling.py", "checking.py"))]
    files = [*programs, *(ROOT / "workflow/scripts/measurement").glob("*.py")]
    for file in files:
        tree = ast.parse(file.read_text(encoding="utf-8"), feature_version=(3, 8))
        imported = {
            (name.name if isinstance(node, ast.Import) else node.module or "").split(".")[0]
            for node in ast.walk(tree)
            if isinstance(node, (ast.Import, ast.ImportFrom))
            for name in node.names
        }
        assert not imported & {"pandas", "snakemake", "reporting", "seaborn"}, file


def test_reporting_never_imports_torch():
    modules = "reporting.tables, reporting.figures, reporting.read, reporting.summary"
    code = f"import sys, json, {modules}; print(json.dumps('torch' in sys.modules))"
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "workflow/scripts")}
    output = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert json.loads(output.stdout) is False


def test_planning_needs_no_packages_of_reporting():
    """Snakemake and pandas plan, and fetch weights, where only rules' own environments have the rest."""
    rules = [ROOT / "Snakefile", *(ROOT / "workflow/rules").glob("*.smk")]
    found = re.compile(r"^(?:from|import) ([\w.]+)", re.MULTILINE)
    names = {name for path in rules for name in found.findall(path.read_text(encoding="utf-8"))}
    scripts = {path.stem for path in (ROOT / "workflow/scripts").iterdir()}
    own = {name for name in names if name.split(".")[0] in scripts}
    assert {"matrix", "checking", "reporting.documents"} <= own
    code = f"import sys; sys.modules.update(dict.fromkeys({REPORTING_PACKAGES})); import {', '.join(sorted(own))}"
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "workflow/scripts")}
    result = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
