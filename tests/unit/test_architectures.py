"""Every architecture that a pipeline names is what it says it is: parameter counts on the meta device, and no copies."""

import inspect

import pytest
import torch

from checking import read_catalogue
from measurement.definition import architecture
from measurement.load import create_module, find_class

PUBLISHED = {
    ("stable-diffusion-v1-5", "unet"): 859_520_964,
    ("stable-diffusion-v1-5-controlnet", "controlnet"): 361_279_120,
    ("stable-diffusion-xl-base", "unet"): 2_567_463_684,
    ("stable-diffusion-2-1", "unet"): 865_910_724,
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
    for scale in ("full", "tiny")
]


def create(name, component):
    return create_module(name, component["class"], component.get("config", {}), torch.device("meta"), torch.float32)


def count(name, component):
    return sum(parameter.numel() for parameter in create(name, component).parameters())


@pytest.mark.parametrize(("pipeline", "stage", "scale"), STAGES, ids=lambda value: str(value)[:20])
def test_modules_have_the_parameters_that_the_description_states(pipeline, stage, scale):
    described = architecture(stage["architecture"], scale)
    assert set(stage["modules"]) <= set(described["parameters"])
    for module, parameters in described["parameters"].items():
        assert count(module, described["components"][module]) == parameters


@pytest.mark.parametrize(("key", "parameters"), PUBLISHED.items(), ids=lambda value: str(value))
def test_full_scale_has_the_published_counts(key, parameters):
    name, module = key
    assert architecture(name, "full")["parameters"][module] == parameters


@pytest.mark.parametrize(("key", "millions"), ROUNDED.items(), ids=lambda value: str(value))
def test_full_scale_has_the_counts_that_are_published_in_millions(key, millions):
    name, module = key
    assert round(architecture(name, "full")["parameters"][module] / 1e6) == millions


@pytest.mark.parametrize(
    "stage", [stage for _, stage, scale in STAGES if scale == "tiny"], ids=lambda stage: stage["class"]
)
def test_a_miniature_has_every_kind_of_block(stage):
    for module in stage["modules"]:
        kinds = [
            {
                kind
                for key in ("down_block_types", "up_block_types", "mid_block_type")
                for kind in listed(architecture(stage["architecture"], scale)["components"][module], key)
            }
            for scale in ("full", "tiny")
        ]
        assert kinds[0] == kinds[1]


@pytest.mark.parametrize(
    "stage", [stage for _, stage, scale in STAGES if scale == "tiny"], ids=lambda stage: stage["architecture"]
)
def test_a_miniature_has_every_kind_of_layer(stage):
    for name in stage["modules"]:
        full, tiny = (
            {type(layer).__name__ for layer in create(name, described["components"][name]).modules()}
            for described in (architecture(stage["architecture"], scale) for scale in ("full", "tiny"))
        )
        assert not full - tiny


def listed(component, key):
    """The value of a configuration key, with the class's default where the description is silent."""
    parameter = inspect.signature(find_class(component["class"]).__init__).parameters.get(key)
    value = component.get("config", {}).get(key) or (parameter.default if parameter else None)
    return [value] if isinstance(value, str) else list(value or [])
