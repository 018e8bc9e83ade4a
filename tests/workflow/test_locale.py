"""Terminals that are not UTF-8, and paths that are no text: what cannot be printed is replaced, and nothing fails."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from running import MEASURE

ASCII = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
LOCALES = [ASCII, {"PYTHONIOENCODING": "latin-1"}]
RUN = ["--pipeline", "sd-txt2img", "--batch-size", "1", "--variant"]


def measure(variant, output, environment):
    command = [sys.executable, str(MEASURE), *RUN, variant, "--output", os.fsencode(output)]
    return subprocess.run(command, env={**os.environ, **environment}, capture_output=True)


@pytest.mark.parametrize("environment", LOCALES, ids=["C", "latin-1"])
def test_tables_are_printed_and_written_in_any_locale(project, environment):
    result = project.snakemake("so_far", environment=environment)
    assert "|                   ?                    |" in result.output
    written = project.folder / "results/quickstart/so_far/tables.md"
    assert "…" in written.read_text(encoding="utf-8")


@pytest.mark.parametrize("environment", LOCALES, ids=["C", "latin-1"])
def test_a_folder_whose_name_is_no_text_is_measured_into(tmp_path, environment):
    output = os.fsdecode(os.fsencode(tmp_path) + b"/\xff\xc3\xa9")
    result = measure("first-block-cache", output, environment)  # which this pipeline does not support: no call is made
    assert result.returncode == 0, result.stderr
    assert (Path(output) / "run.csv").is_file()


@pytest.mark.parametrize("environment", LOCALES, ids=["C", "latin-1"])
def test_an_error_about_such_a_folder_is_one_line(tmp_path, environment):
    file = os.fsdecode(os.fsencode(tmp_path) + b"/\xff\xc3\xa9")
    with open(file, "w", encoding="utf-8"):
        pass
    result = measure("first-block-cache", f"{file}/below", environment)
    assert result.returncode == 1
    assert result.stderr.splitlines()[-1].startswith(b"error: ") and b"Traceback" not in result.stderr
