"""Every architecture that a pipeline names is what it says it is: parameter counts on the meta device, and no copies."""

from functools import cache

import pytest
import torch

from diffbench.catalogue.definition import architecture
from diffbench.catalogue.schema_checks import read_catalogue
from diffbench.measurement.load import create_module

PUBLISHED = {
    ("stable-diffusion-v1-5", "unet"): 859_520_964,
    ("stable-diffusion-v1-5-controlnet", "controlnet"): 361_279_120,
    ("stable-diffusion-xl-base", "unet"): 2_567_463_684,
    ("stable-diffusion-2-1", "unet"): 865_910_724,
    ("sd3-medium", "transformer"): 2_028_328_000,
    ("sd3.5-medium", "transformer"): 2_243_171_520,
    ("sd3.5-large", "transformer"): 8_056_627_520,  # of the 8,146,280,768 weights the others are fixed positions
    ("flux.1-dev", "transformer"): 11_901_408_320,
    ("flux.1-schnell", "transformer"): 11_891_178_560,
    ("pixart-sigma", "transformer"): 610_856_096,
    ("auraflow", "transformer"): 6_842_876_928,
    ("hunyuandit-v1.2", "transformer"): 1_499_952_032,
    ("sana-1600m", "transformer"): 1_604_462_752,
    ("qwen-image", "transformer"): 20_430_401_088,
    ("z-image-turbo", "transformer"): 6_154_908_736,
    ("ltx-video", "transformer"): 1_923_385_472,
    ("cogvideox-2b", "transformer"): 1_693_783_872,
    ("wan2.1-t2v-1.3b", "transformer"): 1_418_996_800,
}
ROUNDED = {  # published in millions
    ("stable-diffusion-xl-controlnet", "controlnet"): 1251,
    ("stable-diffusion-xl-t2i-adapter", "adapter"): 79,
}
STAGES = [
    (name, stage, scale)
    for name, pipeline in read_catalogue("pipelines").items()
    for stage in pipeline["stages"]
    if "architecture" in stage
    for scale in ("full", "tiny")
]
ARCHITECTURES = {stage["architecture"]: stage for _, stage, _ in STAGES}


@cache
def built(name, module, scale):
    """A module of an architecture on the meta device."""
    component = architecture(name, scale)["components"][module]
    return create_module(module, component["class"], component.get("config", {}), torch.device("meta"), torch.float32)


@pytest.mark.parametrize("scale", ["full", "tiny"])
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_modules_have_the_parameters_that_the_description_states(name, scale):
    stated = architecture(name, scale)["parameters"]
    assert set(ARCHITECTURES[name]["modules"]) <= set(stated)
    for module, parameters in stated.items():
        assert sum(parameter.numel() for parameter in built(name, module, scale).parameters()) == parameters


@pytest.mark.parametrize(("key", "parameters"), PUBLISHED.items(), ids=lambda value: str(value))
def test_full_scale_has_the_published_counts(key, parameters):
    name, module = key
    assert architecture(name, "full")["parameters"][module] == parameters


@pytest.mark.parametrize(("key", "millions"), ROUNDED.items(), ids=lambda value: str(value))
def test_full_scale_has_the_counts_that_are_published_in_millions(key, millions):
    name, module = key
    assert round(architecture(name, "full")["parameters"][module] / 1e6) == millions


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_a_miniature_has_every_kind_of_layer(name):
    for module in ARCHITECTURES[name]["modules"]:
        full, tiny = (
            {type(layer).__name__ for layer in built(name, module, scale).modules()} for scale in ("full", "tiny")
        )
        assert tiny == full
