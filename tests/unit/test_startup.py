"""Start-ups and break-evens of cold and warm rounds, by hand."""

import numpy as np
import pytest

from diffbench.data.measurements import to_frame
from diffbench.statistics.breakeven import breakeven_interval, count_images
from diffbench.statistics.startup import breakeven_columns, start_columns
from diffbench.vocabulary.columns import KEY, STARTS

BASELINE = {"variant": "eager"}


def row_of(make_row, variant, number, cache, startup_s, latency_s, **keys):
    return make_row(
        variant=variant, round=number, cache=cache, startup_s=startup_s, first_call_s=startup_s + 1,
        compile_s=startup_s / 2, latency_s=latency_s, **keys,
    )  # fmt: skip


def breakevens_of(rows):
    """{variant: its break-even columns, without their common name}."""
    measurements = to_frame(rows)
    summary = measurements[KEY].drop_duplicates()
    columns = breakeven_columns(measurements, summary, KEY, BASELINE)
    return {
        variant: {name[len("breakeven_") :]: values[place] for name, values in columns.items()}
        for place, variant in enumerate(summary["variant"])
    }


def test_starts_are_medians_of_the_rounds_that_began_so(make_row):
    rows = [
        row_of(make_row, "compile", number, cache, startup_s, 1.0)
        for number, (cache, startup_s) in enumerate(
            [("cold", 50), ("warm", 9), ("warm", 10), ("warm", 14), ("cold", 52), ("cold", 60)], start=1
        )
    ]
    rows += [row_of(make_row, "eager", number, "", startup_s, 1.0) for number, startup_s in enumerate((1, 2, 6), 1)]
    rows[-1] = {**make_row(round=3, status="crashed"), "startup_s": "9"}
    found = start_columns(to_frame(rows), KEY).droplevel(KEY[:-2]).droplevel("stage")
    names = [STARTS[name][state] for name in ("startup_s", "first_call_s", "compile_s") for state in ("cold", "warm")]
    assert found.loc["compile", names].tolist() == [52, 10, 53, 11, 26, 5]
    assert found.loc["eager", names].tolist() == [1.5, 1.5, 2.5, 2.5, 0.75, 0.75], "it compiles nothing: both states"


def test_a_break_even_is_of_medians_and_of_one_state(make_row):
    """Cold it is 48 s behind, warm 8 s; an image gains 0.5 s."""
    rows = [row_of(make_row, "eager", number, "", 2, 1.5) for number in (1, 2, 3)]
    rows += [
        row_of(make_row, "compile", number, cache, startup_s, latency_s)
        for number, (cache, startup_s, latency_s) in enumerate(
            [("cold", 50, 1.0), ("warm", 10, 1.0), ("warm", 10, 1.3)], start=1
        )
    ]
    found = breakevens_of(rows)
    assert (found["compile"]["cold_images"], found["compile"]["warm_images"]) == (96, 16)
    assert np.isnan(list(found["eager"].values())).all(), "the baseline has none against itself"


def test_a_break_even_counts_images_and_whole_calls(make_row):
    """Calls of 4 images: 48 s behind, 2 s gained a call are 24 calls, and 49 s are 25."""
    for startup_s, images in ((50, 96), (51, 100)):
        rows = [row_of(make_row, "eager", 1, "", 2, 6.0, batch_size=4)]
        rows += [row_of(make_row, "compile", 1, "cold", startup_s, 4.0, batch_size=4)]
        assert breakevens_of(rows)["compile"]["cold_images"] == images


