"""A against A, for real: the baseline under another name is seldom called faster or slower."""

import numpy as np
import pytest
from scipy import stats

from conftest import QUICK, Project
from diffbench.data.measurements import read_measurements
from diffbench.statistics.intervals import rate_interval, verdicts
from diffbench.statistics.summary import read_summary

ROUNDS = 10
REPETITIONS = 4000
# Twice the 5%: of 20 values drawn from one distribution, simulated, 1% to 10% are misjudged. Of two pairs, up to 20% where the
# values are in two heaps, as those of a busy machine may be: two that happen to agree say nothing of the other heap.
LIMITS = {2: 0.20, 3: 0.10, 5: 0.10}


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

    assert summary.loc["again", "compared_by"] == "paired"

    measured = read_measurements([folder / "measurements.csv"]).sort_values("round", kind="stable")
    named = measured.pivot(index="round", columns="variant", values="iterations_per_second")
    assert len(named) == ROUNDS
    started = measured.sort_values("started_at")
    assert list(started["round"]) == sorted(measured["round"]), "the two run one right after the other"
    logs = np.log(named.to_numpy())
    assert stats.ttest_rel(*logs.T).pvalue > 0.001, "one of the two names is faster"

    generator = np.random.default_rng(1)
    for rounds, limit in LIMITS.items():
        # any of the 20 could bear either name, in any pair
        drawn = np.array([generator.permutation(logs.ravel())[: 2 * rounds] for _ in range(REPETITIONS)])
        ratios = drawn[:, :rounds] - drawn[:, rounds:]
        low, high = rate_interval(ratios.mean(axis=1), ratios.std(axis=1, ddof=1), rounds)
        wrong = np.mean(np.isin(verdicts(low, high), ["faster", "slower"]))
        assert wrong < limit, f"{rounds} rounds: {wrong:.1%}"
