"""The table that fills while runs are measured: its rows, and how long the rest will take."""

import pytest

from diffbench.terminal.estimate import Estimate
from diffbench.terminal.progress import clock
from filling import run_of


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0:00"), (7.4, "0:07"), (59.6, "1:00"), (750, "12:30"), (3599.6, "1:00:00"), (86400, "24:00:00")],
)
def test_a_time_is_read_at_a_glance(seconds, text):
    assert clock(seconds) == text


def estimate_of(*kinds):
    return Estimate(dict(enumerate(kinds)))


def test_the_time_left_is_of_finished_runs_of_the_same_kind():
    estimate = estimate_of("eager", "cold", "eager", "cold", "warm", "warm")
    assert estimate.left(0) is None, "nothing is known yet"
    for key, start, end in ((0, 0, 10), (1, 10, 60)):
        estimate.start(key, start)
        estimate.finish(key, end)
    assert estimate.left(60) == pytest.approx(10 + 50 + 2 * 10), "a warm run takes about as long as an eager one"
    estimate.start(4, 60)
    estimate.finish(4, 80)
    assert estimate.left(80) == pytest.approx(10 + 50 + 20)


def test_a_run_that_compiled_does_not_tell_how_long_others_take():
    for kinds, lefts in (
        (("cold", "eager", "cold"), (None, 50, 0)),
        (("eager", "cold", "warm"), (None, 5, 0)),
        (("cold", "warm", "warm"), (100, 50, 0)),
    ):
        estimate, end = estimate_of(*kinds), 0
        for key, left in enumerate(lefts):
            estimate.start(key, end)
            end += 50 if kinds[key] == "cold" or "eager" not in kinds else 5
            estimate.finish(key, end)
            assert estimate.left(end) == pytest.approx(left) if left is not None else estimate.left(end) is None, kinds


def test_time_passes_while_a_run_is_measured():
    estimate = estimate_of("eager", "eager")
    estimate.start(0, 0)
    estimate.finish(0, 10)
    estimate.start(1, 10)
    assert [estimate.left(now) for now in (10, 14, 20, 25)] == pytest.approx([10, 6, 0, 0])


def test_as_many_runs_are_measured_at_a_time_as_before():
    """Four jobs of a cluster at a time, ten seconds each."""
    estimate = estimate_of(*["eager"] * 8)
    for key in range(4):
        estimate.start(key, 0)
    estimate.finish(0, 10)
    assert estimate.left(10) == pytest.approx(4 * 10 / 4)


def test_gaps_between_runs_count():
    """Ten seconds each, five between them."""
    estimate = estimate_of(*["eager"] * 4)
    for key in range(2):
        estimate.start(key, 15 * key)
        estimate.finish(key, 15 * key + 10)
    assert estimate.left(30) == pytest.approx(30)


def test_a_run_that_fails_is_still_to_be_measured():
    estimate = estimate_of("eager", "eager")
    estimate.start(0, 0)
    estimate.finish(0, 10)
    estimate.start(1, 10)
    estimate.fail(1)
    assert estimate.left(10) == pytest.approx(10)
    estimate.start(1, 20)
    estimate.finish(1, 30)
    assert estimate.left(30) == 0


def test_a_compiled_run_is_cold_in_round_1_and_where_no_cache_is_kept(filling):
    runs = [run_of("eager", 2), run_of("compile", 1), run_of("compile", 2)]
    kinds = [filling(runs, cache=cache).progress.estimate.kinds.values() for cache in ("shared", "fresh")]
    assert [list(found) for found in kinds] == [["eager", "cold", "warm"], ["eager", "cold", "cold"]]


def test_a_row_says_how_far_the_benchmark_is_and_what_was_measured(filling):
    found = filling([run_of(), run_of("compile", 2)], measured=10)
    header, (row,) = found.progress.header(), found.measure(run_of(), 105, 112)
    assert header.split() == ["run", "time", "left", "pipeline", "batch", "variant", "round", "it/s", "speed-up"]
    assert row.split() == ["11/12", "0:12", "0:07", "sd-txt2img", "1", "eager", "1", "20.00"]
    for word, value in (("pipeline", "sd-txt2img"), ("variant", "eager")):
        assert header.index(word) == row.index(value)
    assert header.index("it/s") + 4 == row.index("20.00") + 5


