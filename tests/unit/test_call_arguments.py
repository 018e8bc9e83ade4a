"""Arguments and configurations with no effect, or that a run sets itself, are refused before anything is measured."""

import diffusers
import pytest
import transformers

from diffbench.catalogue.call_arguments import check_call, check_config, check_settings
from diffbench.catalogue.definition import SCALES, architecture, catalogue, resolve
from diffbench.libraries.classes import find_class
from diffbench.vocabulary.errors import DiffbenchError, SetupError, Unsupported
from running import measure


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("num_inference_steps", "`steps` sets it"),
        ("generator", "every call has the same seed"),
        ("return_dict", "a run reads what a call returns"),
        ("num_images_per_prompt", "the batch size sets it"),
        ("num_videos_per_prompt", "the batch size sets it"),
        ("batch_size", "the batch size sets it"),
        ("callback", "it would run at every step"),
        ("callback_on_step_end", "it would run at every step"),
    ],
)
def test_what_a_run_sets_itself_is_refused_when_it_is_planned(project, name, why):
    def add(content):
        stage = content["sd-txt2img"]["stages"][0]
        stage["call"][name] = 1
        stage["batch_argument"] = "batch_size"

    project.edit("config/pipelines.yaml", add)
    with pytest.raises(
        DiffbenchError, match=f"config/pipelines.yaml: sd-txt2img: call: found {name}, but {why}; remove it"
    ):
        resolve("sd-txt2img", 1, "eager", "random", "tiny", root=project.folder)


def test_of_an_architecture_too():
    with pytest.raises(DiffbenchError, match="p: call: found generator"):
        check_call({"prompt": "a castle", "generator": 0}, None, "p")
    check_call({"prompt": "a castle", "output_type": "pt", "callbacks": 1}, "num_images_per_prompt", "p")


def test_a_misspelt_argument_stops_a_run_in_one_line(project, tmp_path):
    def misspell(content):
        content["sd-txt2img"]["stages"][0]["call"]["guidence_scale"] = 0.0

    project.edit("config/pipelines.yaml", misspell)
    result = measure(tmp_path / "out", "--root", project.folder)
    assert (result.returncode, (tmp_path / "out").exists()) == (1, False)
    (line,) = result.stderr.splitlines()
    assert line == (
        "error: config/pipelines.yaml: call: StableDiffusionPipeline takes no 'guidence_scale'; write 'guidance_scale'"
    )


def test_a_misspelt_key_of_a_configuration_is_refused_and_one_of_a_newer_release_is_not_available():
    unet, text_encoder = diffusers.UNet2DConditionModel, transformers.CLIPTextModel
    check_config(unet, {"layers_per_block": 1}, "unet")
    check_config(text_encoder, {"hidden_size": 32, "vocab_size": 1000, "no_key": 1}, "text_encoder")
    with pytest.raises(
        SetupError, match="unet: config: UNet2DConditionModel takes no 'layer_per_block'; write 'layers_per"
    ):
        check_config(unet, {"layer_per_block": 1}, "unet")
    with pytest.raises(SetupError, match="CLIPTextModel takes no 'hiden_size'; write 'hidden_size'"):
        check_config(text_encoder, {"hiden_size": 32}, "text_encoder")
    with pytest.raises(SetupError, match="takes no 'timestep_spacng'; write 'timestep_spacing'"):
        check_config(diffusers.EulerDiscreteScheduler, {"timestep_spacng": "trailing"}, "scheduler")
    with pytest.raises(Unsupported, match="unet: UNet2DConditionModel of this release takes no 'quantum_layers'"):
        check_config(unet, {"quantum_layers": 1}, "unet")


def test_a_misspelt_setting_of_a_pipeline_is_refused_and_one_that_it_lacks_is_left_out():
    check_settings({"requires_safety_checker": False}, ["vae", "unet"], "pipeline", "P")
    with pytest.raises(SetupError, match="pipeline: P takes no 'force_zero_for_empty_prompt'; write 'force_zeros_for_"):
        check_settings({"force_zero_for_empty_prompt": 1}, ["force_zeros_for_empty_prompt"], "pipeline", "P")


@pytest.mark.parametrize("scale", SCALES)
def test_every_architecture_has_configurations_that_take_effect(scale):
    names = {stage.get("architecture") for entry in catalogue("pipelines").values() for stage in entry["stages"]}
    for name in sorted(filter(None, names)):
        for component, description in architecture(name, scale)["components"].items():
            if (
                description
                and not component.startswith("tokenizer")
                and not component.endswith(("_extractor", "_processor"))
            ):
                check_config(find_class(description["class"]), description.get("config", {}), f"{name}: {component}")
