"""A against A, for real: the baseline under another name is seldom called faster or slower."""

import numpy as np
import pytest

from conftest import QUICK, Project
from reporting.intervals import speedup_interval, verdicts
from reporting.read import read_measurements
from reporting.summary import read_summary

ROUNDS = 10
REPETITIONS = 4000
LIMIT = 0.065  # 5%, and what ten rounds may deviate by


@pytest.mark.slow
@pytest.mark.alone
def test_the_baseline_under_another_name_is_seldom_called_faster_or_slower(tmp_path):
    project = Project(tmp_path / "project")
    project.edit(
        "config/variants.yaml", lambda variants: variants.update(again={**variants["eager"], "label": "again"})
    )
    project.configure(
        name="same", pipelines=["sd-txt2img"], batch_sizes=[1], rounds=ROUNDS, variants=["eager", "again"],
        measurement={**QUICK, "warmup_calls": 3, "max_warmup_calls": 3, "calls": 6, "max_calls": 6},
    )  # fmt: skip
    project.snakemake()
    folder = project.folder / "results/same"
    summary = read_summary(folder / "summary.csv").set_index("variant")
    assert summary.loc["again", "fidelity"] in ("identical", "equivalent")

    measured = read_measurements([folder / "measurements.csv"]).sort_values("round", kind="stable")
    pairs = np.log(measured["iterations_per_second"].to_numpy()).reshape(ROUNDS, 2)
    generator = np.random.default_rng(1)
    for rounds in (2, 3, 5):
        picked = np.array([generator.permutation(ROUNDS)[:rounds] for _ in range(REPETITIONS)])
        drawn = generator.permuted(pairs[picked], axis=2)  # which of a round's two is called the baseline
        moments = [
            value
            for part in (drawn[:, :, 0], drawn[:, :, 1])
            for value in (part.mean(axis=1), part.std(axis=1, ddof=1), rounds)
        ]
        wrong = np.mean(np.isin(verdicts(*speedup_interval(*moments)), ["faster", "slower"]))
        assert wrong < LIMIT, f"{rounds} rounds: {wrong:.1%}"
