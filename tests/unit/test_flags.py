"""Flags: what looks wrong is said, and nothing is said of what is well."""

import numpy as np
import pandas as pd
import pytest

from diffbench.data.measurements import to_frame
from diffbench.measurement.stopping import half_width
from diffbench.statistics.call_flags import flag_calls
from diffbench.statistics.flag_kinds import REMEDIES, kinds_of
from diffbench.statistics.summary import summarize
from diffbench.statistics.summary_inputs import Evidence
from diffbench.vocabulary.columns import CALL_COLUMNS, CELL
from flagged_runs import flags_of_run
from summaries import summary_of

QUIET = [1.0, 1.004, 0.998, 1.002, 0.996, 1.003, 0.999, 1.001]


def test_quiet_calls_have_no_flag():
    assert flags_of_run(QUIET) == []
    assert flags_of_run([1.0] * 8) == []


def test_spread_drift_and_outliers_are_flagged():
    (spread,) = flags_of_run([1.0, 1.3, 0.9, 1.25, 0.95, 1.2])
    assert spread[0] == "spread"
    assert ("drift", "calls get slower, Spearman +1.00") in flags_of_run(list(np.linspace(1, 1.03, 8)))
    assert ("drift", "calls get faster, Spearman -1.00") in flags_of_run(list(np.linspace(1.03, 1, 8)))
    assert flags_of_run([*QUIET, 2.0]) == [("outliers", "0 mild and 1 severe of 9 calls")]
    assert flags_of_run([*QUIET, 1.0105]) == [("outliers", "1 mild and 0 severe of 9 calls")]


def test_runs_that_are_flagged_together_have_the_flags_that_each_has_alone():
    generator = np.random.default_rng(3)
    runs = np.exp(generator.normal(0, 0.02, (60, 7))) + np.arange(7) * generator.choice([0, 0.02, -0.02], (60, 1))
    runs[::5, 3] = 1.2
    runs[7] = 1.0
    together = flag_calls(runs)
    assert together == [flags_of_run(run) for run in runs]
    assert {kind for flags in together for kind, _ in flags} == {"outliers", "drift"}


def test_a_trend_of_four_calls_is_not_enough():
    assert not any(kind == "drift" for kind, _ in flags_of_run([1.0, 1.001, 1.002, 1.003]))
    assert not any(kind == "drift" for kind, _ in flags_of_run([1.0, 1.001, 1.003, 1.0005, 1.004, 1.002]))


@pytest.mark.parametrize(
    ("columns", "flag"),
    [
        ({"warmup_spread_percent": 2.5}, "warm-up (round 1): ended unsteady"),
        ({"warmup_calls": 2}, "warm-up (round 1): too short to show a steady state: 2 call(s)"),
        (
            {"stopped_by": "max-calls", "half_width_percent": 7.25, "calls": 6},
            "target (round 1): median known to ±7.25% at max-calls",
        ),
        ({"low_clock_percent": 30}, "throttled (round 1): SM clock under 75% of its maximum in 30% of the samples"),
        ({"clock_limits": "hardware slowdown"}, "clock (round 1): limited by hardware slowdown"),
        (
            {"clock_limits": "power cap, software thermal slowdown"},
            "clock (round 1): limited by software thermal slowdown",
        ),
        ({"temperature_c": 88}, "hot (round 1): 88 °C"),
        ({"device_processes": 2}, "shared device (round 1): 2 other process(es) on it"),
        ({"other_cpu_percent": 50}, "shared CPU (round 1): other processes used 50% of it"),
        ({"cpu_clock_mhz": 3000, "cpu_clock_lowest_mhz": 1500}, "CPU clock (round 1): fell to 50% of its median"),
    ],
)
def test_what_the_machine_did_is_flagged(make_row, columns, flag):
    (text,) = summary_of([make_row(**columns)])["flags"]
    assert text.startswith(flag)
    assert text.endswith(f". {REMEDIES[kinds_of(text)[0]]}"), "what the user can do"


def test_rounds_with_different_environment_variables_are_flagged(make_row):
    same = "MALLOC_ARENA_MAX=4; OMP_NUM_THREADS=2"
    others = ["LD_PRELOAD=libjemalloc.so; OMP_NUM_THREADS=2", "OMP_NUM_THREADS=2", same]
    rows = [make_row(round=number, environment_variables=text) for number, text in enumerate([same, *others], start=1)]
    (text,) = summary_of(rows)["flags"]
    assert text == (
        "variables (round 1, 2, 3, 4): rounds differ in LD_PRELOAD, MALLOC_ARENA_MAX. "
        "Measure all rounds again, with the same environment variables"
    )
    (text,) = summary_of([make_row(round=1, environment_variables=same), make_row(round=2, environment_variables="")])[
        "flags"
    ]
    assert text == "", "those of the second are unknown"
    apart = [
        make_row(environment_variables=text, variant=variant)
        for text, variant in ((same, "eager"), (others[0], "compile"))
    ]
    assert list(summary_of(apart)["flags"]) == ["", ""]


