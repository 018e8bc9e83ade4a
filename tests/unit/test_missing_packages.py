"""A Python without the packages that measuring needs: one line, no traceback."""

import subprocess
import sys
import venv

import pytest

from conftest import ROOT
from diffbench.vocabulary.errors import describe_missing


@pytest.fixture(scope="module")
def bare(tmp_path_factory):
    """A Python without any package."""
    folder = tmp_path_factory.mktemp("bare")
    venv.create(folder, symlinks=True)
    return folder / "bin" / "python"


@pytest.mark.parametrize("arguments", [["--help"], []])
@pytest.mark.parametrize("program", ["measure", "ceiling", "fetch_weights"])
def test_a_bare_python_is_told_in_one_line(bare, program, arguments):
    command = [bare, ROOT / f"workflow/scripts/{program}.py", *arguments]
    result = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    assert (result.returncode, result.stdout) == (1, "")
    (line,) = result.stderr.splitlines()
    assert line == f"error: {describe_missing('yaml', bare)}"


def test_the_line_names_the_package_and_what_to_do():
    assert describe_missing("yaml", sys.executable).startswith(
        f"PyYAML is not installed in {sys.executable}; `make setup`"
    )
    assert describe_missing("psutil", "python").startswith("psutil is not installed in python; ")
    assert "`make setup` installs requirements.txt" in describe_missing("psutil", "python")
