"""Flags at their limits: what is just within one has none, what is just beyond has one, with its numbers."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from diffbench.data.measurements import to_frame
from diffbench.statistics.call_flags import RUN
from diffbench.statistics.flag_kinds import REMEDIES, kinds_of
from diffbench.statistics.flags import flag_cells
from diffbench.statistics.round_flags import flag_baselines
from diffbench.statistics.run_flags import flag_rows
from diffbench.vocabulary.columns import KEY
from flagged_runs import flags_of_run


@pytest.fixture
def flags_of(make_row):
    """The flags of a row that has these numbers and texts, and knows nothing else."""
    row = to_frame([make_row()])
    return lambda columns: flag_rows(row.assign(**columns))[0]


LIMITS = [  # kind, a row at its limit, a row just beyond it, the detail there
    ("warm-up", {"warmup_spread_percent": 2}, {"warmup_spread_percent": 2.01}, "last calls differ by 2%"),
    ("warm-up", {"warmup_calls": 3}, {"warmup_calls": 2}, "too short to show a steady state: 2 call(s)"),
    ("target", {"stopped_by": "target", "calls": 6}, {"stopped_by": "max-calls", "calls": 6}, "known at max-calls"),
    ("target", {"stopped_by": "max-seconds", "calls": 5}, {"stopped_by": "max-seconds", "calls": 6}, "at max-seconds"),
    ("throttled", {"low_clock_percent": 5}, {"low_clock_percent": 5.01}, "under 75% of its maximum in 5% of the"),
    ("clock", {"clock_limits": "power cap"}, {"clock_limits": "a, power cap, b"}, "limited by a, b"),
    ("hot", {"temperature_c": 84.9}, {"temperature_c": 85}, "85 °C"),
    ("shared device", {"device_processes": 0}, {"device_processes": 1}, "1 other process(es) on it"),
    ("shared CPU", {"other_cpu_percent": 10}, {"other_cpu_percent": 10.01}, "other processes used 10% of it"),
    (
        "CPU clock",
        {"cpu_clock_mhz": 4000, "cpu_clock_lowest_mhz": 3000},
        {"cpu_clock_mhz": 4000, "cpu_clock_lowest_mhz": 2999},
        "fell to 75% of its median",
    ),
]


@pytest.mark.parametrize(("kind", "within", "beyond", "detail"), LIMITS)
def test_a_row_is_flagged_beyond_the_limit_and_not_at_it(flags_of, kind, within, beyond, detail):
    assert flags_of(within) == []
    ((found, text),) = flags_of(beyond)
    assert found == kind and detail in text


@pytest.mark.parametrize(("percent", "text"), [(99.4, "99%"), (100, "100% or more"), (250, "100% or more")])
def test_a_spread_of_the_warm_up_is_capped(flags_of, percent, text):
    assert flags_of({"warmup_spread_percent": percent}) == [
        ("warm-up", f"ended unsteady, its last calls differ by {text}")
    ]


def test_a_target_that_was_missed_by_an_unknown_number_of_calls_is_flagged(flags_of):
    row = {"stopped_by": "max-seconds", "calls": np.nan, "half_width_percent": 0.66}
    assert flags_of(row) == [("target", "median known to ±0.66% at max-seconds")]


@pytest.mark.parametrize(
    ("half_width", "text"),
    [(2.049, "2.05"), (2.00001, "2.01"), (0.504, "0.51"), (2.01, "2.01"), (1.1, "1.10"), (12, "12.00")],
)
def test_a_missed_target_prints_as_more_than_the_target(flags_of, half_width, text):
    row = {"stopped_by": "max-calls", "calls": 9, "half_width_percent": half_width}
    assert flags_of(row) == [("target", f"median known to ±{text}% at max-calls")]


def test_all_that_is_wrong_with_a_row_is_said_in_one_order(flags_of):
    every = {}
    for _, _, beyond, _ in LIMITS:
        every.update(beyond)
    kinds = [kind for kind, _ in flags_of(every)]
    assert kinds == [kind for kind, _, beyond, _ in LIMITS if beyond.get("stopped_by") != "max-calls"]


def calls_with(**places):
    """Nine calls with quartiles of 8 and 10 and a median of 9 seconds, the named ones (`last=13.0`) replaced; unordered."""
    ordered = [7.0, 7.5, 8.0, 8.5, 9.0, 9.5, 10.0, 10.5, 11.0]
    ordered[0], ordered[8] = places.get("first", ordered[0]), places.get("last", ordered[8])
    return [ordered[place] for place in (4, 0, 8, 2, 6, 1, 7, 3, 5)]


@pytest.mark.parametrize(
    ("places", "found"),
    [
        ({"last": 13.0, "first": 5.0}, None),
        ({"last": 13.01}, "1 mild and 0 severe of 9 calls"),
        ({"first": 4.99}, "1 mild and 0 severe of 9 calls"),
        ({"first": 4.9, "last": 16.0}, "2 mild and 0 severe of 9 calls"),
        ({"first": 2.0, "last": 16.1}, "1 mild and 1 severe of 9 calls"),
        ({"first": 1.9, "last": 16.1}, "0 mild and 2 severe of 9 calls"),
    ],
)
def test_outliers_lie_beyond_one_and_a_half_and_three_widths_of_the_quartiles(places, found):
    assert dict(flags_of_run(calls_with(**places))).get("outliers") == found


@pytest.mark.parametrize(("q3", "found"), [(10.5, []), (10.7, [("spread", "IQR 12% of the median")])])
def test_a_spread_beyond_a_tenth_of_the_median_is_flagged(q3, found):
    assert flags_of_run([10.0, 9.5, q3, 9.5, q3]) == found


def test_three_calls_say_nothing_and_four_do():
    assert flags_of_run([1.0, 2.0, 1.0]) == []
    assert [kind for kind, _ in flags_of_run([1.0, 2.0, 2.0, 1.0])] == ["spread"]


@pytest.mark.parametrize(("turned", "detail"), [(11, None), (10, "Spearman +0.75")])
def test_a_drift_is_strong_and_not_only_significant(turned, detail):
    """Of 20 calls that get slower the first ones in turned order: with 11 of them the rank correlation is 0.67, p 0.01."""
    order = np.concatenate([np.arange(turned)[::-1], np.arange(turned, 20)])
    assert stats.kendalltau(order, np.arange(20)).pvalue < 0.05
    assert dict(flags_of_run(100 + order / 1e3)).get("drift") == (detail and f"calls get slower, {detail}")


def test_five_calls_are_enough_for_a_drift_and_equal_ones_have_none():
    assert flags_of_run([1.0, 1.001, 1.002, 1.003, 1.004]) == [("drift", "calls get slower, Spearman +1.00")]
    assert flags_of_run([1.004, 1.003, 1.002, 1.001, 1.0]) == [("drift", "calls get faster, Spearman -1.00")]


def calls_of(row, latencies_s, kind="call"):
    return [{**{key: row[key] for key in RUN}, "kind": kind, "latency_s": each} for each in latencies_s]


def test_calls_are_those_of_their_own_run_and_stage(make_row):
    rows = to_frame([make_row(stage=stage, round=number) for stage in (1, 2) for number in (1, 2)])
    calls = [call for row in rows.to_dict("records") for call in calls_of(row, [1.0] * 4)]
    calls += calls_of(rows.iloc[2], [60.0, 60.0], kind="warmup")
    calls += calls_of(rows.iloc[3], [2.0] * 4)
    found = flag_cells(rows, pd.DataFrame(calls))
    assert found.index.get_level_values("stage").tolist() == [2]
    assert found.iloc[0].startswith("spread (round 2): IQR 67% of the median. ")


def test_a_remedy_stands_behind_the_last_of_its_kind(make_row):
    rows = [make_row(round=number, temperature_c=celsius) for number, celsius in enumerate((90, 91, 90), start=1)]
    rows.append(make_row(round=4, temperature_c=99, status="crashed"))
    (text,) = flag_cells(to_frame(rows), None)
    assert text == f"hot (round 1, 3): 90 °C; hot (round 2): 91 °C. {REMEDIES['hot']}"


def test_each_stage_has_its_remedy(make_row):
    rows = [make_row(stage=stage, temperature_c=90) for stage in (1, 2)]
    texts = flag_cells(to_frame(rows), None)
    assert list(texts) == [f"hot (round 1): 90 °C. {REMEDIES['hot']}"] * 2


def test_what_has_no_flag_is_not_there(make_row):
    assert flag_cells(to_frame([make_row()]), None).empty


def test_rounds_of_a_stage_on_two_devices_are_flagged(make_row):
    rows = [make_row(pipeline="if", stage=stage, round=n, device_id=str(n)) for stage in (1, 2) for n in (1, 2)]
    rows[3]["device_id"] = "1"
    (text,) = flag_cells(to_frame(rows), None)
    assert text == f"devices (round 1, 2): measured on 2 different devices. {REMEDIES['devices']}"


def test_rounds_of_another_cell_on_another_device_are_no_flag(make_row):
    rows = [make_row(variant=name, device_id=name[0] * 8) for name in ("eager", "compile")]
    rows += [make_row(variant="eager", device_id="11111111", status="crashed", round=2)]
    assert flag_cells(to_frame(rows), None).empty


@pytest.mark.parametrize(
    ("own", "base", "flagged"),
    [("a", "b", True), ("a", "a", False), ("", "b", False), ("a", None, False), (None, "b", False)],
)
def test_a_baseline_on_another_device_is_flagged_where_both_are_known(make_row, own, base, flagged):
    summary = to_frame([make_row(), make_row(variant="compile")])[KEY].assign(device_ids=[base, own])
    found = flag_baselines(summary, {"variant": "eager"})
    assert [bool(text) for text in found] == [False, flagged]


def test_slow_rounds_are_flagged_by_their_numbers_whatever_failed_before_them(make_row):
    rates = [20, 18, 20.05, 19.95, 18.03, 20.02]
    rows = [make_row(round=1, status="crashed"), make_row(variant="compile")]
    rows += [make_row(round=number, iterations_per_second=rate) for number, rate in enumerate(rates, start=2)]
    (text,) = flag_cells(to_frame(rows), None)
    assert text == f"two speeds (round 3, 6): 10% slower than the other rounds. {REMEDIES['two speeds']}"


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("", []),
        ("hot (round 1): 90 °C. Cool it", ["hot"]),
        ("two speeds (round 2): a; hot (round 1): b; hot (round 2): c. Cool it", ["two speeds", "hot"]),
    ],
)
def test_the_kinds_in_a_text(text, kinds):
    assert kinds_of(text) == kinds
