"""The ladder: each step against the one before and the first, steps without a number, the waterfall."""

import re
import xml.dom.minidom

import pytest
from matplotlib.colors import to_rgb

from conftest import ROOT
from diffbench.figures.figures import save_figure
from diffbench.figures.ladder import FALL, FIRST, RISE, STYLES, draw_ladder
from diffbench.statistics.published import read_published
from diffbench.tables.ladder import render_ladders
from drawn_figures import beside_bars, caption_of, odd_labels, panels_of, texts_of
from ladders import BASELINE, STEPS, step_rows, table_of
from printed_tables import LABELS
from summaries import summary_of

FP32 = "fp32, attention written out"


@pytest.fixture
def summary(make_row):
    badges = dict(zip(STEPS, ["", "different", "different", "", "close", "close"]))
    summary = summary_of(step_rows(make_row), baseline=BASELINE)
    numbers = [30.0 if badges[variant] else float("nan") for variant in summary["variant"]]
    return summary.assign(fidelity=summary["variant"].map(badges), psnr_db=numbers)


def test_a_step_is_against_the_one_before_and_the_first(summary):
    text = render_ladders(summary, LABELS, BASELINE)
    assert text.startswith("### A100, torch 2.0, SD - txt2img (batch size: 1)\n")
    table = table_of(text)
    assert list(table) == [FP32, "+ fp16 or bf16", "+ SDPA", "+ fused QKV", "+ compile", "regional compile instead"]
    assert [step["**speed-up over the step before**"] for step in table.values()] == [
        "-",
        "⚠ 2.00x",
        "⚠ 1.50x",
        "-",
        "2.00x",
        "0.75x",
    ]
    assert table[FP32]["**speed-up over the first step**"] == "1.00x"
    assert re.fullmatch(
        r"6\.00x \([56]\.\d\d to 6\.\d\d\), faster", table["+ compile"]["**speed-up over the first step**"]
    )
    assert table["+ SDPA"]["**speed-up over the first step**"].startswith("⚠ other image: 3.00x (")
    assert table["+ SDPA"][f"**image against {FP32}**"] == "⚠ different (30 dB)"
    assert re.fullmatch(r"60\.90 \(\d\d\.\d\d to \d\d\.\d\d\)", table["+ compile"]["**it/s**"])
    assert table["+ compile"]["**images/s**"] == "1.2"
    assert table["+ compile"]["**peak memory on the device, reserved by torch (MiB)**"] == "3000"
    assert table["+ compile"]["**first call, cold (s)**"] == "1"


def test_a_step_without_number_is_told_and_passed_over(summary):
    text = render_ladders(summary, LABELS, BASELINE)
    step = table_of(text)["+ fused QKV"]
    assert step["**it/s**"] == "n/a <sup>1</sup>"
    assert {step[header] for header in step if header.startswith("**speed-up")} == {"-"}
    assert "1. no projections \\| to fuse" in text
    assert "A step without a number is skipped" in text
    assert "miniature" not in text and "full-scale architectures with random weights" in text


def test_memory_on_a_cpu_is_that_of_the_process(make_row):
    rows = step_rows(make_row, rounds=1, peak_allocated_mib="", peak_reserved_mib="")
    table = table_of(render_ladders(summary_of(rows, baseline=BASELINE), LABELS, BASELINE))
    assert table[FP32]["**peak memory of the process (MiB)**"] == "9000"


def test_a_first_step_that_is_not_the_baseline_or_failed(make_row):
    rows = step_rows(make_row)
    other = {"variant": "ladder-3-sdpa"}
    table = table_of(render_ladders(summary_of(rows, baseline=other), LABELS, other))
    assert table["+ compile"]["**speed-up over the first step**"] == "6.00x"
    assert "**image against + SDPA**" in table[FP32]
    rows = step_rows(make_row, [None, 20, 40, 40, 40, 40])
    table = table_of(render_ladders(summary_of(rows, baseline=BASELINE), LABELS, BASELINE))
    assert [step["**speed-up over the step before**"] for step in table.values()] == ["-", "-", "2.00x"] + ["1.00x"] * 3
    assert {step["**speed-up over the first step**"] for step in table.values()} == {"-"}


