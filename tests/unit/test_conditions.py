"""What is said of two cells that were not measured under the same conditions, and rounds that must not be pooled."""

import pytest

from comparisons import PUBLISHED, comparison
from diffbench.data.errors import ReportError
from diffbench.data.measurements import to_frame
from diffbench.page.baselines import baselines_of, speedups_of
from diffbench.page.details import read_details
from diffbench.statistics.conditions import NAMES
from diffbench.statistics.summary import summarize
from printed_tables import LABELS, tables_of
from summaries import cells_of, summary_of

VALUES = {  # column: (of the cell, of its baseline, what is said)
    "device_name": (
        "NVIDIA A100 80GB PCIe",
        "NVIDIA A100-SXM4-40GB",
        "device NVIDIA A100 80GB PCIe and NVIDIA A100-SXM4-40GB",
    ),
    "host_cpu": ("AMD EPYC 7763", "Intel Xeon", "host CPU AMD EPYC 7763 and Intel Xeon"),
    "host_cores": (8, 64, "host cores 8 and 64"),
    "driver_version": ("535.1", "550.2", "driver 535.1 and 550.2"),
    "cuda_version": ("12.1", "12.4", "CUDA 12.1 and 12.4"),
    "compiler_version": ("g++ 12.2.0", "g++ 13.1.0", "C++ compiler g++ 12.2.0 and g++ 13.1.0"),
    "threads": (2, 4, "CPU threads 2 and 4"),
    "weights_digest": ("0123456789ab", "ba9876543210", "weights (digest) 0123456789ab and ba9876543210"),
    "libraries": ("peft 0.17.1, torchao 0.18.0", "peft 0.17.1, torchao 0.9.0", "torchao 0.18.0 and 0.9.0"),
    "environment_variables": ("A=1; OMP_PROC_BIND=true", "A=1", "OMP_PROC_BIND true and none"),
}


def pair(make_row, column, own, base, **keys):
    return [make_row(**{column: base}), make_row(variant="compile", iterations_per_second=50, **{column: own}, **keys)]


def test_every_condition_has_a_case():
    assert set(NAMES) | {"libraries", "environment_variables"} == set(VALUES)


@pytest.mark.parametrize("column", VALUES)
def test_a_difference_from_the_baseline_is_in_the_summary_and_below_the_table(make_row, column):
    own, base, text = VALUES[column]
    rows = pair(make_row, column, own, base)
    assert list(summary_of(rows)["differences"]) == ["", text]
    note = f"Measured under other conditions than the baseline (SD - txt2img, torch 2.0 compile): {text}."
    assert note in tables_of(rows)["A100", 1].replace("\\", "")
    assert "other conditions" not in tables_of(pair(make_row, column, own, own))["A100", 1]


@pytest.mark.parametrize("column", VALUES)
def test_an_unknown_value_is_no_difference(make_row, column):
    own, base, _ = VALUES[column]
    for rows in (pair(make_row, column, own, ""), pair(make_row, column, "", base)):
        assert list(summary_of(rows)["differences"]) == ["", ""]


def test_several_differences_are_said_once_for_all_cells_that_have_them(make_row):
    rows = [make_row(pipeline=name, threads=4, driver_version="550.2") for name in ("sd-txt2img", "if")]
    rows += [{**row, "variant": "compile", "iterations_per_second": "50"} for row in rows]
    for row in rows[2:]:
        row.update(threads="2", driver_version="535.1")
    text = tables_of(rows)["A100", 1]
    told = "Measured under other conditions than the baseline (every speed-up): driver 535.1 and 550.2; CPU threads 2 and 4."
    assert text.count("Measured under other conditions") == 1 and told in text


def test_a_cell_that_failed_differs_in_nothing(make_row):
    rows = [make_row(threads=4), make_row(variant="compile", threads=2, status="oom", phase="load")]
    assert list(summary_of(rows)["differences"]) == ["", ""]


def test_on_a_cpu_the_host_is_named_once(make_row):
    rows = [
        make_row(gpu="CPU", device_name=cpu, host_cpu=cpu, variant=name)
        for name, cpu in (("eager", "A"), ("compile", "B"))
    ]
    assert list(summary_of(rows)["differences"]) == ["", "device B and A"]


