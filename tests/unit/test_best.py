"""The best at each level of fidelity: what is chosen, what is not sold as a win, and what a user can paste."""

import ast
import re

import numpy as np
import pytest

from conftest import ROOT
from diffbench.data.measurements import to_frame
from diffbench.statistics.published import read_published
from diffbench.tables.best import LEVELS, render_best
from printed_tables import LABELS, cells_in
from summaries import summary_of

BASELINE = {"variant": "eager"}
NEVER = 1e-9  # relative, between rounds: an interval of next to nothing


def rows_of(make_row, rates, spread=NEVER, rounds=2, **keys):
    """Rows of variants with their it/s; images per second are a fiftieth."""
    return [
        make_row(variant=variant, round=number + 1, **rated(rate * (1 + spread * number)), **keys)
        for variant, rate in rates.items()
        for number in range(rounds)
    ]


def rated(rate):
    return {"iterations_per_second": rate, "images_per_second": rate / 50}


def judged(summary, badges):
    """The summary with badges of variants."""
    return summary.assign(fidelity=[badges.get(variant, "") for variant in summary["variant"]])


def levels_of(text, row=0):
    """The cells of a row of the first table, by level."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return dict(zip(LEVELS, cells_in(lines[2 + row])[1:]))


def best(rows, badges=None, baseline=BASELINE, labels=LABELS):
    summary = judged(summary_of(rows, baseline=baseline), badges or {})
    return render_best(summary, labels, baseline, to_frame(rows))


def test_each_level_has_its_fastest_variant(make_row):
    rates = {"eager": 50, "regional": 75, "compile": 100, "compile-all": 90, "first-block-cache": 150, "lcm-4": 400}
    badges = dict(zip(rates, ["", "identical", "equivalent", "equivalent", "close", "different"]))
    assert levels_of(best(rows_of(make_row, rates), badges)) == {
        "identical image": "regional compile: 1.50 images/s (1.50x)",
        "equivalent or better": "compile: 2.00 images/s (2.00x)",
        "close or better": "FirstBlockCache: 3.00 images/s (3.00x)",
        "any image": "⚠ other image: LCM, 4 steps: 8.00 images/s (8.00x)",
    }


def test_what_was_not_compared_is_any_image_and_the_baseline_is_identical(make_row):
    levels = levels_of(best(rows_of(make_row, {"eager": 50, "compile": 100})))
    assert levels["any image"] == "compile: 2.00 images/s (2.00x)"
    assert {levels[level] for level in list(LEVELS)[:3]} == {"no compile: 1.00 images/s (1.00x)"}


def test_a_winner_that_was_not_verified_says_so(make_row):
    rows = rows_of(make_row, {"eager": 50, "compile": 100})
    for row in rows:
        row["unverified"] = "compile: OutOfMemoryError: no memory" if row["variant"] == "compile" else ""
    text = best(rows, {"compile": "identical"})
    assert "compile: 2.00 images/s (2.00x) [1]" in text.replace("<sup>", "[").replace("</sup>", "]")
    assert "compile is not verified: compile: OutOfMemoryError: no memory." in text


def test_what_is_not_shown_to_be_faster_is_no_win(make_row):
    rows = rows_of(make_row, {"eager": 50, "compile": 55}, 0.001, 3) + rows_of(make_row, {"regional": 60}, 0.3, 3)
    text = best(rows, {"compile": "close", "regional": "equivalent"})
    levels = levels_of(text)
    assert levels["equivalent or better"] == "no compile: 1.00 images/s (1.00x) <sup>1</sup>"
    assert levels["close or better"] == "compile: 1.10 images/s (1.10x) <sup>1</sup>"
    assert re.search(r"1\. regional compile has 1\.\d\dx by its median, but that is unclear\.", text)


def test_one_round_makes_no_claim(make_row):
    text = best(rows_of(make_row, {"eager": 50, "compile": 100}, rounds=1))
    assert levels_of(text)["any image"] == "compile: 2.00 images/s (2.00x)"
    assert "One round cannot show" in text
    assert "With fewer than two rounds there is no verdict: the table shows the highest number" in text
    assert "One round" not in best(rows_of(make_row, {"eager": 50, "compile": 100}))


def test_fewer_steps_count_by_images(make_row):
    """Iterations at the same rate, but half as many of them."""
    rows = rows_of(make_row, {"eager": 50})
    rows += [{**row, "variant": "dpm-20", "images_per_second": "2"} for row in rows]
    assert levels_of(best(rows))["any image"] == "DPM-Solver++, 20 steps: 2.00 images/s (2.00x)"


def staged(make_row, variant, rates, **keys):
    return [
        row
        for stage, rate in enumerate(rates, 1)
        for row in rows_of(make_row, {variant: rate}, pipeline="if", stage=stage, **keys)
    ]


def test_several_stages_are_one_image_through_all(make_row):
    rows = staged(make_row, "eager", [50, 50, 50]) + staged(make_row, "compile", [200, 100, 50])
    text = best(rows, {"compile": "equivalent"})
    assert levels_of(text)["any image"] == "compile: 0.571 images/s (1.71x)"
    assert "Several stages count as one" in text


def test_a_cell_with_a_stage_that_failed_is_not_chosen_and_the_worst_badge_counts(make_row):
    failed = [make_row(pipeline="if", stage=2, variant="compile", status="oom", phase="load", round=n) for n in (1, 2)]
    rows = staged(make_row, "eager", [50, 50]) + staged(make_row, "compile", [200]) + failed
    rows += staged(make_row, "regional", [60, 60]) + staged(make_row, "fused", [1000])
    summary = summary_of(rows)
    badges = {("regional", 1): "identical", ("regional", 2): "close"}
    keys = zip(summary["variant"], summary["stage"])
    levels = levels_of(
        render_best(summary.assign(fidelity=[badges.get(key, "") for key in keys]), LABELS, BASELINE, to_frame(rows))
    )
    assert levels["any image"] == levels["close or better"] == "regional compile: 0.6 images/s (1.20x)"
    assert levels["equivalent or better"] == "no compile: 0.5 images/s (1.00x)"


def test_without_a_baseline_there_is_no_speedup_and_without_a_number_nothing(make_row):
    rows = [make_row(status="oom", phase="load"), *rows_of(make_row, {"compile": 100}, rounds=1)]
    assert levels_of(best(rows)) == dict.fromkeys(list(LEVELS)[:3], "-") | {"any image": "compile: 2.00 images/s (-)"}
    text = best([make_row(status="oom", phase="load")])
    assert set(levels_of(text).values()) == {"-"}
    assert "```" not in text


def test_a_baseline_of_another_torch_build(make_row):
    rows = rows_of(make_row, {"eager": 50}) + rows_of(make_row, {"eager": 50.1}, torch="2.1", torch_version="2.1")
    baseline = {"torch": "2.0", "variant": "eager"}
    text = best(rows, baseline=baseline)
    assert levels_of(text)["any image"] == "no compile: 1.00 images/s (1.00x)"
    assert levels_of(text, 1)["any image"] == "no compile: 1.00 images/s (1.00x, same)"


def test_published_numbers_are_iterations_and_those_of_several_stages_of_all_their_time():
    page = read_published(ROOT / "resources/published/pytorch2.csv")
    keys = {"gpu": "A100", "torch": "nightly", "pipeline": "if", "batch_size": 1, "variant": "compile"}
    nightly = np.all([page[column] == value for column, value in keys.items()], axis=0)
    text = render_best(page, LABELS, BASELINE)
    rows = {cells_in(line)[0]: cells_in(line)[-1] for line in text.splitlines()[:20] if line.startswith("|")}
    assert rows["SD - txt2img, torch 2.0"] == "compile: 44.0 it/s (2.03x)"
    first, second, third = (
        page.loc[nightly & (page["stage"] == stage), "iterations_per_second"].item() for stage in (1, 2, 3)
    )
    rate = (100 + 50 + 75) / (100 / first + 50 / second + 75 / third)  # the catalogue's steps
    assert rows["IF, torch nightly"].startswith(f"compile: {rate:.1f} it/s (")
    assert "images per second" not in text.lower()


def blocks_of(text):
    return re.findall(r"#### ([^\n]*)\n\n```python\n(.*?)```", text, re.DOTALL)


def test_what_was_chosen_has_its_lines_once_and_the_baseline_none(make_row):
    rates = {"eager": 50, "compile": 100}
    rows = [row for gpu in ("A100", "T4") for row in rows_of(make_row, rates, gpu=gpu)]
    ((heading, code),) = blocks_of(best(rows))
    assert heading == "SD - txt2img: compile, float16"
    assert 'torch.compile(pipe.unet, mode="reduce-overhead", fullgraph=True)' in code
    assert "torch_dtype=torch.float16" in code and 'pipe.to("cuda")' in code
    ast.parse(code)


def test_lines_that_differ_between_batch_sizes_and_devices_stand_for_each(make_row):
    rates = {"eager": 50, "compile": 100}
    places = [{"gpu": "A100"}, {"gpu": "A100", "batch_size": 4}, {"gpu": "CPU"}]
    blocks = dict(blocks_of(best([row for place in places for row in rows_of(make_row, rates, **place)])))
    name = "SD - txt2img: compile, float16"
    assert list(blocks) == [
        f"{name} (device cuda, batch size 1)",
        f"{name} (device cuda, batch size 4)",
        f"{name} (device cpu, batch size 1)",
    ]
    first, four, cpu = blocks.values()
    assert "num_images_per_prompt=4" in four and "num_images_per_prompt" not in first + cpu
    assert [re.findall(r'pipe.to\("(\w+)"\)', code) for code in (first, four, cpu)] == [["cuda"], ["cuda"], ["cpu"]]


def test_lines_that_differ_between_releases_of_diffusers_stand_for_each(make_row):
    rates = {"eager": 50, "compile": 100}
    rows = [
        row
        for torch, diffusers in (("2.1", "0.30.3"), ("2.2", "0.31.0"), ("2.13", "0.42.1"))
        for row in rows_of(make_row, rates, torch=torch, diffusers_version=diffusers)
    ]
    blocks = dict(blocks_of(best(rows)))
    old, new = "Diffusers 0.30.3 and 0.31.0", "Diffusers 0.42.1"
    assert list(blocks) == [f"SD - txt2img: compile, float16 ({release})" for release in (old, new)]
    assert [re.findall(r"(\w+)=torch.float16", code) for code in blocks.values()] == [["torch_dtype"], ["dtype"]]


def test_lines_that_differ_between_releases_of_torch_stand_for_each(make_row):
    rates = {"eager": 50, "sdpa-flash": 100}
    releases = {"2.1": "2.1.2", "2.2": "2.2.2", "2.13": "2.13.0"}
    rows = [
        row
        for torch, version in releases.items()
        for row in rows_of(make_row, rates, torch=torch, torch_version=version)
    ]
    blocks = dict(blocks_of(best(rows)))
    assert [heading.partition("(")[2] for heading in blocks] == ["torch 2.1.2 and 2.2.2)", "torch 2.13.0)"]
    assert ["sdp_kernel(enable_flash=True" in code for code in blocks.values()] == [True, False]


def test_lines_are_for_the_device_and_dtype_that_were_measured(make_row):
    rows = rows_of(make_row, {"eager": 50, "compile": 100}, gpu="CPU", dtype="bfloat16")
    ((_, code),) = blocks_of(best(rows))
    assert ", torch_dtype=torch.bfloat16" in code and 'pipe.to("cpu")' in code


def test_a_variant_that_the_catalogue_lacks_has_no_lines(make_row):
    text = best(rows_of(make_row, {"eager": 50, "own": 100}))
    assert "own: 2.00 images/s" in text
    assert "No lines: unknown variant 'own'" in text and "```" not in text


@pytest.mark.parametrize("label", ["a | b <script>\n`x`", "```", "# $x$ *y*"])
def test_labels_cannot_break_the_table(make_row, label):
    labels = {**LABELS, "variants": {"compile": label}, "pipelines": {"sd-txt2img": label}}
    text = best(rows_of(make_row, {"eager": 50, "compile": 100}), labels=labels)
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in lines} == {6}
    assert "<script>" not in text
    assert text.count("\n```") == 2


def test_variants_that_cannot_be_told_from_the_best_are_named(make_row):
    """`fused` has 98% of the best's rate by its median, in rounds that differ by more; `regional` is clearly slower."""
    rates = {
        "eager": [50, 50.1, 49.9],
        "compile": [100, 103, 99],
        "fused": [98, 95, 101],
        "regional": [75, 77, 74.5],
    }
    rows = [
        make_row(variant=variant, round=number, **rated(rate))
        for variant, values in rates.items()
        for number, rate in enumerate(values, start=1)
    ]
    text = best(rows)
    assert levels_of(text)["any image"] == "compile: 2.00 images/s (2.00x) <sup>1</sup>"
    (note,) = re.findall(r"^1\. (.*)$", text, re.MULTILINE)
    found = re.fullmatch(r"Not distinguishable from compile: (.*) \(0\.98x as fast, (.*) to (.*)\)\.", note)
    assert found, note
    low, high = float(found[2]), float(found[3])
    assert low < 0.98 < 1 < high, "the interval contains 1"
    assert "no compile" not in note and "regional" not in note