def test_a_quiet_machine_has_no_flag(make_row):
    quiet = {
        "warmup_spread_percent": 1.5,
        "warmup_calls": 3,
        "stopped_by": "target",
        "low_clock_percent": 0,
        "temperature_c": 60,
        "device_processes": 0,
    }
    assert summary_of([make_row(**quiet, other_cpu_percent=3)])["flags"].iloc[0] == ""


@pytest.mark.parametrize("calls", [4, 5])
@pytest.mark.parametrize("limit", ["max-calls", "max-seconds"])
def test_a_target_that_so_few_calls_cannot_reach_is_no_flag(make_row, calls, limit):
    assert summary_of([make_row(stopped_by=limit, calls=calls)])["flags"].tolist() == [""]
    assert summary_of([make_row(stopped_by=limit, calls=6)])["flags"].iloc[0].startswith("target")
    assert half_width([1.0, 1.1, 0.9, 1.05, 0.95]) == np.inf, "five calls have no interval"
    assert half_width([1.0, 1.1, 0.9, 1.05, 0.95, 1.02]) < np.inf


def test_a_power_cap_alone_is_the_normal_state_of_a_gpu_at_full_load(make_row):
    assert summary_of([make_row(clock_limits="power cap")])["flags"].tolist() == [""]


def test_a_remedy_stands_once_for_each_kind_and_breaks_no_kind(make_row):
    assert not [text for text in REMEDIES.values() if "; " in text or text.endswith(".")]
    rows = [
        make_row(round=number, calls=9, stopped_by="max-calls", half_width_percent=number, temperature_c=90)
        for number in (1, 2)
    ]
    (text,) = summary_of(rows)["flags"]
    assert kinds_of(text) == ["target", "hot"]
    assert [text.count(REMEDIES[kind]) for kind in ("target", "hot")] == [1, 1]


def test_flags_name_their_rounds_and_drop_nothing(make_row):
    rows = [make_row(round=number, other_cpu_percent=50 if number > 1 else 0) for number in (1, 2, 3)]
    row = summary_of(rows).iloc[0]
    assert row["flags"] == f"shared CPU (round 2, 3): other processes used 50% of it. {REMEDIES['shared CPU']}"
    assert row["rounds"] == 3


def test_flags_of_calls_come_from_the_raw_calls(make_row):
    row = make_row()
    calls = pd.DataFrame(
        [
            {**{name: row[name] for name in CALL_COLUMNS if name in row}, "kind": kind, "call": 1, "latency_s": latency}
            for kind, latency in [("first", 60.0), *(("call", latency) for latency in [*QUIET, 2.0])]
        ],
        columns=CALL_COLUMNS,
    ).astype({"batch_size": int, "stage": int, "round": int})
    cells = pd.DataFrame([["A100", "2.0", "sd-txt2img", 1, "native", "eager"]], columns=CELL)
    summary = summarize(to_frame([row]), cells, {"variant": "eager"}, Evidence(calls=calls))
    assert summary["flags"].iloc[0].startswith("outliers (round 1): 0 mild and 1 severe of 9 calls. ")


def test_rounds_on_different_devices_are_flagged(make_row):
    ids = ("00000000", "11111111", "00000000")
    rows = [make_row(round=number, device_id=id) for number, id in enumerate(ids, start=1)]
    assert summary_of(rows)["flags"].tolist() == [
        f"devices (round 1, 2, 3): measured on 2 different devices. {REMEDIES['devices']}"
    ]
    assert summary_of(rows[::2])["flags"].tolist() == [""]
    assert summary_of([rows[0], make_row(round=2)])["flags"].tolist() == [""], "an older row has no device_id"


def test_a_baseline_on_another_device_is_flagged(make_row):
    base = make_row(device_id="00000000")
    other = make_row(variant="compile", device_id="11111111")
    assert summary_of([base, other])["flags"].tolist() == [
        "",
        f"devices (baseline): measured on another device. {REMEDIES['devices']}",
    ]
    assert summary_of([base, make_row(variant="compile", device_id="00000000")])["flags"].tolist() == ["", ""]
    assert summary_of([make_row(), other])["flags"].tolist() == ["", ""], "an older baseline has no device_id"
