"""Rounds and intervals in a table's cells and in the line below it."""

import re

import pytest

from diffbench.tables.extended import print_rate
from diffbench.tables.table_options import TableOptions
from diffbench.tables.tables import render_tables
from diffbench.vocabulary.units import UNITS
from printed_tables import LABELS, tables_of
from summaries import summary_of


@pytest.mark.parametrize(
    ("rates", "printed"),
    [((20, 22), r"1\.05x \(too few rounds\), unclear"), ((80, 90), r"4\.\d\dx \(2\.\d\d to 8\.\d\d\), faster")],
)
def test_a_speedup_with_a_wide_interval_prints_it_only_with_a_verdict(make_row, rates, printed):
    """Rates of 20 and 21 would give 0.75 to 1.40, within a factor of 2; these intervals are wider."""
    rows = [
        make_row(variant=variant, round=number, iterations_per_second=rate)
        for variant, values in (("eager", (20, 20)), ("compile", rates))
        for number, rate in enumerate(values, start=1)
    ]
    text = render_tables(summary_of(rows), LABELS, TableOptions(speedups=True))["A100", 1]
    assert re.search(printed, text), text


def rounds_at(make_row, *rates, **keys):
    return [make_row(round=number, iterations_per_second=rate, **keys) for number, rate in enumerate(rates, start=1)]


def intervals_in(rows):
    return re.search(
        r"Iterations per second, median of ([^;]*?rounds?)( \(.*?\))?\. Device", tables_of(rows)["A100", 1]
    )[2]


def test_rounds_are_counted_of_cells_with_a_number(make_row):
    failed = make_row(variant="compile", status="oom", phase="warmup")
    assert "median of 2 rounds" in tables_of([*rounds_at(make_row, 20, 20.1), failed])["A100", 1]
    assert "median of no round" in tables_of([failed])["A100", 1]
    unequal = [*rounds_at(make_row, 20, 20.1), *rounds_at(make_row, 20, 20.1, 20.2, variant="compile")]
    assert "median of 2 to 3 rounds" in tables_of(unequal)["A100", 1]


def test_intervals_that_say_nothing_are_not_printed_as_percentages(make_row):
    narrow = rounds_at(make_row, 20, 20.1)
    assert re.fullmatch(r" \(95% intervals: ±3\.2%\)", intervals_in(narrow))
    wide = rounds_at(make_row, 10, 16, variant="compile")
    assert intervals_in(wide) == " (two rounds are too few for an interval)"
    both = r" \(95% intervals: ±3\.2%; two rounds are too few for an interval in 1 of 2 cells and stages\)"
    assert re.fullmatch(both, intervals_in(narrow + wide))
    wide += [make_row(variant="compile", round=3, iterations_per_second=30)]
    assert intervals_in(wide) == " (three rounds are too few for an interval)"
    assert intervals_in([make_row()]) is None


@pytest.mark.parametrize("unit", UNITS)
def test_an_interval_has_its_smaller_end_first_in_every_unit(make_row, unit):
    row = summary_of(rounds_at(make_row, 20, 20.4)).to_dict("records")[0]
    text = print_rate(row, TableOptions(unit=unit, decimals=5))
    numbers = [float(number) for number in re.findall(r"[0-9.]+", text)]
    low, high = row["iterations_per_second_low"], row["iterations_per_second_high"]
    expected = {
        "it/s": [20.2, low, high],
        "s/it": [1 / 20.2, 1 / high, 1 / low],
        "images/s": [0.404],
        "s/image": [1 / 0.404],
    }
    assert numbers == pytest.approx(expected[unit], abs=1e-5)
    assert len(numbers) == 1 or numbers[1] < numbers[0] < numbers[2]


def test_what_has_one_round_beside_others_is_named(make_row):
    later = {"started_at": "2026-12-01T10:00:00Z"}
    rows = [*rounds_at(make_row, 20, 20.1), *rounds_at(make_row, 21, pipeline="if", variant="compile", **later)]
    assert "One round, so no interval: IF (measured 2026-12-01)." in tables_of(rows)["A100", 1]
    part = [*rows, *rounds_at(make_row, 20, 20.1, pipeline="if")]
    assert "One round, so no interval: IF, torch 2.0 compile (" in tables_of(part)["A100", 1]
    assert "One round" not in tables_of(rounds_at(make_row, 20))["A100", 1], "the line below says so of all"
