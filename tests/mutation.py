"""Which single changes of the code do the tests not notice? `make mutation`, or `make mutation MODULE=intervals`.

mutmut changes one operator, number, word or argument at a time and runs the tests that call the changed function. Printed are the
score of each module (changes noticed out of those tried) and the changes that no test noticed. Each module is tried with its own
tests in `.mutation/<module>/`, so that its score does not depend on tests of something else. Error messages are not changed.
"""

import argparse
import ast
import fnmatch
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PLACE = ROOT / ".mutation"
OWN = ("tests", "pyproject.toml", "results", "gpu")  # not linked: copied, written or of no use
# module: patterns of its tests in tests/unit (without `test_`); all of them run in one process. Never measurement/session, which
# kills processes: a change of whom it kills takes everything else on the machine
TESTS = {
    "catalogue/definition": ["definition", "matrix", "sizes"],
    "data/consistency": ["consistency"],
    "data/fidelity_csv": ["fidelity"],
    "libraries/failure": ["failure", "starved", "refusal", "causes"],
    "mechanisms/refusal": ["failure", "starved", "refusal", "causes"],
    "libraries/releases": ["library_releases"],
    "libraries/versions": ["versions"],
    "measurement/allocation": ["allocation", "gpus"],
    "measurement/cache_hits": ["compiler_cache"],
    "measurement/evidence_checks": ["evidence_checks"],
    "measurement/garbage": ["garbage"],
    "measurement/host_counters": ["machine_columns", "monitor"],
    "measurement/memory": ["stage_order"],
    "measurement/monitor": ["machine_columns", "gpu_processes", "monitor", "nvml"],
    "measurement/outputs": ["outputs", "evidence_checks"],
    "measurement/stage": ["rates"],
    "measurement/stopping": ["stopping"],
    "measurement/process_death": ["process_death", "run_child"],
    "measurement/rows": ["rows"],
    "measurement/supervisor": ["run_child", "supervisor"],
    "measurement/timer": ["timer"],
    "measurement/weights_digest": ["weights_digest"],
    "mechanisms/dtype": ["dtype"],
    "statistics/breakeven": ["breakeven", "startup"],
    "statistics/call_flags": ["flag_limits", "flags"],
    "statistics/ceilings": ["ceilings"],
    "statistics/conditions": ["differences"],
    "statistics/fidelity": ["fidelity"],
    "statistics/flags": ["flag_limits"],
    "statistics/intervals": ["compare", "intervals"],
    "statistics/peak_memory": ["peak_memory"],
    "statistics/ratios": ["ratio_values"],
    "statistics/round_flags": ["flag_limits"],
    "statistics/run_flags": ["flag_limits"],
    "statistics/speedup": ["compare"],
    "statistics/startup": ["startup", "breakeven"],
    "statistics/summary": ["summary_values", "summary", "conditions"],
    "statistics/two_speeds": ["two_speeds"],
    "system/compiler_caches": ["cache_folders", "compiler_caches"],
    "system/environment_variables": ["environment_*"],
    "system/files": ["measurements", "files"],
    "system/threads": ["threads"],
    "tables/best": ["best"],
    "tables/best_choice": ["best_values", "best"],
    "tables/cell_results": ["best_values", "best"],
    "tables/cell_text": ["cell_text"],
}
LEFT_OUT = "not slow"
NO_PROCESS = """

def measure(*arguments, **keys):
    import pytest

    pytest.skip("a process of its own runs the code as it is")
"""
SETTINGS = """\
[tool.mutmut]
source_paths = ["src"]
only_mutate = ["src/diffbench/{module}.py"]
do_not_mutate_patterns = ["raise [A-Z]"]
pytest_add_cli_args = ["-m", "{left_out}", "-p", "no:cacheprovider"]
pytest_add_cli_args_test_selection = {tests}
use_git_change_detection = false
timeout_constant = 4

[tool.pytest.ini_options]
pythonpath = ["src", "tests", "tests/unit", "tests/gpu"]
markers = ["slow", "alone"]
"""


def test_files(module):
    """The test files of a module that exist, as paths from the folder that holds `tests`."""
    patterns = [f"test_{pattern}.py" for pattern in TESTS[module]]
    names = sorted(path.name for path in (ROOT / "tests/unit").glob("test_*.py"))
    return [f"tests/unit/{name}" for name in names if any(fnmatch.fnmatch(name, pattern) for pattern in patterns)]


