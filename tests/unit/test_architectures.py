"""Every architecture that a pipeline names is what it says it is: parameter counts on the meta device, and no copies."""

from functools import cache

import pytest
import torch

from checking import read_catalogue
from measurement.definition import architecture
from measurement.load import create_module

PUBLISHED = {
    ("stable-diffusion-v1-5", "unet"): 859_520_964,
    ("stable-diffusion-v1-5-controlnet", "controlnet"): 361_279_120,
    ("stable-diffusion-xl-base", "unet"): 2_567_463_684,
    ("sd3-medium", "transformer"): 2_028_328_000,
    ("sd3.5-medium", "transformer"): 2_243_171_520,
    ("sd3.5-large", "transformer"): 8_056_627_520,  # of the 8,146,280,768 weights the others are fixed positions
    ("flux.1-dev", "transformer"): 11_901_408_320,
    ("flux.1-schnell", "transformer"): 11_891_178_560,
    ("pixart-sigma", "transformer"): 610_856_096,
    ("auraflow", "transformer"): 6_842_876_928,
    ("hunyuandit-v1.2", "transformer"): 1_499_952_032,
}
STAGES = [
    (name, stage, scale)
    for name, pipeline in read_catalogue("pipelines").items()
    for stage in pipeline["stages"]
    for scale in ("full", "tiny")
]


@cache
def built(name, module, scale):
    component = architecture(name, scale)["components"][module]
    return create_module(module, component["class"], component.get("config", {}), torch.device("meta"), torch.float32)


@pytest.mark.parametrize(("pipeline", "stage", "scale"), STAGES, ids=lambda value: str(value)[:20])
def test_modules_have_the_parameters_that_the_description_states(pipeline, stage, scale):
    described = architecture(stage["architecture"], scale)
    for module in stage["modules"]:
        parameters = built(stage["architecture"], module, scale).parameters()
        assert sum(parameter.numel() for parameter in parameters) == described["parameters"][module]


@pytest.mark.parametrize(("key", "parameters"), PUBLISHED.items(), ids=lambda value: str(value))
def test_full_scale_has_the_published_counts(key, parameters):
    name, module = key
    assert architecture(name, "full")["parameters"][module] == parameters


@pytest.mark.parametrize(
    "stage", [stage for _, stage, scale in STAGES if scale == "tiny"], ids=lambda stage: stage["architecture"]
)
def test_a_miniature_has_every_kind_of_block(stage):
    for module in stage["modules"]:
        full, tiny = (
            {type(layer).__name__ for layer in built(stage["architecture"], module, scale).modules()}
            for scale in ("full", "tiny")
        )
        assert tiny == full