def test_a_ladder_a_gpu_torch_pipeline_batch_size_and_stage(make_row):
    rows = step_rows(make_row) + step_rows(make_row, batch_size=4) + step_rows(make_row, gpu="V100", torch="2.1")
    rows += [row for stage in (1, 2) for row in step_rows(make_row, pipeline="if", stage=stage)]
    summary = summary_of(rows, baseline=BASELINE)
    headings = re.findall("### (.*)", render_ladders(summary, LABELS, BASELINE))
    assert headings == [
        "A100, torch 2.0, SD - txt2img (batch size: 1)",
        "A100, torch 2.0, IF, stage 1 (batch size: 1)",
        "A100, torch 2.0, IF, stage 2 (batch size: 1)",
        "A100, torch 2.0, SD - txt2img (batch size: 4)",
        "V100, torch 2.1, SD - txt2img (batch size: 1)",
    ]
    assert [" ".join(title.split()) for title in panels_of(draw_ladder(summary, LABELS, BASELINE))] == headings


def test_the_waterfall_goes_from_each_rate_to_the_next(summary):
    figure = draw_ladder(summary, LABELS, BASELINE)
    (axes,) = panels_of(figure).values()
    bars = [(bar.get_x(), bar.get_x() + bar.get_width()) for bar in axes.patches]
    expected = [(0, 10), (10, 20), (20, 30), (30, 60), (60, 45)]
    assert bars == [pytest.approx((1.015 * start, 1.015 * end)) for start, end in expected]
    kinds = [FIRST, RISE, RISE, RISE, FALL]
    assert [bar.get_facecolor()[:3] for bar in axes.patches] == [to_rgb(STYLES[kind]["facecolor"]) for kind in kinds]
    assert [bool(bar.get_hatch()) for bar in axes.patches] == [kind == FALL for kind in kinds]
    assert beside_bars(axes) == [
        "10.1 (1.00x)",
        "⚠ 20.3 (2.00x)",
        "⚠ 30.5 (3.00x)",
        "n/a",
        "60.9 (6.00x)",
        "45.7 (4.50x)",
    ]
    assert [label.get_text() for label in axes.get_yticklabels()][-1] == "regional compile instead"
    assert {FIRST, RISE, FALL} <= set(texts_of(figure))
    for part in (
        "NVIDIA A100-SXM4-40GB",
        "torch 2.0.1",
        "random weights",
        "2026-11-20",
        "⚠: the image differs from the baseline's.",
        "95% interval",
    ):
        assert part in caption_of(figure)


@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_no_dataset_and_no_label_breaks_the_ladder(make_row, tmp_path):
    rows = step_rows(make_row)
    cases = [
        (summary_of(rows, baseline=BASELINE)[:0], LABELS),
        (summary_of(step_rows(make_row, [None] * 6), baseline=BASELINE), LABELS),
        (summary_of(rows, baseline=BASELINE), {"notes": {}}),
        (
            summary_of(rows, baseline=BASELINE),
            {**LABELS, **odd_labels(), "variants": dict.fromkeys(STEPS, "$a$ <b> |\n`x`")},
        ),
    ]
    for number, (summary, labels) in enumerate(cases):
        save_figure(draw_ladder(summary, labels, BASELINE), [tmp_path / f"{number}.svg"])
        xml.dom.minidom.parse(str(tmp_path / f"{number}.svg"))
        assert "<b>" not in render_ladders(summary, labels, BASELINE)


def test_a_published_page_is_a_ladder_of_two_steps():
    summary = read_published(ROOT / "resources/published/pytorch2.csv")
    table = table_of(render_ladders(summary, LABELS, {"variant": "eager"}))
    assert table["compile"]["**it/s**"] == "44.03"
    assert table["compile"]["**speed-up over the step before**"] == "2.03x"


def test_the_ladders_config_plans_its_nine_steps(project):
    assert project.planned("ladder", "--configfile", "config/ladder.yaml") == 9 * 3


def test_by_file_name_published_data_are_ranked_too_and_nothing_is_measured(project):
    project.snakemake("results/cpu-torch-2.1-2.13/best.md", "results/cpu-torch-2.1-2.13/ladder.md")
    results = project.folder / "results/cpu-torch-2.1-2.13"
    assert "```python" in (results / "best.md").read_text(encoding="utf-8")
    assert (results / "ladder.md").read_text(encoding="utf-8").startswith("Source: ")
    assert (results / "figures/ladder.png").read_bytes().startswith(b"\x89PNG")
    assert not list(project.folder.glob("results/*/runs"))
