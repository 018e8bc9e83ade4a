"""The measuring process: what a stage raises, and what ends the process."""

import json

import pytest
import torch

from diffbench.measurement import measure_stage as stage_module
from diffbench.measurement import process as program
from diffbench.measurement.session import SPAWN


@pytest.fixture
def events(tmp_path, monkeypatch):
    """The events of a run of one stage that raises this error in this phase."""

    def events(phase, error):
        def measure_stage(description, definition, device, report, *places):
            report.phase(phase)
            raise error

        monkeypatch.setattr(program, "start", lambda spec, report: torch.device("cpu"))
        monkeypatch.setattr(program, "die_with_parent", lambda: None)
        monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "cache" / "inductor"))
        monkeypatch.setattr(stage_module, "measure_stage", measure_stage)
        definition = {"stages": [{"number": 1, "dtype": "float16"}], "variant": {}}
        spec = {
            "definition": definition,
            "events": str(tmp_path / "events"),
            "outputs": str(tmp_path),
            "torch": "installed",
        }
        (tmp_path / "spec").write_text(json.dumps(spec))
        program.main(str(tmp_path / "spec"), SPAWN)
        return [json.loads(line) for line in (tmp_path / "events").read_text().splitlines()]

    return events


def test_a_library_that_ends_the_process_while_it_is_loaded_is_at_fault(events):
    last = events("load", SystemExit(0))[-1]
    assert last["event"] == "setup-error"
    assert last["detail"] == "a library ended the process (SystemExit: 0); look for a broken one in the log"


def test_one_that_ends_it_later_makes_a_row(events):
    last = events("first-call", SystemExit(3))[-1]
    assert (last["event"], last["status"], last["detail"]) == ("outcome", "crashed", "SystemExit: 3")


def test_an_interrupt_is_no_outcome(events):
    with pytest.raises(KeyboardInterrupt):
        events("first-call", KeyboardInterrupt())
