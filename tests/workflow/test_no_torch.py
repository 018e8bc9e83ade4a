"""Where Snakemake's Python has no torch: planning goes on, measuring is refused before any job."""

import re
import shlex
import sys

from conftest import QUICK, hide_packages
from diffbench.commands.measure import parse_arguments


def test_a_start_without_torch_is_refused_before_any_job(project, tmp_path):
    (tmp_path / "hidden").mkdir()
    code = hide_packages("torch", "diffusers", "transformers")
    (tmp_path / "hidden/sitecustomize.py").write_text(code, encoding="utf-8")
    environment = {"PYTHONPATH": str(tmp_path / "hidden")}
    project.configure(pipelines=["sd-txt2img"], batch_sizes=[1], rounds=1, measurement=QUICK)
    planned = project.snakemake("-n", "--printshellcmds", environment=environment).output
    commands = re.findall(r"\S+measure\.py (--pipeline.*)", planned)
    assert len(commands) == 2
    for command in commands:
        assert parse_arguments(shlex.split(command)).expect == "", "no version is known, and the command is still one"
    started = project.snakemake(check=False, environment=environment)
    assert started.returncode == 1
    assert started.output.splitlines()[-1].startswith(
        f"error: torch is not installed in {sys.executable}; `make setup`"
    )
    assert "speed-up" not in started.output and "Error in rule" not in started.output
    assert not (project.folder / "results/quickstart/runs").exists()