def test_gpu_and_torch_have_a_column_where_they_differ(filling):
    found = filling([run_of(gpu="A100", torch="2.8"), run_of(gpu="T4", torch="nightly")])
    assert found.progress.header().split()[3:6] == ["GPU", "torch", "pipeline"]
    assert found.measure(run_of(gpu="T4", torch="nightly"), 100, 110)[0].split()[3:6] == ["T4", "nightly", "sd-txt2img"]


def test_the_speedup_is_over_the_baseline_of_the_same_round(filling):
    runs = [run_of(variant, round_number) for round_number in (1, 2) for variant in ("eager", "compile")]
    found = filling(runs)
    found.measure(runs[0], 100, 110, {"iterations_per_second": 10})
    assert found.measure(runs[1], 110, 120, {"iterations_per_second": 25})[0].endswith("25.00  2.50x")
    found.measure(runs[2], 120, 130, {"iterations_per_second": 20})
    assert found.measure(runs[3], 130, 140, {"iterations_per_second": 25})[0].endswith("25.00  1.25x")


def test_the_speedup_follows_when_the_baseline_is_measured_later(filling):
    found = filling([run_of(), run_of("compile"), run_of("regional")])
    (first,) = found.measure(run_of("compile"), 100, 110, {"iterations_per_second": 25})
    assert first.endswith("25.00"), "no speed-up yet"
    row, late = found.measure(run_of(), 110, 120, {"iterations_per_second": 10})
    assert row.endswith("10.00")
    assert late.split() == ["sd-txt2img", "1", "compile", "1", "25.00", "2.50x"]
    assert len(found.measure(run_of("regional"), 120, 130)) == 1


def test_a_baseline_of_an_earlier_start_counts_unless_it_is_measured_again(filling):
    found = filling([run_of("compile")], measured=1)
    found.write(run_of(), {"iterations_per_second": 10})
    assert found.measure(run_of("compile"), 100, 110)[0].endswith("2.00x")
    found = filling([run_of("compile"), run_of()])
    assert found.measure(run_of("compile"), 100, 110)[0].endswith("20.00")


def test_the_baseline_may_be_another_release_or_size(filling):
    runs = [run_of(torch="2.0"), run_of(torch="2.8")]
    found = filling(runs, baseline={"torch": "2.0"})
    found.measure(runs[0], 100, 110, {"iterations_per_second": 10})
    assert found.measure(runs[1], 110, 120)[0].endswith("2.00x")
    runs = [run_of(), run_of(pipeline="sd-txt2img@768x1360")]
    found = filling(runs, baseline={"size": "native"})
    found.measure(runs[0], 100, 110, {"iterations_per_second": 80})
    (row,) = found.measure(runs[1], 110, 120)
    assert "sd-txt2img@768x1360" in row and row.endswith("0.25x")


def test_where_step_counts_differ_the_speedup_is_per_image(filling):
    found = filling([run_of(), run_of("lcm-4")])
    found.measure(run_of(), 100, 110, {"iterations": 50, "images_per_second": 0.4})
    (row,) = found.measure(run_of("lcm-4"), 110, 120, {"iterations": 4, "images_per_second": 4})
    assert row.endswith("20.00  10.00x per image")


def test_each_stage_has_a_line_and_a_failure_says_why(filling):
    runs = [run_of(pipeline="if"), run_of("compile", pipeline="if")]
    found = filling(runs)
    found.measure(runs[0], 100, 110, {"iterations_per_second": 10}, {}, {})
    failed = {"status": "oom", "phase": "warmup", "detail": "out of memory: 16 GiB asked for"}
    first, second, third = found.measure(runs[1], 110, 120, {}, failed, {})
    assert first.split()[:1] + first.split()[3:] == ["2/2", "if,", "stage", "1", "1", "compile", "1", "20.00", "2.00x"]
    assert second.split(None, 6)[:3] == ["if,", "stage", "2"]
    assert second.endswith("oom during warmup: out of memory: 16 GiB asked for")
    assert third.endswith("20.00  1.00x")
    assert first.index("if, stage 1") == third.index("if, stage 3") == found.progress.header().index("pipeline")


def test_the_live_line_says_what_is_measured(filling):
    found = filling([run_of(), run_of("compile", 2), run_of("compile", 3)])
    assert found.progress.now(100) == ""
    found.measure(run_of(), 100, 110)
    found.progress.start(run_of("compile", 2), 110)
    assert found.progress.now(114) == ("0:04 sd-txt2img, batch size 1, compile, round 2; 1/3, about 0:16 left")
    found.progress.start(run_of("compile", 3), 114)
    assert found.progress.now(115).startswith("0:05 2 runs; 1/3, about ")
