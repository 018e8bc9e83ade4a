"""The numbers of the reader's page against summary.csv, in every unit and for every kind of speed-up, in a real browser."""

import re

import numpy as np
import pytest

from conftest import ROOT
from diffbench.catalogue.labels import read_labels
from diffbench.data.measurements import to_frame
from diffbench.documents.render import write_summary
from diffbench.page.details import CALL_KINDS, read_details
from diffbench.page.page import build_page
from diffbench.statistics.intervals import rate_interval
from diffbench.statistics.peak_memory import KINDS
from diffbench.statistics.summary import read_summary, summarize
from diffbench.vocabulary.columns import CELL, HEADINGS, INTERVALS, START_PEAKS
from diffbench.vocabulary.units import UNITS
from pages import cells_in, close_cell, facts_of

pytestmark = pytest.mark.slow

RATE = "iterations_per_second"

LABELS = read_labels([ROOT / "config" / f"{kind}.yaml" for kind in ("gpus", "pipelines", "variants")])
BASELINE = {"variant": "eager"}
UNVERIFIED = "vae: OutOfMemoryError: CUDA out of memory"
RATES = {"eager": (20, 20.6), "compile": (44, 45.5), "lcm-4": (19, 19.8)}
STEPS = {"eager": 50, "compile": 50, "lcm-4": 4}
GPU = {"start_peak_process_mib": 3790, "peak_process_mib": 3690, "peak_reserved_mib": 2288, "peak_allocated_mib": 1070}


def rows_of(make_row):
    """Two rounds of three variants at batch sizes 1 and 4; images per second go another way than iterations."""
    return [
        make_row(
            variant=variant,
            batch_size=size,
            round=number,
            iterations=STEPS[variant],
            iterations_per_second=rate / size,
            images_per_second=0.9 * rate / STEPS[variant] * (1 + number / 200),
            threads=2 if variant == "compile" else 4,
            unverified=UNVERIFIED if variant == "compile" else "",
            peak_rss_mib=9000,
            **GPU,
        )
        for variant, rates in RATES.items()
        for size in (1, 4)
        for number, rate in enumerate(rates, start=1)
    ]


@pytest.fixture
def opened(tmp_path, make_row, visit):
    """(the page, its summary.csv by the page's keys, the rows)."""
    rows = rows_of(make_row)
    measurements = to_frame(rows)
    summary = summarize(measurements, measurements[CELL].drop_duplicates(), BASELINE)
    few = summary["variant"] == "lcm-4"
    per_image = summary["images_per_second"] / summary.groupby("batch_size")["images_per_second"].transform("first")
    summary = summary.assign(
        speedup=summary["speedup"].where(~few, per_image),
        speedup_low=summary["speedup_low"].where(~few, 0.8 * per_image),
        speedup_high=summary["speedup_high"].where(~few, 1.3 * per_image),
        speedup_unit=few.map({True: "images/s", False: "it/s"}),
    )
    write_summary(summary, tmp_path / "summary.csv")
    summary = read_summary(tmp_path / "summary.csv")
    details = read_details(measurements, None, {}, {})
    file = tmp_path / "index.html"
    file.write_text(build_page(summary, LABELS, BASELINE, {"title": "Numbers"}, details), encoding="utf-8")
    keys = [f"A100/2.0/sd-txt2img/{row['batch_size']}/{row['variant']}/1" for row in summary.to_dict("records")]
    return visit(file), dict(zip(keys, summary.to_dict("records"))), measurements


def expected_of(row, rows, unit):
    """(value, low, high) of a summary's row in a unit; the interval of images from the rounds."""
    if "image" in unit:
        own = rows[(rows["variant"] == row["variant"]) & (rows["batch_size"] == row["batch_size"])]
        logs = np.log(own["images_per_second"])
        values = row["images_per_second"], *rate_interval(logs.mean(), logs.std(), len(logs))
    else:
        values = [row[name] for name in (RATE, *INTERVALS[RATE])]
    return (1 / values[0], 1 / values[2], 1 / values[1]) if unit.startswith("s/") else tuple(values)


