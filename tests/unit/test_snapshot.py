"""A pipeline with random weights from its configuration files: what is made, what is left out, what is refused."""

import json
import shutil
from pathlib import Path

import pytest
import torch

from diffbench.catalogue.definition import PRETRAINED_KEYS, digest, resolve
from diffbench.measurement.load import create_from_folder, create_pipeline, load_pipeline
from diffbench.vocabulary.errors import SetupError, Unsupported

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """The folder of a miniature pipeline as Diffusers saves one; its weights are zeros, so that none may be read."""
    folder = tmp_path_factory.mktemp("saved")
    (stage,) = resolve("sdxl-txt2img", 1, "eager", "random", "tiny")["stages"]
    pipeline = create_pipeline(stage, CPU, torch.float32)
    for parameter in pipeline.unet.parameters():
        parameter.data.zero_()
    pipeline.save_pretrained(folder, safe_serialization=True)
    return folder


@pytest.fixture
def folder(saved, tmp_path):
    """A copy of it to edit."""
    return Path(shutil.copytree(saved, tmp_path / "pipeline"))


def stage_of(folder, **keys):
    return {"class": "StableDiffusionXLPipeline", "hub_id": str(folder), "revision": None, **keys}


def edit(path, **keys):
    path.write_text(json.dumps({**json.loads(path.read_text()), **keys}))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_dtype_is_the_runs_whatever_a_configuration_says(tmp_path, dtype):
    from transformers import CLIPVisionConfig, LlamaConfig, LlavaConfig

    size = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    vision = CLIPVisionConfig(**size, image_size=28, patch_size=14)
    LlavaConfig(vision_config=vision, text_config=LlamaConfig(**size, vocab_size=32)).save_pretrained(tmp_path)
    half = dict.fromkeys(["dtype", "torch_dtype"], "float16")
    text = json.loads((tmp_path / "config.json").read_text())["text_config"]
    edit(tmp_path / "config.json", **half, text_config={**text, **half})
    made = create_from_folder("text_encoder", "transformers.LlavaForConditionalGeneration", tmp_path, CPU, dtype)
    assert {parameter.dtype for parameter in made.parameters()} == {dtype}


def test_a_configuration_may_be_that_of_a_larger_model(folder):
    path = folder / "text_encoder/config.json"
    text = json.loads(path.read_text())
    path.write_text(json.dumps({"model_type": "clip", "text_config": text, "vision_config": {}, "projection_dim": 32}))
    made = load_pipeline(stage_of(folder), "random", CPU, torch.float32)
    assert made.text_encoder.config.hidden_size == 32


def test_what_is_dropped_replaced_or_absent_needs_no_files(folder, tmp_path):
    shutil.rmtree(folder / "text_encoder_2")
    (folder / "vae").rename(tmp_path / "vae")
    edit(
        folder / "model_index.json",
        vae=["elsewhere", "VAE"],
        text_encoder_2=["elsewhere", "T"],
        text_encoder=[None, None],
    )
    vae = {"class": "diffusers.AutoencoderKL", "hub_id": str(tmp_path / "vae"), "revision": None}
    stage = stage_of(folder, drop=["text_encoder_2"], components={"vae": vae})
    made = load_pipeline(stage, "random", CPU, torch.float32)
    assert made.text_encoder is made.text_encoder_2 is None
    assert type(made.vae).__name__ == "AutoencoderKL"


