"""The lines that a user pastes: run for real on miniatures, they make what was measured, bit for bit."""

import ast
import inspect
import re

import diffusers
import numpy as np
import pytest
import torch
import yaml

from conftest import ROOT
from diffbench.catalogue.definition import catalogue, recipe_of
from diffbench.measurement.inputs import make_image
from diffbench.mechanisms.caching import NEED_TIMESTEP, TIMESTEP_CALLBACK
from diffbench.mechanisms.registry import compiles
from diffbench.tables.recipe import write_recipe
from pasting import embedded, measured, paste_same, run_code, state_of

TRANSFORMER = [  # what a UNet cannot do, and what a transformer does in another way
    # FasterCache fails in a model without a second pass for guidance
    *(name for name in catalogue("variants") if "caching" in recipe_of(name) and name != "faster-cache"),
    *("bf16", "fused", "ladder-8-int8", "inference-mode", "bitsandbytes-int8"),
]
SIZE = {"prompt_embeds": [1, 8, 32], "pooled_prompt_embeds": [1, 32]}
FLUX = {
    "label": "Flux",
    "stages": [
        {
            "class": "FluxPipeline",
            "hub_id": "somebody/flux",
            "revision": None,
            "architecture": "miniature",
            "modules": ["transformer"],
            "blocks": ["FluxTransformerBlock"],
            "steps": 6,
            "call": {name: {"make": "normal", "shape": shape} for name, shape in SIZE.items()}
            | {"height": 32, "width": 32},
        }
    ],
}
MINIATURE = {
    "components": {
        "transformer": {
            "class": "diffusers.FluxTransformer2DModel",
            "config": {
                "in_channels": 16,
                "num_layers": 2,
                "num_single_layers": 2,
                "attention_head_dim": 16,
                "num_attention_heads": 2,
                "joint_attention_dim": 32,
                "pooled_projection_dim": 32,
                "axes_dims_rope": [4, 4, 8],
            },
        },
        "vae": {
            "class": "diffusers.AutoencoderKL",
            "config": {
                "block_out_channels": [32, 32],
                "down_block_types": ["DownEncoderBlock2D"] * 2,
                "up_block_types": ["UpDecoderBlock2D"] * 2,
                "latent_channels": 4,
                "scaling_factor": 0.5,
                "shift_factor": 0.1,
            },
        },
        "scheduler": {"class": "diffusers.FlowMatchEulerDiscreteScheduler"},
        **dict.fromkeys(["text_encoder", "tokenizer", "text_encoder_2", "tokenizer_2"]),
    }
}


@pytest.fixture(scope="module")
def flux(tmp_path_factory):
    """The root of a project whose catalogue has a miniature transformer."""
    root = tmp_path_factory.mktemp("root")
    (root / "config").mkdir()
    (root / "config/pipelines.yaml").write_text(yaml.safe_dump({"flux": FLUX}), encoding="utf-8")
    (root / "config/variants.yaml").symlink_to(ROOT / "config/variants.yaml")
    (root / "resources/architectures/tiny").mkdir(parents=True)
    (root / "resources/architectures/tiny/miniature.yaml").write_text(yaml.safe_dump(MINIATURE), encoding="utf-8")
    return root


@pytest.fixture
def compilations(monkeypatch):
    """The modules that torch compiles, and how; none is compiled."""
    listed, plain = [], torch.compile

    def compile_nothing(module=None, **options):
        if not isinstance(module, torch.nn.Module):  # a function of a library
            return plain(module, **options)
        listed.append((type(module).__name__, options))
        return module

    monkeypatch.setattr(torch, "compile", compile_nothing)
    monkeypatch.setattr(torch.nn.Module, "compile", lambda module, **options: compile_nothing(module, **options))
    return listed


@pytest.mark.parametrize("variant", catalogue("variants"))
def test_the_lines_change_a_pipeline_as_the_variant_does(monkeypatch, compilations, variant):
    """Every variant that this device and these packages can do."""
    batch_size = 2 if recipe_of(variant).get("vae") == "slicing" else 1
    stage, names = paste_same(monkeypatch, "sd-txt2img", variant, batch_size=batch_size)
    assert state_of(names["pipe"]) == state_of(stage.pipeline)
    half = len(compilations) // 2
    assert bool(half) == compiles(recipe_of(variant))
    assert compilations[:half] == compilations[half:]


