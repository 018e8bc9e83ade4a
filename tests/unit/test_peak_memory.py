"""The peak memory that is printed is what the process holds on the device, the same in every table, ladder and page."""

import pytest

from diffbench.page.baselines import baselines_of
from diffbench.page.details import read_details
from diffbench.page.page_data import cells_of
from diffbench.statistics.peak_memory import Peak, kinds_in, name_peaks, peak_of, print_peak
from diffbench.tables.ladder import render_ladders
from diffbench.vocabulary.columns import START_PEAKS
from drawn_figures import LABELS
from extended_tables import columns_of, extended
from ladders import table_of
from summaries import summary_of

BASELINE = {"variant": "eager"}
GPU = {  # IF's second stage on an H200, compiled: the pools of CUDA graphs are reserved, not allocated
    "start_peak_allocated_mib": 1577,
    "peak_allocated_mib": 1070,
    "start_peak_reserved_mib": 2318,
    "peak_reserved_mib": 2288,
    "start_peak_process_mib": 3790,
    "peak_process_mib": 3690,
    "start_peak_rss_mib": 4000,
    "peak_rss_mib": 3900,
}
UNKNOWN = {"start_peak_process_mib": "", "peak_process_mib": ""}
CPU = {name: "" for name in GPU if "rss" not in name}
CASES = [  # what is known, header, starting / warm
    ({}, "peak memory on the device", "3790 / 3690"),
    (UNKNOWN, "peak memory on the device, reserved by torch", "2318 / 2288"),
    (CPU, "peak memory of the process", "4000 / 3900"),
]


def page_of(summary):
    baselines, _ = baselines_of(summary, LABELS, BASELINE)
    return cells_of(summary, LABELS, baselines, read_details(None, None, {}, {}))[0]


@pytest.mark.parametrize(("changed", "header", "text"), CASES)
def test_tables_ladder_and_page_print_the_same_peak(make_row, changed, header, text):
    summary = summary_of([make_row(**{**GPU, **changed}), make_row(variant="compile", **{**GPU, **changed})])
    assert columns_of(extended(summary))[f"{header} starting / warm (MiB)"] == [text, text]
    step = table_of(render_ladders(summary, LABELS, BASELINE))["compile"]
    start, warm = text.split(" / ")
    assert step[f"**{header} (MiB)**"] == warm
    assert page_of(summary)[1]["memory"][:2] == [float(start), float(warm)]


def test_several_kinds_in_one_column_are_marked(make_row):
    summary = summary_of([make_row(**GPU), make_row(variant="compile", **{**GPU, **UNKNOWN})])
    texts = ["3790 / 3690 (on the device)", "2318 / 2288 (reserved by torch)"]
    assert columns_of(extended(summary))["peak memory starting / warm (MiB)"] == texts
    table = table_of(render_ladders(summary, LABELS, BASELINE))
    assert [step["**peak memory (MiB)**"] for step in table.values()] == [
        "3690 (on the device)",
        "2288 (reserved by torch)",
    ]
    assert [cell["memory"][2] for cell in page_of(summary)] == ["on the device", "reserved by torch"]


def test_the_memory_of_a_gpus_host_is_never_printed_as_the_devices(make_row):
    gpu = {**GPU, **UNKNOWN, "peak_reserved_mib": "", "start_peak_reserved_mib": ""}
    summary = summary_of([make_row(**gpu)])
    assert not [header for header in columns_of(extended(summary)) if "memory" in header]
    assert "memory" not in page_of(summary)[0]


def test_all_three_figures_stay_in_the_summary_and_the_page(make_row):
    summary = summary_of(
        [make_row(round=number, **{**GPU, "peak_process_mib": mib}) for number, mib in ((1, 10), (2, 30))]
    )
    row, (cell,) = summary.iloc[0], page_of(summary)
    assert (row["peak_process_mib"], row["peak_reserved_mib"], row["peak_rss_mib"]) == (20, 2288, 3900)
    for name, start in START_PEAKS.items():
        assert (cell[name], cell[start]) == (row[name], row[start])


NAN = float("nan")
NONE = dict.fromkeys(GPU, NAN)


def test_a_start_that_is_unknown_leaves_the_warm_peak():
    row = {**NONE, "peak_allocated_mib": 1.0, "peak_process_mib": 3690.4}
    assert peak_of(row) == Peak(None, 3690.4, "peak_process_mib")
    assert print_peak(row, mixed=False, start=True) == "3690"
    row["start_peak_process_mib"] = 3555.6
    assert print_peak(row, mixed=False, start=True) == "3556 / 3690"
    assert print_peak(row, mixed=True) == "3690 (on the device)"
    assert print_peak(NONE, mixed=True) == "-"


def test_kinds_stand_in_one_order_and_a_column_of_one_kind_has_its_name():
    process, device = {**NONE, "peak_rss_mib": 1.0}, {**NONE, "peak_process_mib": 2.0}
    assert kinds_in([process, NONE, device, process]) == ["peak_process_mib", "peak_rss_mib"]
    assert name_peaks([process, device]) == "peak memory"
    assert name_peaks([process, NONE]) == "peak memory of the process"
