"""Which card is which: names as drivers report them, and what a job for each asks a cluster for."""

import re
from types import SimpleNamespace

import pytest
import yaml

from conftest import ROOT
from diffbench.catalogue.devices import check_device, label_device
from diffbench.catalogue.labels import read_labels
from diffbench.catalogue.schema_checks import check, read_catalogue
from diffbench.data.measurements import to_frame
from diffbench.measurement.allocation import ORIGIN, lower_limits
from diffbench.plan.cluster import check_cluster, job_of, requests
from diffbench.plan.resources import JobResources
from diffbench.statistics.summary import summarize
from diffbench.tables.tables import render_tables
from diffbench.vocabulary.columns import CELL
from diffbench.vocabulary.errors import DiffbenchError, SetupError

GPUS = read_catalogue("gpus")
NAMES = {  # as NVML and torch report them: the entry that `auto` takes
    "NVIDIA A100-SXM4-40GB": "A100-40GB-SXM",
    "NVIDIA A100-SXM4-80GB": "A100-80GB-SXM",
    "NVIDIA A100-PCIE-40GB": "A100-40GB-PCIe",
    "NVIDIA A100 80GB PCIe": "A100-80GB-PCIe",
    "NVIDIA A100-SXM4-40GB MIG 3g.20gb": "A100-MIG-3g.20gb",
    "A100-SXM-64GB": "A100",
    "Tesla V100-SXM2-16GB": "V100-16GB-SXM",
    "Tesla V100-SXM3-32GB": "V100-32GB-SXM",
    "Tesla V100-PCIE-16GB": "V100-16GB-PCIe",
    "Tesla V100-PCIE-32GB": "V100-32GB-PCIe",
    "Tesla V100S-PCIE-32GB": "V100S",
    "Tesla V100-DGXS-32GB": "V100",
    "Tesla T4": "T4",
    "NVIDIA A10G": "A10G",
    "NVIDIA L4": "L4",
    "NVIDIA L40S": "L40S",
    "NVIDIA GeForce RTX 3090": "RTX-3090",
    "NVIDIA GeForce RTX 3090 Ti": "RTX-3090-Ti",
    "NVIDIA GeForce RTX 4090": "RTX-4090",
    "NVIDIA GeForce RTX 4090 D": "RTX-4090-D",
    "NVIDIA GeForce RTX 4090 Laptop GPU": "RTX-4090-Laptop",
    "NVIDIA H100 80GB HBM3": "H100-SXM",
    "NVIDIA H100 PCIe": "H100-PCIe",
    "NVIDIA H100 NVL": "H100-NVL",
    "NVIDIA H200": "H200",
    "NVIDIA H200 NVL": "H200-NVL",
    "AMD Instinct MI300X": "MI300X",
    # nobody's: labelled by their own names
    "NVIDIA L40": "L40",
    "NVIDIA A10": "A10",
    "NVIDIA A100-SXM4-40GB MIG 1g.5gb": "A100-SXM4-40GB-MIG-1g.5gb",
    "NVIDIA H100 80GB HBM3 MIG 1g.10gb": "H100-80GB-HBM3-MIG-1g.10gb",
    "NVIDIA GH200 480GB": "GH200-480GB",
    "GRID A100-10C": "GRID-A100-10C",
    "GRID V100-8Q": "GRID-V100-8Q",
    "GRID T4-4Q": "GRID-T4-4Q",
    "NVIDIA L4-24Q": "L4-24Q",
    "NVIDIA H100-20C": "H100-20C",
    "NVIDIA GeForce RTX 3080 Laptop GPU": "RTX-3080-Laptop-GPU",
}


@pytest.mark.parametrize("name", NAMES)
def test_each_card_has_its_own_label(name):
    assert label_device(name, GPUS) == NAMES[name]


def test_a_pattern_of_a_family_takes_all_its_cards_but_no_slice_and_no_laptop():
    for family in ("A100", "V100", "H100"):
        fits = {name for name in NAMES if re.search(GPUS[family]["pattern"], name)}
        cards = {name for name in NAMES if re.search(rf"\b{family}S?\b", name)}
        assert fits == {name for name in cards if "MIG" not in name and not re.search(r"-\d+[CQ]$", name)}


