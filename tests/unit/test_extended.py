"""The extended table: what it adds, and that it never hides another image."""

import re

import numpy as np
import pytest

from compiled_runs import rows_of
from diffbench.statistics.published import read_published
from diffbench.statistics.summary_inputs import Evidence, read_prices
from diffbench.tables.extended import build_all_extended, print_ceiling, print_images
from diffbench.tables.formats import to_csv, to_html, to_markdown
from diffbench.tables.table_options import TableOptions
from diffbench.tables.tables import render_tables
from extended_tables import columns_of, extended
from printed_tables import LABELS
from summaries import summary_of


def test_a_row_has_interval_verdict_start_up_and_break_even(make_row):
    columns = columns_of(extended(summary_of(rows_of(make_row))))
    assert columns["Pipeline, torch, variant"] == [
        "SD - txt2img, torch 2.0 - no compile",
        "SD - txt2img, torch 2.0 - compile",
    ]
    assert columns["speed-up"][1].startswith("1.25x (1.25 to 1.25), faster")
    assert columns["start-up cold (s)"] == ["2", "52"]
    assert columns["start-up warm (s)"] == ["2", "12"]
    assert re.fullmatch(r"100 \(\d+ to 10\d\)", columns["break-even cold (images)"][1])
    assert columns["break-even warm (images)"][1].startswith("20 (")
    assert "energy (J/image)" not in columns, "what nothing is known of is left out"


@pytest.mark.parametrize(("second", "printed"), [(10.5, "10.25 (7.52 to 13.97)"), (10.6, "10.30 (too few rounds)")])
def test_an_interval_wider_than_a_factor_of_two_is_not_printed(make_row, second, printed):
    rows = [make_row(round=number, iterations_per_second=rate) for number, rate in [(1, 10), (2, second)]]
    assert columns_of(extended(summary_of(rows)))["it/s"] == [printed]


def test_numbers_of_every_kind_print(make_row):
    rows = [make_row(energy_per_image_j=812.3, peak_rss_mib=900, start_peak_rss_mib=1200, other_cpu_percent=50)]
    rows += [
        make_row(variant="compile", energy_per_image_j=1234.6),
        make_row(variant="regional", energy_per_image_j=9.876),
    ]
    columns = columns_of(extended(summary_of(rows)))
    assert columns["energy (J/image)"] == ["812", "1235", "9.88"]
    assert columns["peak memory of the process starting / warm (MiB)"] == ["1200 / 900", "-", "-"]
    assert columns["flags"] == ["shared CPU", "-", "-"]


@pytest.mark.parametrize(
    ("images", "low", "high", "text"),
    [
        (np.nan, np.nan, np.nan, "-"),
        (124.0, np.nan, np.nan, "124"),
        (124.0, 116.0, np.inf, "124 (116 to never)"),
        (np.inf, np.inf, np.inf, "never"),
        (0.0, 0.0, 3.0, "at once (at once to 3)"),
    ],
)
def test_break_even_in_words(images, low, high, text):
    row = {"breakeven_cold_images": images, "breakeven_cold_images_low": low, "breakeven_cold_images_high": high}
    assert print_images(row, "cold") == text


@pytest.mark.parametrize(
    ("percent", "text"),
    [(0.003, "<1% (compute)"), (0.5, "<1% (compute)"), (0.51, "1% (compute)"), (34.4, "34% (compute)")],
)
def test_a_small_share_of_the_ceiling_is_not_none(percent, text):
    assert print_ceiling({"ceiling_percent": percent, "bound": "compute"}) == text
    assert print_ceiling({"ceiling_percent": np.nan, "bound": ""}) == "-"


def test_another_image_is_marked_wherever_its_speedup_stands(make_row):
    summary = summary_of([make_row(), make_row(variant="compile", iterations_per_second=50)])
    summary.loc[summary["variant"] == "compile", ["fidelity", "psnr_db"]] = ["different", 12.3]
    columns = columns_of(extended(summary))
    assert columns["speed-up"][1] == "⚠ other image: 2.50x"
    assert columns["image"][1] == "⚠ different (12 dB)"
    note = "⚠ SD - txt2img, torch 2.0 compile: the image differs from the baseline's (PSNR 12 dB)."
    assert note in render_tables(summary, LABELS)["A100", 1], "also below the published form"
    assert "⚠ other image: 2.50x" in render_tables(summary, LABELS, TableOptions(speedups=True))["A100", 1]


def test_price_of_a_thousand_images(make_row, tmp_path):
    (tmp_path / "gpus.yaml").write_text("A100: {label: A100, price_per_hour_usd: 3.6}\nT4: {label: T4}\n")
    prices = read_prices(tmp_path / "gpus.yaml")
    assert prices == {"A100": 3.6}
    from diffbench.data.measurements import to_frame
    from diffbench.statistics.summary import summarize
    from summaries import cells_of

    rows = [make_row(images_per_second=0.5)]
    summary = summarize(to_frame(rows), cells_of(rows), {"variant": "eager"}, Evidence(prices_usd=prices))
    assert summary["price_per_1000_images_usd"].iloc[0] == pytest.approx(2.0), "2000 s at 3.60 an hour"


def test_failures_keep_their_words_and_reasons(make_row):
    table = extended(
        summary_of([make_row(), make_row(variant="compile", status="oom", phase="call-1", detail="no memory")])
    )
    assert columns_of(table)["it/s"][1] == "OOM after warmup"
    assert "SD - txt2img, compile: no memory" in table.notes


def test_every_form_is_printed_and_hostile_labels_are_harmless(make_row):
    labels = {**LABELS, "pipelines": {"sd-txt2img": "<script>|a"}}
    ((_, table),) = build_all_extended(summary_of([make_row()]), labels).items()
    assert "<script>" not in to_markdown(table) + to_html(table)
    assert to_csv(table).startswith('"Pipeline, torch, variant",it/s')


def test_published_numbers_have_an_extended_table_too():
    from conftest import ROOT

    tables = build_all_extended(read_published(ROOT / "resources/published/pytorch2.csv"), LABELS)
    assert len(tables) == 15
    assert "speed-up" in columns_of(tables["A100", 1])
