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
}
STAGES = [
    (name, stage, scale)
    for name, pipeline in read_catalogue("pipelines").items()
    for stage in pipeline["stages"]
    if "architecture" in stage
    for scale in ("full", "tiny")
]


def count(name, component):
    module = create_module(name, component["class"], component.get("config", {}), torch.device("meta"), torch.float32)
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize(("pipeline", "stage", "scale"), STAGES, ids=lambda value: str(value)[:20])
def test_modules_have_the_parameters_that_the_description_states(pipeline, stage, scale):
    described = architecture(stage["architecture"], scale)
    for module in stage["modules"]:
        assert count(module, described["components"][module]) == described["parameters"][module]


@pytest.mark.parametrize(("key", "parameters"), PUBLISHED.items(), ids=lambda value: str(value))
def test_full_scale_has_the_published_counts(key, parameters):
    name, module = key
    assert architecture(name, "full")["parameters"][module] == parameters


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


def listed(component, key):
    """The value of a configuration key, with the class's default where the description is silent."""
    parameter = inspect.signature(find_class(component["class"]).__init__).parameters.get(key)
    value = component.get("config", {}).get(key) or (parameter.default if parameter else None)
    return [value] if isinstance(value, str) else list(value or [])