@pytest.mark.parametrize(
    "key",
    [
        {"slurm": {"gpu": 2}},
        {"slurm": {}},
        {"job": {"cpus": 0}},
        {"slurm": {"gres": "gpu:1; rm"}},
        {"slurm": {"gpu_model": "a100-sxm4"}},
    ],
)
def test_what_slurm_does_not_know_is_refused(key):
    with pytest.raises(DiffbenchError, match="config/gpus.yaml: X"):
        check({"X": {"label": "X", **key}}, "gpus", "config/gpus.yaml")


def test_memory_tells_cards_of_one_name_apart():
    entry = {"pattern": "RTX 3080", "memory_gib": 10}
    gpus = {"RTX-3080-10GB": entry, "RTX-3080-12GB": {**entry, "memory_gib": 12}}
    assert label_device("NVIDIA GeForce RTX 3080", gpus, 12288) == "RTX-3080-12GB", "as auto does"
    check_device("RTX-3080-10GB", entry, "NVIDIA GeForce RTX 3080", 9.77 * 1024)
    with pytest.raises(
        SetupError, match="has 11.8 GiB, expected 10 GB as config/gpus.yaml says; run it where a RTX-3080-10GB"
    ):
        check_device("RTX-3080-10GB", entry, "NVIDIA GeForce RTX 3080", 11.77 * 1024)


@pytest.mark.parametrize(
    ("name", "memory_gib"), [("T4", 14.56), ("H200", 139.8), ("A100-40GB-SXM", 39.4), ("L4", 22.0), ("H100-NVL", 93.1)]
)
def test_what_a_driver_reports_of_the_memory_sold_is_enough(name, memory_gib):
    check_device(name, {"memory_gib": GPUS[name]["memory_gib"]}, "any", memory_gib * 1024)


def test_a_job_asks_for_the_gpu_of_its_cell_and_for_nothing_that_another_asks_for():
    gres = {"label": "A100", "slurm": {"gres": "gpu:a100:1", "slurm_partition": "big"}}
    asked = requests({"A100": gres, "T4": GPUS["T4"], "CPU": GPUS["CPU"]})
    assert {name: of["A100"] for name, of in asked.items() if of["A100"]} == gres["slurm"]
    assert {name: of["T4"] for name, of in asked.items() if of["T4"]} == {"gpu": 1, "gpu_model": "t4"}
    assert not any(of["CPU"] for of in asked.values())
    assert job_of({"job": {"minutes": 5}}) == {"cpus": 4, "memory_mib": 32000, "minutes": 5}


def test_a_job_asks_for_a_feature_where_its_gpu_has_one():
    asked = requests({name: GPUS[name] for name in ("A100-80GB-SXM", "T4")})
    assert asked["gpu_model"] == {"A100-80GB-SXM": "a100", "T4": "t4"}
    assert asked["constraint"] == {"A100-80GB-SXM": "a100_sxm_80gb", "T4": None}


def test_no_two_sizes_of_memory_are_asked_for_by_the_same_names():
    sizes = {}
    for entry in GPUS.values():
        if "slurm" in entry and "memory_gib" in entry:
            sizes.setdefault(tuple(sorted(entry["slurm"].items())), set()).add(entry["memory_gib"])
    assert len(sizes) > 10
    assert not [asked for asked, found in sizes.items() if len(found) > 1]