def test_what_is_loaded_as_the_lines_say_warns_of_no_deprecation(tmp_path):
    stage, image, dtype = measured("sd-txt2img", "eager", ROOT)
    stage.pipeline.save_pretrained(tmp_path)
    code = write_recipe("sd-txt2img", 1, "eager", str(dtype).replace("torch.", ""), "cpu")
    code = re.sub(r'from_pretrained\("[^"]*"', f'from_pretrained("{tmp_path}"', code)
    names = {}
    run_code(
        re.sub(r"num_inference_steps=\d+", f"num_inference_steps={stage.arguments['num_inference_steps']}", code), names
    )
    assert np.asarray(names["images"][0]).std() > 0
    with pytest.raises(FutureWarning, match="torch_dtype"):
        run_code(code.replace("(dtype=", "(torch_dtype=").replace(" dtype=", " torch_dtype="), {})


@pytest.mark.parametrize(
    ("diffusers_version", "name"), [("0.39.0", "torch_dtype"), ("0.40.0", "dtype"), ("0.42.1", "dtype"), ("", "dtype")]
)
def test_the_dtype_is_named_as_the_release_does(diffusers_version, name):
    code = write_recipe("sd-controlnet", 1, "eager", diffusers_version=diffusers_version)
    assert re.findall(r"(\w+)=torch.float16", code) == [name, name]


@pytest.mark.parametrize("pipeline", ["sd-img2img", "sd-controlnet", "sdxl-txt2img"])
@pytest.mark.parametrize("variant", ["sdpa-math"])
def test_other_pipelines_with_their_inputs(monkeypatch, tmp_path, pipeline, variant):
    monkeypatch.chdir(tmp_path)
    make_image(16, 16, 1).save("image.png")
    paste_same(monkeypatch, pipeline, variant)


@pytest.mark.slow
@pytest.mark.parametrize("variant", ["regional"])
def test_the_lines_make_what_was_measured_compiled(monkeypatch, variant):
    paste_same(monkeypatch, "sd-txt2img", variant, is_compiled=True)


@pytest.mark.parametrize("variant", TRANSFORMER)
def test_the_lines_change_a_transformer_as_the_variant_does(monkeypatch, flux, compilations, variant):
    stage, names = paste_same(monkeypatch, "flux", variant, flux, embedded)
    assert state_of(names["pipe"]) == state_of(stage.pipeline)
    assert names["pipe"].transformer.is_cache_enabled == ("caching" in recipe_of(variant))
    half = len(compilations) // 2
    assert compilations[:half] == compilations[half:]


@pytest.mark.parametrize(
    ("own", "blocks"),
    [
        (None, 2),
        (["Absent"], 2),
        (["FluxSingleTransformerBlock"], 2),
        (["FluxTransformerBlock", "FluxSingleTransformerBlock"], 4),
    ],
)
def test_blocks_of_the_catalogue_replace_those_that_a_class_lacks(monkeypatch, flux, compilations, own, blocks):
    monkeypatch.setattr(diffusers.FluxTransformer2DModel, "_repeated_blocks", own)
    stage, names = paste_same(monkeypatch, "flux", "regional", flux, embedded)
    assert len(compilations) == 2 * blocks and compilations[:blocks] == compilations[blocks:]
    assert state_of(names["pipe"]) == state_of(stage.pipeline)


@pytest.mark.parametrize("pipeline", ["sd-controlnet", "if"])
@pytest.mark.parametrize("batch_size", [1, 4])
def test_the_lines_of_every_variant_are_python(pipeline, batch_size):
    for variant in catalogue("variants"):
        for device in ("cuda", "cpu"):
            ast.parse(write_recipe(pipeline, batch_size, variant, "bfloat16", device))


def test_the_lines_of_every_pipeline_are_python():
    for pipeline in catalogue("pipelines"):
        code = write_recipe(pipeline, 2, "ladder-8-int8")
        ast.parse(code)
        assert "num_inference_steps=" in code and "from_pretrained(" in code


def test_caches_that_ask_for_the_timestep_are_known():
    classes = {name: getattr(diffusers, name) for name in dir(diffusers) if name.endswith("Config")}
    ask = {name for name, kind in classes.items() if TIMESTEP_CALLBACK in inspect.signature(kind).parameters}
    assert ask == set(NEED_TIMESTEP).intersection(classes)


def test_what_only_a_gpu_does():
    assert 'pipe.enable_model_cpu_offload(device="cuda")' in write_recipe("sd-txt2img", 1, "offload-model")
    assert 'pipe.to("cuda")' not in write_recipe("sd-txt2img", 1, "offload-model")
    assert "allow_tf32 = True" in write_recipe("sd-txt2img", 1, "tf32", "float32")
    assert "Linear4bit(layer.in_features" in write_recipe("sd-txt2img", 1, "bitsandbytes-nf4")
    assert 'replay_graphs(pipe.unet, torch.device("cuda"))' in write_recipe("sd-txt2img", 1, "cuda-graph")


def test_a_batch_is_asked_for():
    assert "num_images_per_prompt=4," in write_recipe("sd-txt2img", 4, "eager")
    assert "num_images_per_prompt" not in write_recipe("sd-txt2img", 1, "eager")
