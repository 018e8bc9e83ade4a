"""From a child's events to the rows of a run in `run.csv`: cache, round, batch and status, with a child that is played."""

import shutil

import pytest

from diffbench.commands import measure
from diffbench.measurement import locking, setup_checks
from diffbench.system.files import put_together
from diffbench.vocabulary.errors import SetupError
from running import rows_of

CRASH = ("crashed", "killed by signal 11 (SIGSEGV)")
RATES = {"calls": 2, "iterations": 6, "iterations_per_second": 4.0, "latency_s": 2.0, "images_per_second": 1.0}


def events_of(hits=None, misses=None, **outcome):
    """What a child reports of one stage that was measured from 1 s to 3 s."""
    counted = {} if hits is None else {"cache_hits": hits, "cache_misses": misses}
    events = [
        {"event": "phase", "phase": "load"},
        {"event": "window", "edge": "start", "at_s": 1.0},
        {"event": "window", "edge": "end", "at_s": 3.0},
        {"event": "values", "columns": {**RATES, **counted}},
        {"event": "outcome", "status": "ok", "detail": None, **outcome},
    ]
    return [{"stage": 1, "at_s": 0.0, **event} for event in events]


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Measures a round of a cell whose child reports these events and dies so; returns its row."""
    monkeypatch.setenv(locking.LOCKS_VARIABLE, str(tmp_path))
    monkeypatch.setattr(setup_checks, "check_toolchain", lambda *arguments: None)
    (tmp_path / "caches").mkdir(mode=0o700)

    def run(number, events, death=None, variant="compile", *options):
        monkeypatch.setattr(measure, "run_child", lambda *arguments: death)
        monkeypatch.setattr(measure, "read_events", lambda path: events)
        arguments = ["--pipeline=sd-txt2img", "--batch-size=2", f"--variant={variant}", "--gpu=CPU", "--threads=1"]
        arguments += [f"--round={number}", "--rounds=4", f"--cache-folder={tmp_path / 'caches'}", *options]
        measure.measure(measure.parse_arguments([*arguments, f"--output={tmp_path / str(number)}"]))
        (found,) = rows_of(tmp_path / str(number))
        assert (found["round"], found["batch_size"], found["variant"]) == (str(number), "2", variant)
        return found

    return run


def test_a_round_after_one_that_was_measured_is_warm_if_every_graph_was_hit(run):
    assert run(1, events_of(0, 3))["cache"] == "cold"
    assert run(2, events_of(3, 0))["cache"] == "warm"
    assert run(3, events_of(2, 1))["cache"] == "cold"
    assert run(4, events_of(0, 0))["cache"] == "cold"


@pytest.mark.parametrize(
    ("events", "death", "status"),
    [
        (events_of()[:1], CRASH, "crashed"),
        (events_of(0, 3, status="invalid", detail="constant"), None, "invalid"),
        (events_of()[:1], None, "crashed"),
    ],
)
def test_a_round_after_one_that_was_not_measured_to_its_end_is_cold(run, events, death, status):
    first = run(1, events, death)
    assert (first["status"], first["iterations_per_second"], first["cache"]) == (status, "", "cold")
    assert run(2, events_of(3, 0))["cache"] == "cold"
    assert run(3, events_of(3, 0))["cache"] == "warm"


def test_a_row_of_what_compiles_has_the_version_of_the_compiler(run, tmp_path, monkeypatch):
    """Another one may come first on PATH."""
    program = tmp_path / "c++"
    program.write_text("#!/bin/sh\necho 'g++ 99.1'\n", encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("CXX", str(program))
    versions = [run(1, events_of(0, 3), None, variant)["compiler_version"] for variant in ("compile", "eager")]
    assert versions == ["g++ 99.1", ""]


def test_a_fresh_cache_is_never_warm(run):
    for number in (1, 2):
        assert run(number, events_of(3, 0), None, "compile", "--cache=fresh")["cache"] == "cold"


def test_what_compiles_nothing_has_no_cache(run):
    assert [run(number, events_of(), None, "eager")["cache"] for number in (1, 2)] == ["", ""]


def test_a_row_has_what_the_child_reported_and_nothing_of_a_rate_where_it_failed(run):
    row = run(1, events_of())
    assert (row["status"], row["iterations_per_second"], row["latency_s"], row["images_per_second"]) == (
        "ok",
        "4",
        "2",
        "1",
    )
    row = run(2, events_of(status="oom", detail="CUDA out of memory"))
    assert (row["status"], row["detail"], row["phase"]) == ("oom", "CUDA out of memory", "load")
    assert not [name for name in RATES if row[name]]


def test_a_child_that_did_not_begin_leaves_no_row_and_the_output_folder_as_it_was(run, tmp_path):
    with pytest.raises(SetupError, match="^measuring cannot start here: killed by signal 11"):
        run(1, [], CRASH)
    with pytest.raises(
        SetupError, match="^measuring cannot start here: a library ended the measuring process with exit code 0"
    ):
        run(1, [], None)
    assert not (tmp_path / "1").exists()
    assert run(1, events_of(0, 3))["status"] == "ok"


def test_what_cannot_be_put_into_the_output_folder_is_kept_elsewhere(run, tmp_path, monkeypatch):
    folders = []

    def put_elsewhere(folder, files, outputs):
        folders.append(folder)
        if folder == tmp_path / "1":
            raise SetupError(f"{folder}: cannot be written: No space left on device; make room")
        put_together(folder, files, outputs)

    monkeypatch.setattr("diffbench.commands.measure.put_together", put_elsewhere)
    with pytest.raises(SetupError) as caught:
        run(1, events_of(0, 3))
    output, kept = folders
    reason = f"{output}: cannot be written: No space left on device; make room"
    assert str(caught.value) == f"{reason}; the measurement is kept: move the files there from {kept}"
    (found,) = rows_of(kept)
    assert (found["status"], found["iterations_per_second"]) == ("ok", "4")
    assert sorted(path.name for path in kept.iterdir()) == ["calls.csv", "outputs", "run.csv"]
    shutil.rmtree(kept)
