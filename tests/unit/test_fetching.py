"""What keeps weights from being fetched is one short line with what to do."""

import os
import subprocess
import sys

import pytest

from conftest import ROOT
from diffbench.commands import fetch_weights
from diffbench.vocabulary.errors import SetupError
from hub import Hub

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
    command = [sys.executable, ROOT / "workflow/scripts/fetch_weights.py", "sd-txt2img"]
    environment = {**os.environ, "HF_HOME": str(tmp_path), **environment}
    result = subprocess.run(command, env=environment, capture_output=True, text=True)
    last = result.stderr.splitlines()[-1]
    assert result.returncode == 1 and "Traceback" not in result.stderr
    assert last.startswith(f"error: {start}") and last.endswith(end)
    assert len(last) <= 200


@pytest.mark.parametrize(
    ("name", "value", "found"),
    [
        ("HF_TOKEN", "hf_a", True),
        ("HF_TOKEN", "", False),
        ("HUGGING_FACE_HUB_TOKEN", "hf_a", True),
    ],
)
def test_a_token_counts_wherever_the_hub_looks_for_it(tmp_path, name, value, found):
    environment = {key: text for key, text in os.environ.items() if not key.startswith(("HF_", "HUGGING_FACE_"))}
    environment.update({"HF_HOME": str(tmp_path), name: value})
    code = "from diffbench.commands import fetch_weights; print(fetch_weights.has_token())"
    command = [sys.executable, "-c", code]
    for expected in (found, True):
        result = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=ROOT / "workflow/scripts")
        assert result.stdout == f"{expected}\n", result.stderr
        (tmp_path / "token").write_text("hf_of_a_login\n")


FETCH = """
import sys
from diffbench.commands import fetch_weights
from diffbench.vocabulary.errors import SetupError
source = {"hub_id": "gated/one", "revision": sys.argv[1], "gated": True}
try:
    fetch_weights.check_token([source])
    print(*fetch_weights.fetch_configuration(source))
except SetupError as error:
    print(error)
"""


def test_a_gated_model_needs_a_token_only_while_files_of_it_are_not_in_the_cache(tmp_path):
    repository, revision = tmp_path / "repository", "0123456789abcdef0123456789abcdef01234567"
    repository.mkdir()
    for name in ("model_index.json", "config.json"):
        (repository / name).write_text("{}")
    hub = Hub()
    hub.add("gated/one", repository, revision, gated=True)
    environment = {key: text for key, text in os.environ.items() if not key.startswith(("HF_", "HUGGING_FACE_"))}
    environment.update(HF_HOME=str(tmp_path / "cache"), HF_ENDPOINT=hub.url, PYTHONPATH=str(ROOT / "workflow/scripts"))

    def fetch(**variables):
        command = [sys.executable, "-c", FETCH, revision]
        result = subprocess.run(command, env={**environment, **variables}, capture_output=True, text=True)
        return result.stdout.strip() or result.stderr

    try:
        assert fetch().startswith("gated/one is gated: accept its licence")
        assert fetch(HF_TOKEN=hub.token) == fetch() == "gated/one, configuration files: fetched"
        (cached,) = (tmp_path / "cache").rglob("snapshots/*/config.json")
        cached.unlink()
        assert fetch().startswith("gated/one is gated: accept its licence")
        assert fetch(HF_TOKEN=hub.token) == "gated/one, configuration files: fetched"
        assert cached.exists()
    finally:
        hub.shutdown()
        hub.server_close()


def test_a_gated_model_without_a_token_is_one_line(monkeypatch):
    monkeypatch.setattr(fetch_weights, "has_token", lambda: False)
    fetch_weights.check_token([{"hub_id": "open/one"}])
    with pytest.raises(SetupError, match="gated/one is gated: .* set HF_TOKEN .* or run `hf auth login`"):
        fetch_weights.check_token([{"hub_id": "open/one"}, {"hub_id": "gated/one", "gated": True}])
    monkeypatch.setattr(fetch_weights, "has_token", lambda: True)
    fetch_weights.check_token([{"hub_id": "gated/one", "gated": True}])