def test_threads_are_said_once_although_variables_set_them(make_row):
    rows = pair(make_row, "environment_variables", "MKL_NUM_THREADS=2; OMP_NUM_THREADS=2", "OMP_NUM_THREADS=4")
    for row, threads in zip(rows, (4, 2)):
        row["threads"] = str(threads)
    assert list(summary_of(rows)["differences"]) == ["", "CPU threads 2 and 4"]


def test_torch_builds_on_other_machines_are_said_to_be(make_row):
    rows = [make_row(threads=4), make_row(torch="2.1", torch_version="2.1.2", threads=2)]
    assert "CPU threads differ with torch: 4 with torch 2.0; 2 with torch 2.1." in tables_of(rows)["A100", 1]
    summary = summarize(to_frame(rows), cells_of(rows), {"torch": "2.0"})
    assert list(summary["differences"]) == ["", "CPU threads 2 and 4"]


def test_cuda_of_another_torch_build_is_said_once(make_row):
    rows = [make_row(cuda_version="11.8"), make_row(torch="2.1", torch_version="2.1.2", cuda_version="12.1")]
    summary = summarize(to_frame(rows), cells_of(rows), {"torch": "2.0"})
    assert list(summary["differences"]) == ["", ""]
    assert tables_of(rows)["A100", 1].count("CUDA differs with torch") == 1


def test_the_page_has_the_differences_from_whatever_baseline_is_chosen(make_row):
    rows = [make_row(threads=4), make_row(variant="compile", threads=2), make_row(variant="regional", threads=2)]
    summary = summary_of(rows)
    baselines, _ = baselines_of(summary, LABELS, {"variant": "eager"})
    found, texts = speedups_of(summary, baselines, read_details(to_frame(rows), None, {}, {})[2])
    said = [{key: texts[entry[5]] for key, entry in cell.items()} for cell in found]
    assert [cell["variant:eager"] for cell in said] == ["", "CPU threads 2 and 4", "CPU threads 2 and 4"]
    assert [cell["variant:compile"] for cell in said] == ["CPU threads 4 and 2", "", ""]


def test_a_comparison_says_what_differs_where_both_sides_know_it(make_row):
    known = PUBLISHED.assign(threads="4", iterations=50.0)
    text = comparison([make_row(threads=2, iterations=20)], known)
    assert "Measured and published under other conditions (SD - txt2img, no compile): CPU threads 2 and 4." in text
    assert "Measured and published under other conditions (SD - txt2img, no compile): steps 20 and 50." in text
    unknown = known.assign(threads="", iterations=float("nan"))
    assert "other conditions" not in comparison([make_row(threads=2)], unknown)


def kernels(make_row, *texts, **keys):
    return [make_row(round=number, attention_kernels=text, **keys) for number, text in enumerate(texts, start=1)]


@pytest.mark.parametrize("other", ["16 x cudnn, 2 x math", "16 x flash", "none that is fused"])
def test_rounds_with_other_attention_kernels_are_not_pooled(make_row, other):
    with pytest.raises(ReportError) as error:
        summary_of(kernels(make_row, "16 x flash, 2 x math", "", other))
    text = str(error.value)
    assert text.startswith("cell A100, 2.0, sd-txt2img, batch size 1, eager: round 1 ran the attention kernels ")
    assert "'16 x flash, 2 x math'" in text and f"round 3 '{other}'" in text and "to measure them again" in text
    assert "\n" not in text


def test_rounds_whose_kernels_are_the_same_or_unknown_are_pooled(make_row):
    rows = kernels(make_row, "16 x flash, 2 x math", "", "2 x math, 8 x flash")
    assert summary_of(rows)["rounds"].iloc[0] == 3
    stages = [row for stage in (1, 2) for row in kernels(make_row, f"{stage} x flash", pipeline="if", stage=stage)]
    assert len(summary_of(stages)) == 2, "stages have kernels of their own"
    failed = [make_row(attention_kernels="1 x flash")]
    failed += kernels(make_row, "1 x math", status="invalid", phase="evidence")
    failed[1]["round"] = "2"
    assert summary_of(failed)["rounds"].iloc[0] == 1, "a round that failed is not pooled anyway"