def test_the_baseline_as_the_best_names_what_may_be_as_fast(make_row):
    rows = rows_of(make_row, {"eager": 50}, 0.02, 3)
    rows += [
        make_row(variant="fused", round=number, **rated(rate)) for number, rate in enumerate([49, 50.5, 51.5], start=1)
    ]
    text = best(rows, {"fused": "identical"})
    assert "Not distinguishable from no compile: " in text


def test_stages_of_a_pipeline_are_compared_as_a_whole(make_row):
    """Each stage drifts between the variants, but a whole image takes the same time in both."""
    rows = []
    for number, drift in enumerate([0.8, 1.0, 1.25], start=1):
        for variant, seconds in (
            ("eager", (2, 2)),
            ("compile", (1, 1)),
            ("fused", (1 - 0.2 * drift, 1.01 + 0.2 * drift)),
        ):
            rows += [
                make_row(pipeline="if", stage=stage, variant=variant, round=number, **rated(50 / each))
                for stage, each in enumerate(seconds, start=1)
            ]
    text = best(rows)
    assert levels_of(text)["any image"] == "compile: 0.5 images/s (2.00x) <sup>1</sup>"
    assert re.search(
        r"Not distinguishable from compile: .* \((0\.99|1\.00)x as fast, (0\.99|1\.00) to (0\.99|1\.00)\)", text
    )


def test_a_published_page_has_no_rounds_to_compare():
    page = read_published(ROOT / "resources/published/pytorch2.csv")
    assert "Not distinguishable" not in render_best(page, LABELS, BASELINE)


def test_a_round_in_which_a_stage_failed_is_no_whole(make_row):
    rows = staged(make_row, "eager", [50, 50], rounds=3) + staged(make_row, "compile", [100, 100], rounds=3)
    rows[-1] = make_row(pipeline="if", stage=2, variant="compile", round=3, status="crashed")
    assert levels_of(best(rows))["any image"] == "compile: 1.00 images/s (2.00x)"