def test_a_text_encoder_that_is_no_clip_is_made_with_its_tokenizer(folder):
    from diffusers import PixArtAlphaPipeline, PixArtTransformer2DModel
    from transformers import T5Config, T5EncoderModel, T5TokenizerFast

    letters = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), *((letter, -3.0) for letter in "▁acelst")]
    transformer = PixArtTransformer2DModel(
        num_attention_heads=2, attention_head_dim=8, cross_attention_dim=16, caption_channels=16, num_layers=1,
        sample_size=8, use_additional_conditions=False,
    )  # fmt: skip
    parts = load_pipeline(stage_of(folder), "random", CPU, torch.float32).components
    PixArtAlphaPipeline(
        tokenizer=T5TokenizerFast(vocab=letters, extra_ids=0),
        text_encoder=T5EncoderModel(T5Config(vocab_size=32, d_model=16, d_kv=8, d_ff=32, num_layers=1, num_heads=2)),
        vae=parts["vae"], transformer=transformer, scheduler=parts["scheduler"],
    ).save_pretrained(folder / "pixart")  # fmt: skip
    for weights in (folder / "pixart").rglob("*.safetensors"):
        weights.unlink()
    stage = stage_of(folder / "pixart", **{"class": "PixArtAlphaPipeline"})
    made = load_pipeline(stage, "random", CPU, torch.float32)
    options = {"output_type": "pt", "use_resolution_binning": False, "clean_caption": False}
    image = made("a castle", num_inference_steps=2, **options).images[0]
    assert torch.isfinite(image).all()


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"unet": ["my_unet", "UNet"]}, "unet: found UNet of 'my_unet', expected a class of diffusers or transformers"),
        ({"unet": ["os", "system"]}, "unet: found system of 'os', expected a class of diffusers or transformers"),
        ({"_class_name": ["my_pipeline", "MyPipeline"]}, "_class_name: found ['my_pipeline', 'MyPipeline'], expected"),
        ({"tokenizer": ["transformers", "AutoTokenizer"]}, "tokenizer: found class transformers.AutoTokenizer"),
    ],
)
def test_code_of_others_is_refused_in_one_line(folder, keys, message):
    edit(folder / "model_index.json", **keys)
    with pytest.raises(SetupError) as caught:
        load_pipeline(stage_of(folder), "random", CPU, torch.float32)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_class_that_this_release_lacks_is_n_a(folder):
    edit(folder / "model_index.json", unet=["diffusers", "UNetOfTomorrow"])
    with pytest.raises(Unsupported, match="has no class UNetOfTomorrow"):
        load_pipeline(stage_of(folder), "random", CPU, torch.float32)


def test_what_is_missing_is_one_line(folder):
    (folder / "scheduler/scheduler_config.json").unlink()
    with pytest.raises(
        SetupError, match="scheduler: diffusers.EulerDiscreteScheduler cannot be made from the files of "
    ):
        load_pipeline(stage_of(folder), "random", CPU, torch.float32)
    with pytest.raises(SetupError, match="ControlNetPipeline needs a component 'controlnet', found none"):
        stage = stage_of(folder, **{"class": "StableDiffusionXLControlNetPipeline"})
        load_pipeline(stage, "random", CPU, torch.float32)
    edit(folder / "unet/config.json", quantization_config={"quant_method": "bitsandbytes"})
    with pytest.raises(SetupError, match="unet: found quantized weights"):
        load_pipeline(stage_of(folder), "random", CPU, torch.float32)
    (folder / "model_index.json").unlink()
    with pytest.raises(SetupError, match="model_index.json: missing; expected a pipeline in the layout of Diffusers"):
        load_pipeline(stage_of(folder), "random", CPU, torch.float32)


def test_where_the_configuration_comes_from_is_part_of_the_definition(tmp_path):
    import yaml

    from conftest import ROOT

    shutil.copytree(ROOT / "config", tmp_path / "config")
    stage = {
        "class": "StableDiffusionPipeline", "hub_id": "a/b", "revision": "0" * 40, "fp16_variant": "fp16", "gated": True,
        "components": {"vae": {"class": "diffusers.AutoencoderKL", "hub_id": "c/d", "revision": "1" * 40}},
        "drop": ["tokenizer"], "modules": ["unet"], "steps": 2, "call": {},
    }  # fmt: skip

    def definition(**keys):
        entry = {"label": "new", "stages": [{**stage, **keys}]}
        (tmp_path / "config/pipelines.yaml").write_text(yaml.safe_dump({"new": entry}))
        return resolve("new", 1, "eager", "random", "full", root=tmp_path)

    (resolved,) = definition()["stages"]
    assert {key: resolved[key] for key in PRETRAINED_KEYS if key in resolved} == {
        key: stage[key] for key in ("hub_id", "revision", "components", "drop")
    }
    changes = [{"hub_id": "a/c"}, {"revision": "2" * 40}, {"components": {}}, {"drop": []}]
    assert len({digest(definition(**keys)) for keys in [{}, *changes]}) == 5
    assert digest(definition(fp16_variant=None)) == digest(definition())
