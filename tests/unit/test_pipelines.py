"""Every pipeline of the catalogue runs end to end, in miniature, with two images or videos."""

import math

import numpy as np
import pytest

from diffbench.catalogue.definition import catalogue
from stages import run_stages

pytestmark = pytest.mark.slow

MINIATURES = [
    name
    for name, pipeline in catalogue("pipelines").items()
    if all("architecture" in stage for stage in pipeline["stages"])
]


@pytest.mark.parametrize(("pipeline", "batch_size"), [*((name, 2) for name in MINIATURES), ("if", 1)])
def test_a_miniature_runs_end_to_end(pipeline, batch_size, tmp_path):
    for number, outcome in enumerate(run_stages(tmp_path, pipeline, batch_size=batch_size), start=1):
        assert outcome.status == "ok", outcome.detail
        assert outcome.columns["denoiser_calls"] >= outcome.columns["iterations"] >= 1
        assert math.isfinite(outcome.columns["latency_s"])
        latents = np.load(tmp_path / f"stage-{number}.npy", allow_pickle=False)
        assert np.isfinite(latents).all() and latents.std() > 0


def test_a_batch_is_as_many_images_and_twice_the_work(tmp_path):
    (single,), (double,) = (run_stages(tmp_path, batch_size=size) for size in (1, 2))
    if "step_gflop" in single.columns:
        assert double.columns["step_gflop"] == pytest.approx(2 * single.columns["step_gflop"], rel=1e-3)
