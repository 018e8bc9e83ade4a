"""What tables say of torch builds that differ in more than torch, and what a build cannot do."""

import pytest

from conftest import ROOT
from diffbench.catalogue.labels import read_labels
from diffbench.data.measurements import to_frame
from diffbench.measurement.unsupported import has_kernels
from diffbench.statistics.summary import summarize
from diffbench.tables.tables import render_tables
from summaries import cells_of

LABELS = read_labels([ROOT / "config" / f"{kind}.yaml" for kind in ("gpus", "pipelines", "variants")])
CONTROL = {
    "transformers_version": "4.46.3",
    "torch": "2.1",
    "torch_version": "2.1.2+cu121",
    "cuda_version": "12.1",
    "python_version": "3.11.7",
}
OLDEST = {"torch": "2.0", "torch_version": "2.0.1+cu117", "cuda_version": "11.7", "python_version": "3.10.13"}


def table(*rows):
    (text,) = render_tables(summarize(to_frame(rows), cells_of(rows), {"variant": "eager"}), LABELS).values()
    return text


def test_cuda_and_python_are_named_where_columns_differ_in_them(make_row):
    text = table(make_row(**OLDEST), make_row(**CONTROL))
    assert "CUDA differs with torch: CUDA 11.7 with torch 2.0; CUDA 12.1 with torch 2.1." in text
    assert "Python differs with torch: Python 3.10.13 with torch 2.0; Python 3.11.7 with torch 2.1." in text
    assert "torch 2.0.1+cu117 (CUDA 11.7); 2.1.2+cu121 (CUDA 12.1)" in text


def test_columns_of_one_environment_differ_in_nothing(make_row):
    text = table(make_row(**CONTROL), make_row(**CONTROL, variant="compile"))
    assert "differs" not in text
    assert "torch 2.1.2+cu121 (CUDA 12.1), Python 3.11.7" in text


def test_a_build_without_cuda_is_told_from_one_with(make_row):
    cpu = {**CONTROL, "torch": "2.13", "torch_version": "2.13.0+cpu", "cuda_version": ""}
    assert "CUDA 12.1 with torch 2.1; no CUDA with torch 2.13" in table(make_row(**CONTROL), make_row(**cpu))


def test_a_control_column_beside_a_current_one_says_so(make_row):
    current = {**CONTROL, "torch": "2.1-current", "diffusers_version": "0.42.1"}
    text = table(make_row(**CONTROL), make_row(**current))
    assert "More than torch differs between these columns: Diffusers 0.31.0, transformers 4.46.3" in text
    assert "with torch 2.1; Diffusers 0.42.1, transformers" in text
    assert "**torch 2.1-current - <br>no compile**" in text


def test_the_nightly_column_has_its_date(make_row):
    nightly = {"torch": "nightly", "torch_version": "2.16.0.dev20261120+cu130", "cuda_version": "13.0"}
    assert "**torch nightly 2026-11-20 - <br>no compile**" in table(make_row(**nightly))


@pytest.mark.parametrize(
    ("capability", "architectures", "expected"),
    [
        ((8, 0), ["sm_70", "sm_80"], True),
        ((8, 9), ["sm_80", "sm_86"], True),  # newer within one major version
        ((9, 0), ["sm_80", "sm_86"], False),  # H100 with torch 2.0.1 for CUDA 11.7
        ((9, 0), ["sm_80", "compute_80"], True),  # PTX is compiled by the driver
        ((7, 0), ["sm_75", "sm_80", "compute_80"], False),  # V100 with a build for newer GPUs
        ((8, 0), ["sm_86"], False),
        ((9, 0), ["sm_90a"], True),
        ((10, 0), ["sm_90a"], False),
        ((12, 0), ["sm_90", "sm_120"], True),
        ((8, 0), ["gfx90a"], False),
        ((8, 0), [], False),
    ],
)
def test_which_builds_have_kernels_for_a_gpu(capability, architectures, expected):
    assert has_kernels(capability, architectures) is expected
