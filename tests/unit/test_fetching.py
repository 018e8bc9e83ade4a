"""What keeps weights from being fetched is one short line with what to do."""

import os
import subprocess
import sys

import pytest

from conftest import ROOT

FAILED = "weights of stable-diffusion-v1-5/stable-diffusion-v1-5 at revision 451f4fe16113 cannot be fetched: "


@pytest.mark.parametrize(
    ("environment", "start", "end"),
    [
        ({"HF_HUB_OFFLINE": "1"}, FAILED, "not on this machine; unset HF_HUB_OFFLINE"),
        (
            {"HF_HOME": "/dev/null"},
            f"{FAILED}/dev/null/",
            ": Not a directory; set HF_HOME to a folder that you can write",
        ),
        (
            {"HF_HUB_ETAG_TIMEOUT": "abc"},
            "diffusers cannot be imported: ValueError: ",
            "'abc'; unset variables HF_* that are wrong, or install it again",
        ),
    ],
)
def test_what_keeps_weights_from_being_fetched_is_one_short_line(tmp_path, environment, start, end):
    command = [sys.executable, ROOT / "workflow/scripts/weights.py", "sd-txt2img"]
    environment = {**os.environ, "HF_HOME": str(tmp_path), **environment}
    result = subprocess.run(command, env=environment, capture_output=True, text=True)
    last = result.stderr.splitlines()[-1]
    assert result.returncode == 1 and "Traceback" not in result.stderr
    assert last.startswith(f"error: {start}") and last.endswith(end)
    assert len(last) <= 200
