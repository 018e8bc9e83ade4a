"""What the code that measures needs of Python and of packages, and what the reporting code does without."""

import json
import os
import subprocess
import sys

from conftest import ROOT
from running import MEASURE


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
