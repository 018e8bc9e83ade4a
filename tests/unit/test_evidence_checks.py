"""Once the calls are measured, a check can only show that the number must not stand: no failure of a check takes it away."""

import contextlib
import os
import signal
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from diffbench.measurement import stage
from diffbench.measurement.evidence_checks import Check, free_memory, verify
from diffbench.measurement.rows import assemble
from diffbench.mechanisms import attention_kernels, denoiser_calls
from diffbench.vocabulary.columns import RATE
from diffbench.vocabulary.errors import Invalid, Unsupported
from running import measure, measuring_processes, rows_of
from stages import FEWEST, Report, run_stages

OUT_OF_MEMORY = RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB; GPU 0 has 1.00 GiB free")
MEASURED = {"calls": 5, "iterations_per_second": 20.0, "latency_s": 2.5, "images_per_second": 0.8, "startup_s": 1.0}


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (OUT_OF_MEMORY, "RuntimeError: CUDA out of memory. Tried to allocate 2.00 GiB, GPU 0"),
        (MemoryError(), "MemoryError:"),
        (Unsupported("no profiler here"), "Unsupported: no profiler here"),
        (KeyError("cuda"), "KeyError: 'cuda'"),
    ],
)
def test_a_check_that_cannot_run_leaves_the_number_and_says_so(tmp_path, monkeypatch, error, told):
    def fail(module, call):
        raise error

    monkeypatch.setattr(attention_kernels, "profile_step", fail)
    (outcome,) = run_stages(tmp_path, variant="sdpa-math")  # forces a kernel, so it has to look at it
    columns = outcome.columns
    assert (outcome.status, columns["phase"]) == ("ok", "evidence"), outcome
    assert columns["iterations_per_second"] > 0 and columns["step_gflop"] > 0
    assert columns["unverified"].startswith(f"sdpa_backend: {told}") and "; " not in columns["unverified"]
    assert "sdpa_backend not verified" in columns["evidence"]
    assert columns.get("attention_kernels") is None


def test_every_number_stands_before_the_first_check(tmp_path):
    class Witness(Report):
        def phase(self, name):
            if name == "evidence":
                self.before = dict(self.columns)
            super().phase(name)

    witness = Witness()
    run_stages(tmp_path, report=witness)
    assert not {*RATE, "startup_s", "peak_rss_mib"} - set(witness.before)


def checked(*checks):
    """What a report has learned after these checks of a variant on the CPU, whose pipeline makes an image when called."""
    report = Report()
    report.pending = []
    report.emit = lambda event, mechanisms: event == "pending" and report.pending.append(mechanisms)
    variant = SimpleNamespace(
        device=torch.device("cpu"), evidence=["dtype float32"], checks=checks, columns={"graph_breaks": 3}
    )
    try:
        verify(variant, lambda: "an image", report)
    except Invalid as error:
        report.columns["invalid"] = str(error)
    return report


def fail(call):
    raise OUT_OF_MEMORY


def object_to(call):
    raise Invalid("it had no effect")


def test_each_check_runs_whatever_became_of_those_before():
    report = checked(Check("vae", fail), Check("grad", lambda call: "an inference tensor"), Check("caching", fail))
    assert report.columns["evidence"] == "dtype float32; vae not verified; an inference tensor; caching not verified"
    reasons = report.columns["unverified"].split("; ")
    assert [reason.partition(":")[0] for reason in reasons] == ["vae", "caching"]
    assert report.pending == [["vae", "grad", "caching"], ["grad", "caching"], ["caching"], []]


def test_the_reason_is_the_lack_of_memory_behind_an_error():
    def starve(call):
        try:
            raise OUT_OF_MEMORY
        finally:
            raise AssertionError("stream is broken")

    assert checked(Check("vae", starve)).columns["unverified"].startswith("vae: RuntimeError: CUDA out of memory")


def test_a_call_that_fails_before_the_denoiser_says_why():
    def look(call):
        denoiser_calls.profile_step(torch.nn.Linear(2, 2), lambda: [].pop())

    assert checked(Check("sdpa_backend", look)).columns["unverified"] == "sdpa_backend: IndexError: pop from empty list"


def test_a_check_that_finds_no_effect_is_invalid_even_after_one_that_could_not_run():
    report = checked(Check("vae", fail), Check("caching", object_to))
    assert report.columns["invalid"] == "it had no effect"
    assert report.columns["unverified"].startswith("vae: ")


def test_a_reason_is_short_and_has_no_separator_of_reasons():
    def refuse(call):
        raise ValueError("a; b" + "x" * 300)

    reason = checked(Check("vae", refuse)).columns["unverified"]
    assert reason.startswith("vae: ValueError: a, bx") and len(reason) == len("vae: ") + 160


def test_what_checks_have_seen_is_joined_and_columns_are_reported():
    checks = [Check(name, lambda call, text=text: text) for name, text in (("a", "one"), ("b", None), ("c", "three"))]
    columns = checked(*checks).columns
    assert (columns["evidence"], columns["unverified"]) == ("dtype float32; one; three", "")
    assert columns["graph_breaks"] == 3, "what mechanisms have counted"


def test_a_check_can_call_the_pipeline():
    assert checked(Check("vae", lambda call: call())).columns["evidence"] == "dtype float32; an image"


@pytest.mark.parametrize(("kind", "frees"), [("cuda", 1), ("cpu", 0)])
def test_a_check_has_what_no_tensor_uses_also_on_a_broken_device(monkeypatch, kind, frees):
    freed = []

    def free():
        freed.append(1)
        raise RuntimeError("CUDA error: unspecified launch failure")

    monkeypatch.setattr(torch.cuda, "empty_cache", free)
    free_memory(torch.device(kind))
    assert len(freed) == frees