@pytest.mark.parametrize(
    ("name", "device_name", "memory_gib"),
    [
        ("A100-80GB-SXM", "NVIDIA A100-SXM4-40GB", 39.4),
        ("A100-80GB-SXM", "NVIDIA A100 80GB PCIe", 79.2),
        ("V100-32GB-PCIe", "Tesla V100-PCIE-16GB", 15.8),
        ("V100-32GB-PCIe", "Tesla V100S-PCIE-32GB", 31.7),
        ("H100-NVL", "NVIDIA H100 PCIe", 79.6),
    ],
)
def test_another_card_of_the_family_is_refused(name, device_name, memory_gib):
    with pytest.raises(
        SetupError, match=f"the run is for gpu {name}, but this device is '{device_name}'; run it where"
    ):
        check_device(name, GPUS[name], device_name, memory_gib * 1024)
    check_device(name.split("-")[0], GPUS[name.split("-")[0]], device_name, memory_gib * 1024)


def test_every_gpu_of_the_published_matrix_can_be_asked_for():
    names = yaml.safe_load((ROOT / "config/full.yaml").read_text(encoding="utf-8"))["gpus"]
    check_cluster(names, {name: GPUS[name] for name in names}, None, threads=4)


def test_more_threads_than_a_job_gets_are_refused():
    with pytest.raises(DiffbenchError, match=r"config: threads: found 5, but a job on T4 gets 4 CPU\(s\); raise"):
        check_cluster(["T4"], {"T4": GPUS["T4"]}, None, threads=5)


def test_the_limits_of_a_run_lie_below_its_allocation():
    assert lower_limits(3600, None, 0, 0, 0) == (3600, None, "", ""), "no allocation"
    assert lower_limits(3600, None, 32000, 60, 0) == (3600 - 90, 31000, ORIGIN, ORIGIN)
    assert lower_limits(600, 2000, 32000, 60, 100) == (600, 2000, "", ""), "smaller limits of the config stay"
    assert lower_limits(3600, 40000, 32000, 60, 100)[:2] == (3600 - 90 - 100, 31000), "waiting for the device counts"


@pytest.mark.parametrize(
    ("allocated", "message"),
    [
        (
            (0, 1, 0),
            "the job's allocation is 1 min, of which 90 s are not the run's; raise `job` in config/gpus.yaml",
        ),
        ((1100, 0, 0), "the job's allocation is 1100 MiB, of which 1000 MiB are not the run's"),
        ((0, 10, 400), "the device was busy for 400 s of the job's 10 minutes; start the run again"),
    ],
)
def test_an_allocation_that_leaves_too_little_is_told_and_makes_no_row(allocated, message):
    with pytest.raises(SetupError) as error:
        lower_limits(3600, None, *allocated)
    assert message in str(error.value)


def test_devices_that_nobody_has_tested_are_said_to_be(make_row):
    labels = read_labels([ROOT / "config" / f"{kind}.yaml" for kind in ("gpus", "pipelines", "variants")])
    for gpu, told in (("MI300X", True), ("A100", False)):
        row = make_row(gpu=gpu)
        cells = to_frame([row])[CELL]
        (text,) = render_tables(summarize(to_frame([row]), cells, {"variant": "eager"}), labels).values()
        assert ("Devices of this kind are untested" in text) == told


@pytest.mark.parametrize("on_cluster", [False, True])
def test_a_job_asks_for_what_its_gpu_needs_only_on_a_cluster(on_cluster):
    gpus = {"T4": {**GPUS["T4"], "job": {"cpus": 2, "minutes": 5}}, "CPU": GPUS["CPU"]}
    resources = JobResources(gpus, may_submit=True, on_cluster=lambda: on_cluster, cores=lambda: 16)
    on_t4 = SimpleNamespace(gpu="T4")
    assert resources.threads()(on_t4) == (2 if on_cluster else 16)
    asked = resources.requests()
    assert asked["runtime"](on_t4, attempt=2) == (10 if on_cluster else 0)
    assert asked["gpu_model"](on_t4) == "t4" and asked["gpu_model"](SimpleNamespace(gpu="CPU")) is None
    assert "--allocated-minutes" in resources.allocated()


def test_without_a_cluster_a_job_has_all_cores_and_the_device():
    resources = JobResources(GPUS, may_submit=False, on_cluster=lambda: False, cores=lambda: 16)
    assert (resources.threads(), resources.requests(), resources.allocated()) == (16, {"device": 1}, "")
