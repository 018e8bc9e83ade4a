"""From the samples of calls to the columns of a row, by hand; test_recomputed.py does it for a real run."""

from types import SimpleNamespace

import pytest

from diffbench.measurement import measure_stage, stage
from diffbench.measurement.call_rates import rate_of, startup_columns, summarize_calls
from diffbench.measurement.measure_stage import measure_calls, warm_up
from diffbench.measurement.stage import check_description, image_size
from diffbench.measurement.stopping import Stopping
from diffbench.measurement.timer import CallSample
from diffbench.vocabulary.errors import Invalid, SetupError
from stages import FEWEST, Report


def sample(latency_s, loop_s, iterations=10, denoiser_calls=20):
    return CallSample(latency_s, loop_s, iterations, denoiser_calls)


LOOPS_S = [2.0, 1.0, 4.0, 2.5, 1.25, 5.0]  # 5, 10, 2.5, 4, 8, 2 it/s
CALLS = [sample(latency_s, loop_s) for latency_s, loop_s in zip([4.0, 3.0, 9.0, 5.0, 3.5, 11.0], LOOPS_S)]


def test_the_columns_are_medians_and_quartiles_of_the_calls():
    assert summarize_calls(CALLS, batch_size=3) == {
        "calls": 6,
        "half_width_percent": pytest.approx(100 * (10 - 2) / 2 / 4.5),
        "iterations": 10,
        "denoiser_calls": 20,
        "iterations_per_second": 4.5,
        "denoiser_calls_per_second": 9.0,
        "images_per_second": 3 / 4.5,
        "latency_s": 4.5,
        "latency_q1_s": 3.625,
        "latency_q3_s": 8.0,
    }


def test_a_median_that_is_not_known_has_no_half_width():
    assert summarize_calls(CALLS[:5], 1)["half_width_percent"] is None


@pytest.mark.parametrize(("iterations", "loop_s"), [(0, 1.0), (10, 0.0), (10, -1.0)])
def test_a_loop_that_did_not_tick_or_took_no_time_has_no_rate(iterations, loop_s):
    with pytest.raises(Invalid, match="the pipeline's progress bar did not tick: no iterations to count"):
        rate_of(sample(1.0, loop_s, iterations))


def test_a_rate_is_iterations_over_the_time_of_the_loop():
    assert rate_of(sample(9.0, 0.5, iterations=1)) == 2.0


def test_the_start_up_is_all_calls_before_and_the_compilation_the_first():
    before = [sample(30.0, 1.0), sample(5.0, 1.0), sample(3.0, 1.0)]
    assert startup_columns(before, 4.0, compiled=True) == {"startup_s": 26.0, "compile_s": 26.0}
    assert startup_columns(before, 2.0, compiled=True) == {"startup_s": 32.0, "compile_s": 28.0}
    assert startup_columns(before, 2.0, compiled=False) == {"startup_s": 32.0, "compile_s": None}


class Reported(Report):
    """Keeps what is reported in order."""

    def __init__(self):
        super().__init__()
        self.order = []

    def phase(self, name):
        self.order.append(name)

    def sample(self, kind, number, sample):
        self.order.append((kind, number, sample.latency_s))


@pytest.mark.parametrize(
    ("latest", "stopped_by"), [({"max_calls": 3}, "max-calls"), ({"max_seconds": 0}, "max-seconds")]
)
def test_each_call_is_a_phase_and_a_sample_until_a_limit_that_the_row_names(latest, stopped_by):
    settings = {**FEWEST, "calls": 3, "max_calls": 9, "max_seconds": 99, **latest}
    made = iter(CALLS)
    report = Reported()
    found = measure_calls(SimpleNamespace(call=lambda: next(made)), Stopping(settings, "cpu"), report)
    assert found == CALLS[:3]
    assert report.columns == {"stopped_by": stopped_by}
    assert report.order == [
        *["call-1", ("call", 1, 4.0), "call-2", ("call", 2, 3.0), "call-3", ("call", 3, 9.0)],
    ]


def warmed_up(monkeypatch, latencies_s, **settings):
    """The Reported of a warm-up whose calls take so long; the output of each call is looked at, the size once."""
    looked, report, made = [], Reported(), (sample(latency_s, 0.5) for latency_s in latencies_s)
    outputs = SimpleNamespace(images=["an image"])
    monkeypatch.setattr(measure_stage, "check_size", lambda images, size: looked.append(("size", images, size)))
    monkeypatch.setattr(measure_stage, "check_output", lambda outputs, batch_size: looked.append((outputs, batch_size)))
    recorded = []
    played = SimpleNamespace(
        variant=SimpleNamespace(recipe={}),
        outputs=outputs,
        size=(64, 32),
        batch_size=2,
        call=lambda record: recorded.append(record) or next(made),
    )
    found = warm_up(played, Stopping({**FEWEST, "target_percent": None, "max_seconds": 99, **settings}, "cpu"), report)
    assert [sample.latency_s for sample in found] == latencies_s
    assert all(recorded), "what a call before the measured ones makes is kept"
    assert looked == [("size", ["an image"], (64, 32))] + [(outputs, 2)] * len(found)
    return report