class Idle:
    """A monitor that has seen every window."""

    def start_columns(self, start_s, end_s):
        return {}

    def columns(self, start_s, end_s, images):
        return {"energy_per_image_j": 10.0 * images}


def row_of(*events, death=None, stages=1):
    """The rows of a run of which the child reported these events of stage 1, with its death."""
    definition = {"stages": [{"number": number + 1, "steps": 4} for number in range(stages)]}
    events = [{"stage": 1, "at_s": position, **event} for position, event in enumerate(events)]
    rows, _ = assemble({"batch_size": 2}, {}, definition, events, death, Idle())
    return rows


WINDOW = [{"event": "window", "edge": "start"}, {"event": "window", "edge": "end"}]
NUMBERS = [*WINDOW, {"event": "values", "columns": MEASURED}, {"event": "phase", "phase": "evidence"}]
PENDING = {"event": "pending", "mechanisms": ["vae", "attention kernels"]}
LOOKED = {"event": "values", "columns": {"evidence": "graphs: 1 of unet", "unverified": "grad: KeyError: 'x'"}}
TIMEOUT = ("timeout", "stopped at the time limit of 900 s")


def test_a_process_that_dies_in_a_check_leaves_its_numbers():
    first, second = row_of(*NUMBERS, LOOKED, PENDING, death=TIMEOUT, stages=2)
    assert (first["status"], first["phase"], first["detail"]) == ("ok", None, None)
    assert first["iterations_per_second"] == 20.0 and first["energy_per_image_j"] == 100.0
    expected = "grad: KeyError: 'x'; vae, attention kernels: timeout: stopped at the time limit of 900 s"
    assert first["unverified"] == expected
    assert first["evidence"] == "graphs: 1 of unet; vae not verified; attention kernels not verified"
    assert (second["status"], second["phase"]) == ("timeout", "load"), "it was never measured"


def test_a_process_that_dies_before_its_first_check_has_verified_nothing():
    (row,) = row_of(*NUMBERS, death=("oom", "killed by the kernel"))
    assert (row["status"], row["unverified"]) == ("ok", "all checks: oom: killed by the kernel")
    assert row["evidence"] == "all checks not verified"


def test_a_process_that_dies_after_its_last_check_has_verified_everything():
    (row,) = row_of(*NUMBERS, {"event": "pending", "mechanisms": []}, death=TIMEOUT)
    assert (row["status"], row["unverified"], row["iterations_per_second"]) == ("ok", "", 20.0)


@pytest.mark.parametrize(
    ("events", "death", "status"),
    [
        ([*NUMBERS, {"event": "outcome", "status": "invalid", "detail": "no effect"}], None, "invalid"),
        ([{"event": "phase", "phase": "call-2"}, {"event": "values", "columns": MEASURED}], TIMEOUT, "timeout"),
    ],
)
def test_a_row_that_is_not_ok_has_no_rate_and_no_energy_of_an_image(events, death, status):
    (row,) = row_of(*events, death=death)
    assert row["status"] == status
    assert not [column for column in [*RATE, "startup_s", "compile_s", "energy_per_image_j"] if row.get(column)]


def test_a_killed_process_keeps_its_number_if_only_the_evidence_was_missing(tmp_path):
    """The real processes: the child is killed as soon as it has begun to look at the evidence."""

    def kill_in_evidence():
        while True:
            for pid in measuring_processes():
                with contextlib.suppress(OSError, IndexError):  # it has ended meanwhile
                    spec = Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")[-2]
                    if '"phase": "evidence"' in Path(spec).with_name("events.jsonl").read_text(encoding="utf-8"):
                        return os.kill(pid, signal.SIGKILL)
            time.sleep(0.005)

    thread = threading.Thread(target=kill_in_evidence, daemon=True)
    thread.start()
    assert measure(tmp_path, "--warmup-calls", 1, "--calls", 1, "--max-calls", 1, fork=False).returncode == 0
    thread.join(timeout=1)
    (row,) = rows_of(tmp_path)
    assert (row["status"], row["phase"], row["detail"]) == ("ok", "", "")
    assert float(row["iterations_per_second"]) > 0
    assert "SIGKILL" in row["unverified"]


class Counting(Report):
    """Counts the calls of each kind."""

    def __init__(self):
        super().__init__()
        self.kinds = []

    def sample(self, kind, number, sample):
        self.kinds.append(kind)


def test_an_image_that_must_not_stand_ends_the_run_at_its_first_call(tmp_path, monkeypatch):
    def load_spoilt(*arguments, plain=stage.load_pipeline):
        pipeline = plain(*arguments)
        next(pipeline.unet.parameters()).data.fill_(float("nan"))
        return pipeline

    monkeypatch.setattr(stage, "load_pipeline", load_spoilt)
    report = Counting()
    settings = {**FEWEST, "warmup_calls": 3, "max_warmup_calls": 3}
    (outcome,) = run_stages(tmp_path, report=report, settings=settings)
    assert (outcome.status, outcome.detail) == ("invalid", "the denoiser returned NaN or infinity")
    assert (report.kinds, report.columns["phase"]) == (["first"], "first-call")


def test_another_number_of_images_ends_the_run_at_its_first_call(tmp_path, monkeypatch):
    def load_short(*arguments, plain=stage.load_pipeline):
        pipeline = plain(*arguments)
        process = pipeline.image_processor.postprocess
        pipeline.image_processor.postprocess = lambda image, **keys: process(image[:1], **keys)
        return pipeline

    monkeypatch.setattr(stage, "load_pipeline", load_short)
    report = Counting()
    (outcome,) = run_stages(tmp_path, report=report, batch_size=2)
    assert (outcome.status, report.kinds) == ("invalid", ["first"]), outcome
    assert outcome.detail == "the call made 1 images, not the 2 of the batch"