def test_its_interval_is_that_of_the_rounds_latencies_whatever_they_started_with(make_row):
    latencies_s = {"eager": [1.5, 1.53, 1.49], "compile": [1.0, 1.02, 0.99]}
    starts = {"eager": [2.0, 2.1, 2.2], "compile": [50, 10, 11]}
    caches = {"eager": ["", "", ""], "compile": ["cold", "warm", "warm"]}
    rows = [
        row_of(make_row, name, number + 1, caches[name][number], starts[name][number], latencies_s[name][number])
        for name in latencies_s
        for number in range(3)
    ]
    found = breakevens_of(rows)["compile"]
    own, base = (dict(enumerate(latencies_s[name], start=1)) for name in ("compile", "eager"))
    cold = breakeven_interval([50], starts["eager"], own, base, 1)
    warm = breakeven_interval([10, 11], starts["eager"], own, base, 1)
    assert (found["cold_images_low"], found["cold_images_high"]) == cold
    assert (found["warm_images_low"], found["warm_images_high"]) == warm
    assert found["warm_images"] == 17, "(10.5 - 2.1) / (1.5 - 1.0), the medians"


def test_rounds_of_different_devices_are_no_pairs_of_a_break_even(make_row):
    """Both cells drift in common: pairs differ by the same in each round, unpaired rounds do not."""
    own = {1: 1.0, 2: 1.3, 3: 0.8}
    base = {number: 1.5 * latency_s for number, latency_s in own.items()}

    def interval(devices, base_devices):
        rows = [row_of(make_row, "eager", n, "", 9, base[n], device_id=name) for n, name in zip(base, base_devices)]
        rows += [row_of(make_row, "compile", n, "cold", 20, own[n], device_id=name) for n, name in zip(own, devices)]
        found = breakevens_of(rows)["compile"]
        assert found["cold_images"] == 22, "(20 - 9) / (1.5 - 1.0)"
        return found["cold_images_low"], found["cold_images_high"]

    def expected(base, own=own):
        return breakeven_interval([20] * 3, [9] * 3, own, base, 1)

    assert interval("aaa", "aaa") == interval(["a", "", "a"], "aaa") == expected(base), (
        "an unknown one counts as the same"
    )
    assert interval("aaa", "bbb") == expected({-number: latency_s for number, latency_s in base.items()})


def test_a_round_of_another_device_counts_for_nothing_where_others_are_pairs(make_row):
    latencies_s = {1: 1.0, 2: 1.1, 3: 7.0}
    rows = [row_of(make_row, "eager", n, "", 9, 1.5, device_id="a") for n in latencies_s]
    rows += [row_of(make_row, "compile", n, "cold", 20, latencies_s[n], device_id="aab"[n - 1]) for n in latencies_s]
    found = breakevens_of(rows)["compile"]
    assert found["cold_images"] == 25, "(20 - 9) / (1.5 - 1.05): the third round is no pair"


def test_the_interval_contains_the_break_even(make_row):
    """Of medians, where the rounds' means say another: one of five start-ups is an hour, then one of five is a minute less."""
    for odd_s, end in ((3600, "low"), (-3600, "high")):
        rows = [row_of(make_row, "eager", number, "", 2, 1.5 + number / 1e4) for number in range(1, 6)]
        rows += [row_of(make_row, "compile", n, "warm", 50 if n > 1 else 50 + odd_s, 1 + n / 1e4) for n in range(1, 6)]
        found = breakevens_of(rows)["compile"]
        assert found["warm_images_low"] <= found["warm_images"] == 96 <= found["warm_images_high"], end


@pytest.mark.parametrize(
    ("cache", "startup_s"),
    [("", 50), ("cold", ""), ("warm", 50)],
    ids=["compiles nothing", "start-up unknown", "never started cold"],
)
def test_without_a_cold_start_that_is_known_there_is_no_cold_break_even(make_row, cache, startup_s):
    rows = [row_of(make_row, "eager", 1, "", 2, 1.5)]
    rows += [make_row(variant="compile", cache=cache, startup_s=startup_s, latency_s=1.0)]
    found = breakevens_of(rows)["compile"]
    assert np.isnan([found["cold_images"], found["cold_images_low"], found["cold_images_high"]]).all()


@pytest.mark.parametrize(
    ("images", "text"), [(np.inf, "never"), (0.0, "at once"), (1.0, "1"), (124.0, "124"), (2000.0, "2000")]
)
def test_a_break_even_in_words(images, text):
    assert count_images(images) == text