def test_the_pages_own_lists_are_those_of_the_report(opened):
    page, _, _ = opened
    assert page.evaluate("Object.keys(UNITS)") == list(UNITS)
    names = {"first": "first call", "warmup": "warm-up", "call": "measured"}
    assert page.evaluate("KIND_NAMES") == [names[kind] for kind in sorted(CALL_KINDS, key=CALL_KINDS.get)]
    kinds = [*list(KINDS)[:2], "peak_allocated_mib", list(KINDS)[2]]
    assert page.evaluate("MEMORY_COLUMNS") == [name for kind in kinds for name in (START_PEAKS[kind], kind)]
    lists = "[...ROUND_COLUMNS, ...START_COLUMNS, ...MEMORY_COLUMNS, ...WORK_COLUMNS, ...IMAGE_COLUMNS]"
    assert set(page.evaluate(lists)) <= set(HEADINGS)


@pytest.mark.parametrize("unit", UNITS)
def test_values_and_intervals_are_the_summarys_in_every_unit(opened, unit):
    page, summary, rows = opened
    found = page.evaluate("(unit) => DATA.cells.map((cell) => [cell.key, valueOf(cell, unit)])", unit)
    assert [key for key, _ in found] == list(summary)
    for key, values in found:
        assert values == pytest.approx(expected_of(summary[key], rows, unit), rel=1e-4), key
        assert values[1] < values[0] < values[2]
    page.select_option("#unit", unit)
    texts = cells_in(page, unit)
    assert len(texts) == len(summary)
    for text, row in zip(texts, summary.values(), strict=True):
        numbers = [float(number) for number in re.findall(r"\d[\d.e-]*", text)]
        assert numbers == pytest.approx(expected_of(row, rows, unit), rel=6e-3), text
        assert re.fullmatch(r"\S+ \(\S+ to \S+\)( not verified)?", text)


def test_an_interval_that_is_too_wide_says_that_the_rounds_are_too_few(opened):
    """The limit is a factor of 2; a speed-up that has a verdict all the same keeps its interval."""
    page, _, _ = opened
    cases = [(10, 20), (10, 20.1), (10, "inf"), (0, 20), (None, None), (10, 20.1, "faster"), (10, 20.1, "unclear")]
    found = page.evaluate("(cases) => cases.map((one) => printInterval(...one))", [list(case) for case in cases])
    few = "(too few rounds)"
    assert found == ["(10 to 20)", few, few, few, "", "(10 to 20.1)", few]


def test_speedups_are_the_summarys_and_say_which_are_per_image(opened):
    page, summary, _ = opened
    found = dict(page.evaluate("DATA.cells.map((cell) => [cell.key, speedupOf(cell)])"))
    for key, row in summary.items():
        ends = [
            None if row[name] != row[name] else pytest.approx(row[name], rel=1e-4)
            for name in ("speedup_low", "speedup_high")
        ]
        assert found[key][:4] == [pytest.approx(row["speedup"], rel=1e-4), *ends, row["verdict"]]
    texts = [text.partition(" (")[0] for text in cells_in(page, "Speed-up")]
    expected = [f"{row['speedup']:.2f}x" + " per image" * (row["variant"] == "lcm-4") for row in summary.values()]
    assert texts == expected
    assert page.inner_text("#shown").endswith("speed-ups against no compile, per image where step counts differ.")
    caption = page.locator("#figures figcaption").first.inner_text()
    assert "Over the chosen baseline, per image where step counts differ" in caption


