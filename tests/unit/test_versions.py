"""The libraries that mechanisms use: their versions are in the row, and a new one measures again the cells that use it, alone."""

import sys
from importlib import metadata

import pytest
import torch
import yaml

from conftest import ROOT
from conftest import WHOLE_CONFIG as CONFIG
from diffbench.catalogue.definition import recipe_of
from diffbench.catalogue.environments import read_environment
from diffbench.commands.measure import parse_arguments
from diffbench.libraries.versions import package_version
from diffbench.measurement.provenance import check_environment
from diffbench.measurement.setup_checks import resolve_target
from diffbench.mechanisms import registry
from diffbench.mechanisms.registry import LIBRARIES, installed_libraries, libraries_of
from diffbench.plan import matrix
from diffbench.plan.matrix import Plan
from diffbench.vocabulary.errors import SetupError

CATALOGUE = yaml.safe_load((ROOT / "config/variants.yaml").read_text(encoding="utf-8"))
QUANTIZED = next(name for name in CATALOGUE if recipe_of(name).get("quantization", {}).get("library") == "torchao")


@pytest.mark.parametrize(
    ("recipe", "used"),
    [
        ({}, []),
        ({"quantization": {"library": "torchao"}}, ["torchao"]),
        ({"quantization": {"library": "bitsandbytes"}}, ["bitsandbytes"]),
        ({"attention": "xformers"}, ["xformers"]),
        ({"attention": "fused"}, []),
        ({"attention_backend": "flash"}, ["flash-attn"]),
        ({"attention_backend": "flash_varlen"}, ["flash-attn"]),
        ({"attention_backend": "_flash_3"}, ["flash-attn-3"]),
        ({"attention_backend": "_flash_varlen_3"}, ["flash-attn-3"]),
        ({"attention_backend": "_flash_3_hub"}, ["kernels"]),
        ({"attention_backend": "sage_hub"}, ["kernels"]),
        ({"attention_backend": "_sage_qk_int8_pv_fp8_cuda"}, ["sageattention"]),
        ({"attention_backend": "xformers"}, ["xformers"]),
        ({"attention_backend": "_native_flash"}, []),
        ({"attention_backend": "flex"}, []),
        ({"offload": "model"}, ["accelerate"]),
        ({"regional": {"by": "accelerate"}}, ["accelerate"]),
        ({"regional": {}}, []),
        ({"quantization": {"library": "torchao"}, "attention_backend": "sage"}, ["sageattention", "torchao"]),
    ],
)
def test_a_variant_uses_its_mechanisms_libraries(recipe, used):
    assert libraries_of(recipe) == used


def plan_of(*variants):
    return Plan({**CONFIG, "variants": ["eager", *variants]})


def test_an_upgraded_library_changes_what_its_cells_expect_and_nothing_else(monkeypatch):
    plan = plan_of(QUANTIZED, "offload-model")
    versions = {"torch": "2.13.0", "diffusers": "0.42.1", "torchao": "0.18.0", "accelerate": "1.15.0"}
    monkeypatch.setattr(matrix, "package_version", versions.get)
    matrix.installed_versions.cache_clear()
    try:
        assert plan.expected("installed", "eager") == plan.expected("installed") == "torch=2.13.0,diffusers=0.42.1"
        before = {variant: plan.expected("installed", variant) for variant in plan.config["variants"]}
        assert before[QUANTIZED] == "torch=2.13.0,diffusers=0.42.1,torchao=0.18.0"
        assert before["offload-model"] == "torch=2.13.0,diffusers=0.42.1,accelerate=1.15.0"
        versions["torchao"] = "0.19.0"
        changed = [variant for variant, text in before.items() if plan.expected("installed", variant) != text]
        assert changed == [QUANTIZED]
        del versions["torchao"]
        assert plan.expected("installed", QUANTIZED) == "torch=2.13.0,diffusers=0.42.1", "the run says that it lacks it"
    finally:
        matrix.installed_versions.cache_clear()


