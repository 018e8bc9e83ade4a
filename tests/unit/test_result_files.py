"""The files and datasets of a start of Snakemake, and that no name of one is taken for a regular expression."""

import re
import shutil

import pytest
from snakemake.utils import Paramspace

from conftest import ROOT, WHOLE_CONFIG
from diffbench.plan.datasets import Datasets
from diffbench.plan.matrix import Plan
from diffbench.plan.result_files import ResultFiles, one_of
from diffbench.vocabulary.errors import DiffbenchError


def files_of(root=ROOT, **keys):
    plan = Plan({**WHOLE_CONFIG, **keys})
    return ResultFiles(plan, Datasets(plan, root), Paramspace(plan.paths, filename_params=[]))


@pytest.fixture
def dotted(tmp_path):
    """A folder whose committed dataset is named `cpu.2`, without calls."""
    folder = tmp_path / "resources/measured/cpu.2"
    folder.mkdir(parents=True)
    for name in ("measurements.csv", "about.yaml"):
        shutil.copy(ROOT / "resources/measured/cpu-torch-2.1-2.13" / name, folder)
    return tmp_path


def test_a_dot_of_a_name_is_a_dot(dotted):
    datasets = files_of(dotted).datasets
    assert datasets.committed == ["cpu.2"] and datasets.published == []
    assert re.fullmatch(one_of(datasets.committed), "cpu.2")
    assert not re.fullmatch(one_of(datasets.committed), "cpux2")
    assert not re.fullmatch(one_of(datasets.published), "")


def test_a_strip_of_a_gpu_and_a_release_with_hyphen_and_dot():
    pattern = files_of(gpus=["H100-SXM", "CPU"], torch=["2.1", "2.10-current"]).strip_pattern()
    constraints = dict(re.findall(r"\{(\w+),([^}]+)\}", pattern))
    assert re.fullmatch(constraints["gpu"], "H100-SXM") and re.fullmatch(constraints["torch"], "2.10-current")
    assert not re.fullmatch(constraints["torch"], "2x1")


def test_a_run_is_in_a_folder_of_its_cell():
    files = files_of(name="mine", pipelines=["if"], batch_sizes=[4], variants=["eager"], rounds=1)
    folder = "results/mine/runs/gpu~CPU/torch~installed/pipeline~if/batch_size~4/variant~eager/round~1"
    assert files.runs() == [f"{folder}/run.csv"]
    assert files.ceilings() == ["results/mine/ceilings/gpu~CPU/torch~installed.csv"]


def test_a_page_is_made_of_what_its_dataset_has(dotted):
    files = files_of(dotted, name="mine")
    rows = dotted / "resources/measured/cpu.2/measurements.csv"
    assert [files.page_inputs("cpu.2", kind) for kind in ("rows", "calls", "strips")] == [[rows], [], []]
    own = [str(path) for kind in ("rows", "calls", "strips") for path in files.page_inputs("mine", kind)]
    assert own == ["results/mine/measurements.csv", "results/mine/calls.csv", "results/mine/strips"]
    assert files_of().page_inputs("pytorch2", "rows") == []


def test_a_committed_dataset_is_reported_with_its_own_baseline_and_columns():
    datasets = files_of(
        name="mine",
        baseline={"variant": "compile"},
        tables={"decimals": 1, "columns": [{"torch": "installed", "variant": "eager"}]},
    ).datasets
    assert datasets.baseline("mine") == {"variant": "compile"}
    assert datasets.baseline("pytorch2") == {"variant": "eager"}
    assert datasets.table_options("pytorch2") == {"decimals": 1}
    assert set(datasets.table_options("mine")) == {"decimals", "columns"}


def test_the_name_of_a_committed_dataset_is_refused():
    with pytest.raises(DiffbenchError, match="found 'pytorch2', the name of a published or committed dataset"):
        files_of(name="pytorch2")