DIALOG = {  # label in a cell's dialog: the column of the summary that stands beside it
    "First call, cold (s)": "first_call_cold_s",
    "First call, warm (s)": "first_call_warm_s",
    "Start-up, cold (s)": "startup_cold_s",
    "Start-up, warm (s)": "startup_warm_s",
    "Break-even, cold (images), against no compile": "breakeven_cold_images",
    "Break-even, warm (images), against no compile": "breakeven_warm_images",
    "Graphs": "graphs",
    "Graph breaks": "graph_breaks",
    "Peak memory on the device, while starting (MiB)": "start_peak_process_mib",
    "Peak memory on the device, warm (MiB)": "peak_process_mib",
    "Reserved by torch on the device, while starting (MiB)": "start_peak_reserved_mib",
    "Reserved by torch on the device, warm (MiB)": "peak_reserved_mib",
    "Allocated by torch on the device, while starting (MiB)": "start_peak_allocated_mib",
    "Allocated by torch on the device, warm (MiB)": "peak_allocated_mib",
    "Peak memory of the process, while starting (MiB)": "start_peak_rss_mib",
    "Peak memory of the process, warm (MiB)": "peak_rss_mib",
    "Work of a step (GFLOP)": "step_gflop",
    "Share of the device's ceiling (%)": "ceiling_percent",
    "Bound by": "bound",
    "Energy (J/image)": "energy_per_image_j",
    "Price (USD/1000 images)": "price_per_1000_images_usd",
    "Badge": "fidelity",
    "PSNR (dB)": "psnr_db",
    "SSIM": "ssim",
    "Largest difference of latents": "latents_difference",
    "Between the baseline's rounds: PSNR (dB)": "noise_floor_db",
}


def test_each_label_of_a_cells_dialog_has_the_value_of_its_column(tmp_path, make_row, visit):
    """No two columns have the same number, so a value beside the wrong label is seen."""
    measurements = to_frame(rows_of(make_row))
    summary = summarize(measurements, measurements[CELL].drop_duplicates(), BASELINE)
    texts = {"bound": "memory", "fidelity": "close"}
    numbers = {column: 101.0 + place for place, column in enumerate(DIALOG.values())}
    summary = summary.assign(**{**numbers, **texts})
    file = tmp_path / "index.html"
    details = read_details(measurements, None, {}, {})
    file.write_text(build_page(summary, LABELS, BASELINE, {"title": "Dialog"}, details), encoding="utf-8")
    page = visit(file, "cell=A100%2F2.0%2Fsd-txt2img%2F1%2Fcompile%2F1")
    found = facts_of(page)
    expected = {label: texts.get(column) or f"{numbers[column]:.0f}" for label, column in DIALOG.items()}
    assert {label: found.get(label) for label in DIALOG} == expected
    assert found["Not verified"] == UNVERIFIED
    row = summary[(summary["variant"] == "compile") & (summary["batch_size"] == 1)].iloc[0]
    speedup = f"{row['speedup']:.2f}x ({row['speedup_low']:.2f} to {row['speedup_high']:.2f}) {row['verdict']}"
    assert found["Speed-up against no compile"] == speedup
    page = visit(file, "cell=A100%2F2.0%2Fsd-txt2img%2F1%2Fcompile%2F1&baseline=variant:lcm-4")
    labels = page.locator("#cell dt").all_inner_texts()
    (against,) = [label for label in labels if label.startswith("Speed-up against")]
    assert "LCM" in against
    assert set(DIALOG) <= set(labels), "a break-even is against the dataset's own baseline, whichever is chosen"


def test_memory_marks_and_conditions_are_the_summarys(opened):
    page, summary, _ = opened
    header = "Peak MiB, on the device"
    assert cells_in(page, header) == [f"{row['peak_process_mib']:.0f}" for row in summary.values()]
    marked = ["not verified" in text for text in cells_in(page, "it/s")]
    assert marked == [bool(row["unverified"]) for row in summary.values()] == [False, False, True, True, False, False]
    page.locator("[data-cell='A100/2.0/sd-txt2img/1/compile/1']").click()
    text = page.locator("dialog[open]").inner_text()
    for part in (
        UNVERIFIED,
        "Conditions that differ from that baseline",
        "CPU threads 2 and 4",
        "Peak memory on the device, while starting (MiB)",
        "3790",
        "Reserved by torch on the device, warm (MiB)",
        "2288",
    ):
        assert part in text, part
    close_cell(page)
    page.select_option("#baseline", "variant:lcm-4")
    page.locator("[data-cell='A100/2.0/sd-txt2img/1/eager/1']").click()
    assert "Conditions that differ" not in page.locator("dialog[open]").inner_text(), "both had 4 threads"
    close_cell(page)
    page.select_option("#baseline", "variant:compile")
    page.locator("[data-cell='A100/2.0/sd-txt2img/1/eager/1']").click()
    assert "CPU threads 4 and 2" in page.locator("dialog[open]").inner_text()