def test_a_pinned_environment_expects_what_it_pins():
    name, without = "2.15-extras", "2.15-current"
    pins = read_environment(name, ROOT).packages
    plan = Plan({**CONFIG, "torch": [name, without], "variants": ["eager", QUANTIZED, "xformers", "offload-model"]})
    assert plan.expected(name, "eager") == plan.expected(name) == plan.expected(name, "offload-model")
    assert plan.expected(name, QUANTIZED) == f"{plan.expected(name)},torchao={pins['torchao']}"
    assert plan.expected(name, "xformers") == f"{plan.expected(name)},xformers={pins['xformers']}"
    assert plan.expected(without, QUANTIZED) == plan.expected(without, "eager") == plan.expected(name)


@pytest.mark.parametrize(("variant", "library"), [("eager", None), (QUANTIZED, "torchao"), ("xformers", "xformers")])
def test_a_run_by_hand_expects_what_its_variant_uses_of_the_pins(variant, library):
    cell = {"gpu": "CPU", "torch": "2.15-extras", "pipeline": "sd-txt2img", "batch-size": 1, "variant": variant}
    arguments = parse_arguments([f"--{name}={value}" for name, value in {**cell, "output": "out"}.items()])
    _, _, expected = resolve_target(arguments)
    assert [name for name in LIBRARIES if f",{name}=" in expected] == [library] * bool(library)


def test_another_version_than_expected_is_refused():
    name, version = "numpy", package_version("numpy")
    check_environment({name: version.split("+")[0]}, {}, torch.device("cpu"), "installed")
    with pytest.raises(SetupError, match=f"the run is for {name} 0.0.1, but {name} {version} was imported"):
        check_environment({name: "0.0.1"}, {}, torch.device("cpu"), "installed")
    with pytest.raises(SetupError, match="but no-such-library None was imported"):
        check_environment({"no-such-library": "1.0"}, {}, torch.device("cpu"), "installed")


@pytest.mark.parametrize("file", ["__init__.py", "version.py"])
def test_the_version_is_that_of_the_source_that_would_be_imported(tmp_path, monkeypatch, file):
    for name in ("accelerate", "numpy"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").touch()
        (tmp_path / name / file).write_text("# a clone\n__version__ = '99.0.dev0'\n")
    monkeypatch.delitem(sys.modules, "accelerate", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    assert package_version("accelerate") == "99.0.dev0"
    assert package_version("numpy") == metadata.version("numpy"), "a row does not state it"


def test_a_source_that_states_no_version_is_of_the_installed_one(tmp_path, monkeypatch):
    (tmp_path / "accelerate").mkdir()
    (tmp_path / "accelerate/__init__.py").write_bytes(b"\xff\xfe\n")
    monkeypatch.delitem(sys.modules, "accelerate", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    assert package_version("accelerate") == metadata.version("accelerate")


def test_what_is_installed_is_listed_by_name():
    text = installed_libraries()
    for name in ("torchao", "bitsandbytes", "peft"):
        assert (f"{name} {package_version(name)}" in text.split(", ")) == bool(package_version(name))


@pytest.mark.parametrize(
    ("installed", "text"),
    [
        ({}, "none"),
        ({"peft": "0.17.1"}, "peft 0.17.1"),
        ({"torchao": "1", "bitsandbytes": "2"}, "bitsandbytes 2, torchao 1"),
    ],
)
def test_what_is_installed_is_one_text(monkeypatch, installed, text):
    monkeypatch.setattr(registry, "package_version", installed.get)
    assert installed_libraries() == text


@pytest.mark.parametrize(
    "name", ["bitsandbytes", "flash-attn", "flash-attn-3", "kernels", "peft", "sageattention", "torchao", "xformers"]
)
def test_each_library_is_looked_for(monkeypatch, name):
    monkeypatch.setattr(registry, "package_version", {name: "1.0"}.get)
    assert installed_libraries() == f"{name} 1.0"


def test_every_library_of_the_catalogue_is_recorded():
    used = {library for variant in CATALOGUE for library in libraries_of(recipe_of(variant))}
    assert {"torchao", "bitsandbytes", "xformers", "flash-attn", "sageattention"} <= used <= {*LIBRARIES, "accelerate"}