def test_the_calls_before_the_measured_ones_are_kept_looked_at_and_summed_up(monkeypatch):
    settings = {"warmup_calls": 3, "max_warmup_calls": 9}
    report = warmed_up(monkeypatch, [30.0, 8.0, 8.0, 8.1], **settings)
    assert report.order == [
        *["first-call", ("first", 1, 30.0)],
        *["warmup", ("warmup", 2, 8.0), ("warmup", 3, 8.0), ("warmup", 4, 8.1)],
    ]
    spread = pytest.approx(100 * (8.1 / 8 - 1))
    assert report.columns == {"first_call_s": 30.0, "warmup_calls": 4, "warmup_spread_percent": spread}


def test_too_few_calls_have_no_spread(monkeypatch):
    report = warmed_up(monkeypatch, [30.0, 8.0], warmup_calls=1, max_warmup_calls=2)
    assert report.columns["warmup_spread_percent"] is None


def test_a_first_call_without_iterations_ends_the_run(monkeypatch):
    with pytest.raises(Invalid, match="did not tick"):
        monkeypatch.setattr(measure_stage, "rate_of", lambda sample: rate_of(sample._replace(iterations=0)))
        warmed_up(monkeypatch, [30.0], warmup_calls=1, max_warmup_calls=1)


def test_calls_go_on_until_there_are_enough_or_their_time_is_over():
    def stopped(**settings):
        settings = {**FEWEST, "max_calls": 5, "target_percent": 0, **settings}
        report = Reported()
        calls = measure_calls(SimpleNamespace(call=lambda: sample(1.0, 1.0)), Stopping(settings, "cpu"), report)
        return len(calls), report.columns["stopped_by"]

    assert stopped(max_seconds=60) == (5, "max-calls")
    assert stopped(max_seconds=0) == (1, "max-seconds")


def test_the_target_stops_calls_that_agree():
    settings = {**FEWEST, "calls": 6, "max_calls": 9, "target_percent": 1}
    report = Reported()
    calls = measure_calls(SimpleNamespace(call=lambda: sample(1.0, 1.0)), Stopping(settings, "cpu"), report)
    assert (len(calls), report.columns) == (6, {"stopped_by": "target"})


@pytest.mark.parametrize(
    ("call", "native", "size"),
    [
        ({}, 64, (64, 64)),
        ({"height": 32}, 64, (32, 64)),
        ({"width": 32}, 64, (64, 32)),
        ({"height": 8, "width": 16}, None, (8, 16)),
        ({"height": 8}, None, None),
        ({}, None, None),
    ],
)
def test_an_image_has_the_size_of_the_call_else_the_pipelines_own(monkeypatch, call, native, size):
    monkeypatch.setattr(stage, "native_image_size", lambda pipeline: native)
    assert image_size(None, call) == size


class Pipeline:
    """Takes two arguments and has a denoiser, but no VAE."""

    unet, vae = object(), None

    def __call__(self, prompt, height=None, num_inference_steps=50, num_images_per_prompt=1, generator=None):
        pass


class AnyArguments(Pipeline):
    def __call__(self, prompt, guidance_scale=7.5, num_inference_steps=50, generator=None, **keys):
        pass


def described(modules=("unet",), **call):
    return {"class": "P", "modules": modules, "call": call}


def test_a_module_or_an_argument_that_a_pipeline_lacks_is_a_setup_error():
    check_description(Pipeline(), described(prompt="x", height=8))
    with pytest.raises(SetupError, match="modules: P has no 'vae'"):
        check_description(Pipeline(), described(["unet", "vae"]))
    with pytest.raises(SetupError, match="modules: P has no 'transformer'"):
        check_description(Pipeline(), described(["unet", "transformer"]))
    with pytest.raises(SetupError, match="call: P takes no 'width'"):
        check_description(Pipeline(), described(prompt="x", width=8))


@pytest.mark.parametrize(
    ("call", "batch_argument", "found"),
    [
        ({"guidence_scale": 0.0}, None, "call: P takes no 'guidence_scale'; write 'guidance_scale'"),
        ({"width": 8}, None, "call: P takes no 'width'; correct the name, or remove it"),
        ({"keys": 8}, None, "call: P takes no 'keys'"),
        ({}, "num_images_per_prompt", "batch_argument: P takes no 'num_images_per_prompt'"),
    ],
)
def test_an_argument_that_keyword_arguments_would_swallow_is_refused_with_the_nearest(call, batch_argument, found):
    pipeline = AnyArguments()
    check_description(pipeline, {**described(prompt="x", guidance_scale=0.0), "batch_argument": None})
    with pytest.raises(SetupError, match=found):
        check_description(pipeline, {**described(prompt="x", **call), "batch_argument": batch_argument})
