"""Measuring for real, on the miniature pipelines: what is counted, what is timed, what is kept."""

import pytest

from diffbench.measurement.call_rates import startup_columns
from diffbench.measurement.timer import CallSample
from running import measure, rows_of


@pytest.fixture(scope="module")
def txt2img(tmp_path_factory):
    folder = tmp_path_factory.mktemp("txt2img")
    assert measure(folder, "--cache-folder", folder.with_name("caches-of-eager")).returncode == 0
    return folder


def test_a_run_that_compiles_nothing_leaves_no_cache(txt2img):
    assert not list(txt2img.with_name("caches-of-eager").iterdir())


def test_row_has_rate_provenance_and_no_number_where_nothing_was_measured(txt2img):
    (row,) = rows_of(txt2img)
    assert row["status"] == "ok"
    assert row["gpu"] == "CPU"
    assert (row["scale"], row["weights"], row["dtype"]) == ("tiny", "random", "float32")
    assert row["compile_s"] == row["cache"] == row["peak_allocated_mib"] == ""
    assert float(row["latency_q1_s"]) <= float(row["latency_s"]) <= float(row["latency_q3_s"])
    import torch

    assert row["torch_version"] == torch.__version__


def test_pndm_ticks_once_less_than_it_calls_the_denoiser(txt2img):
    (row,) = rows_of(txt2img)
    assert (row["steps"], row["iterations"], row["denoiser_calls"]) == ("6", "6", "7")


def test_every_call_is_kept_with_its_kind(txt2img):
    calls = rows_of(txt2img, "calls.csv")
    assert [call["kind"] for call in calls] == ["first", "warmup", "warmup"] + ["call"] * 6
    for call in calls:
        assert 0 < float(call["loop_s"]) < float(call["latency_s"])


def test_rate_is_the_median_over_the_measured_calls(txt2img):
    rates = sorted(
        float(call["iterations"]) / float(call["loop_s"])
        for call in rows_of(txt2img, "calls.csv")
        if call["kind"] == "call"
    )
    median = (rates[2] + rates[3]) / 2
    assert float(rows_of(txt2img)[0]["iterations_per_second"]) == pytest.approx(median, rel=1e-4)


@pytest.mark.parametrize("target_percent", [2, 100])
def test_the_row_says_what_ended_the_calls_and_how_well_their_median_is_known(txt2img, tmp_path, target_percent):
    folder = txt2img
    if target_percent != 2:  # the default on a CPU
        folder = tmp_path
        assert measure(folder, "--target-percent", target_percent).returncode == 0
    (row,) = rows_of(folder)
    calls = [call for call in rows_of(folder, "calls.csv") if call["kind"] == "call"]
    rates = [float(call["iterations"]) / float(call["loop_s"]) for call in calls]
    half_width = 100 * (max(rates) - min(rates)) / 2 / float(row["iterations_per_second"])
    assert float(row["half_width_percent"]) == pytest.approx(half_width, rel=1e-3)
    assert row["stopped_by"] == ("target" if half_width <= target_percent else "max-calls")


def test_start_up_is_what_the_calls_before_took_beyond_as_many_of_those_measured(txt2img):
    (row,) = rows_of(txt2img)
    before = [float(call["latency_s"]) for call in rows_of(txt2img, "calls.csv") if call["kind"] != "call"]
    assert row["warmup_calls"] == "3"
    startup_s = sum(before) - 3 * float(row["latency_s"])
    assert float(row["startup_s"]) == pytest.approx(startup_s, abs=1e-4)
    assert float(row["first_call_s"]) == pytest.approx(before[0], rel=1e-4)


def test_a_start_that_was_faster_than_the_measured_calls_is_negative():
    before = [CallSample(1.25, 1.0, 2, 4), CallSample(0.5, 0.25, 2, 4)]
    assert startup_columns(before, 1.0, compiled=True) == {"startup_s": -0.25, "compile_s": 0.25}
    assert startup_columns(before, 1.5, compiled=True) == {"startup_s": -1.25, "compile_s": -0.25}
    assert startup_columns(before, 1.0, compiled=False)["compile_s"] is None


def test_the_work_of_a_step_is_counted(txt2img, tmp_path):
    """Twice the batch is twice the operations, but not twice the weights."""
    (row,) = rows_of(txt2img)
    assert measure(tmp_path, batch_size=2).returncode == 0
    (double,) = rows_of(tmp_path)
    assert float(double["step_gflop"]) == pytest.approx(2 * float(row["step_gflop"]), rel=1e-3)
    assert float(row["step_mib"]) < float(double["step_mib"]) < 2 * float(row["step_mib"])


def test_the_work_of_a_step_is_counted_once_a_cell(tmp_path):
    caches = tmp_path / "caches"
    options = ("--rounds", "2", "--cache-folder", caches, "--round")
    assert measure(tmp_path / "one", *options, "1").returncode == 0
    (kept,) = caches.rglob("work-1.json")
    kept.write_text('{"step_gflop": 12.5, "step_mib": 2.5}')
    assert measure(tmp_path / "two", *options, "2").returncode == 0
    (row,) = rows_of(tmp_path / "two")
    assert (float(row["step_gflop"]), float(row["step_mib"])) == (12.5, 2.5)
    assert not list(caches.iterdir()), "the last round deletes what is kept"


def test_every_run_keeps_latents_and_image_of_its_call(txt2img, tmp_path):
    import numpy
    from PIL import Image

    assert measure(tmp_path).returncode == 0
    files = [folder / "outputs" / "stage-1" for folder in (txt2img, tmp_path)]
    first, second = (numpy.load(file.with_suffix(".npy"), allow_pickle=False) for file in files)
    assert first.shape[0] == 4
    assert numpy.isfinite(first).all() and first.std() > 0
    assert numpy.allclose(first, second), "the seed is the same"
    assert Image.open(files[0].with_suffix(".png")).mode == "RGB"


def test_img2img_counts_the_steps_that_run_not_those_asked_for(tmp_path):
    assert measure(tmp_path, "--calls", 1, pipeline="sd-img2img").returncode == 0
    (row,) = rows_of(tmp_path)
    assert (row["steps"], row["iterations"]) == ("6", "4")


def test_if_has_a_row_a_stage_and_only_the_first_above_batch_size_1(tmp_path):
    assert measure(tmp_path / "1", "--calls", 1, pipeline="if").returncode == 0
    assert [row["stage"] for row in rows_of(tmp_path / "1")] == ["1", "2", "3"]
    assert measure(tmp_path / "4", "--calls", 1, pipeline="if", batch_size=4).returncode == 0
    assert [row["stage"] for row in rows_of(tmp_path / "4")] == ["1"]


@pytest.mark.parametrize("pipeline", ["sd-inpaint", "sd-controlnet", "sdxl-txt2img"])
def test_the_other_pipelines_run(tmp_path, pipeline):
    assert measure(tmp_path, "--calls", 1, "--warmup-calls", 1, pipeline=pipeline).returncode == 0
    assert [row["status"] for row in rows_of(tmp_path)] == ["ok"]