def stage(module, tests):
    """Put sources and tests into a folder in which mutmut finds them by the names under which they import each other."""
    folder = PLACE / module.replace("/", ".")
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "mutants").mkdir(parents=True)
    shutil.copytree(ROOT / "workflow/scripts", folder / "src", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "tests", folder / "tests", ignore=shutil.ignore_patterns("__pycache__"))
    with open(folder / "tests/running.py", "a", encoding="utf-8") as file:
        file.write(NO_PROCESS)
    for path in [*ROOT.glob("[!.]*"), ROOT / "workflow/schemas"]:  # sources look for them above `mutants`, tests in it
        if path.name not in OWN:
            (folder / path.name).symlink_to(path)
            (folder / "mutants" / path.name).symlink_to(path)
    settings = SETTINGS.format(module=module, tests=tests, left_out=LEFT_OUT)
    (folder / "pyproject.toml").write_text(settings, encoding="utf-8")
    return folder


def mutmut(folder, *arguments):
    """Run mutmut in a folder. Returns its exit code and what it printed."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", "COLUMNS": "200"}
    command = [sys.executable, "-m", "mutmut", *arguments]
    result = subprocess.run(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    return result.returncode, result.stdout


def first_lines(path):
    """{name of a function, or class.method: its first line in the file, decorators included}."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found = {}
    for node in tree.body:
        for item, prefix in [
            (node, ""),
            *((child, f"{node.name}.") for child in getattr(node, "body", []) if isinstance(node, ast.ClassDef)),
        ]:
            if isinstance(item, (ast.FunctionDef, ast.AsyncFunctionDef)):
                found[prefix + item.name] = min([item.lineno, *(one.lineno for one in item.decorator_list)])
    return found


def shortened(before, after, around=24):
    """`before -> after` around the place where two lines differ."""
    start = len(os.path.commonprefix([before, after]))
    end = len(os.path.commonprefix([before[start:][::-1], after[start:][::-1]]))
    parts = [text[max(0, start - around) : len(text) - max(0, end - around)] for text in (before, after)]
    return "  ->  ".join(parts)


def describe(folder, module, name, starts):
    """`file:line: before -> after` of one mutant."""
    _, text = mutmut(folder, "show", name)
    function = re.sub(r"__mutmut_\d+$", "", name.rpartition(".")[2])
    function = ".".join(function.strip("xǁ").split("ǁ")) if "ǁ" in function else function[2:]
    line, before, after = starts.get(function, 0), [], []
    hunk = re.search(r"^@@ -(\d+)", text, re.MULTILINE)
    body = text[hunk.end() :].splitlines()[1:] if hunk else []
    number = int(hunk.group(1)) - 1 if hunk else 0
    for row in body:
        if row.startswith("-"):
            before.append((number, row[1:].strip()))
        elif row.startswith("+"):
            after.append(row[1:].strip())
        number += not row.startswith("+")
    offset = before[0][0] if before else 0
    change = shortened(" ".join(row for _, row in before), " ".join(after))
    return f"workflow/scripts/diffbench/{module}.py:{line + offset}: {change}"


def try_module(module, children):
    """Try every change of a module. Returns (noticed, tried, lines about those that were not noticed)."""
    tests = test_files(module)
    if not tests:
        return 0, 0, [f"no test file: {', '.join(TESTS[module])}"]
    folder = stage(module, tests)
    code, printed = mutmut(folder, "run", "--max-children", str(children))
    (folder / "mutmut.log").write_text(printed, encoding="utf-8")
    if code:
        return 0, 0, [f"mutmut failed; see {folder / 'mutmut.log'}", *printed.strip().splitlines()[-3:]]
    _, listed = mutmut(folder, "results", "--all", "true")
    results = re.findall(r"^ +(\S+): (.+)$", listed, re.MULTILINE)
    starts = first_lines(ROOT / "workflow/scripts/diffbench" / f"{module}.py")
    missed = [(name, status) for name, status in results if status not in ("killed", "timeout", "skipped")]
    lines = [f"{describe(folder, module, name, starts)}  [{status}]" for name, status in missed]
    tried = sum(status != "skipped" for _, status in results)
    return tried - len(missed), tried, lines


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("modules", nargs="*", help=f"some of {', '.join(TESTS)}; the last part is enough")
    parser.add_argument("--children", type=int, default=os.cpu_count(), help="how many changes are tried at a time")
    arguments = parser.parse_args()
    chosen = [name for name in TESTS if not arguments.modules or {name, Path(name).name} & set(arguments.modules)]
    if not chosen:
        parser.error(f"found {' '.join(arguments.modules)}, expected some of {', '.join(TESTS)}")
    scores = []
    for module in chosen:
        started = time.monotonic()
        noticed, tried, lines = try_module(module, arguments.children)
        scores.append((module, noticed, tried, time.monotonic() - started))
        print(*lines, sep="\n", end="\n" if lines else "", flush=True)
    print(f"\n{'module':<26}{'noticed':>9}{'tried':>7}{'score':>8}{'seconds':>9}")
    for module, noticed, tried, seconds in scores:
        print(f"{module:<26}{noticed:>9}{tried:>7}{f'{noticed / tried:.0%}' if tried else '-':>8}{seconds:>9.0f}")


if __name__ == "__main__":
    main()
