"""The lines that a user pastes: run for real on miniatures, they make what was measured, bit for bit."""

import ast
import inspect
import re
import warnings

import diffusers
import numpy as np
import pytest
import torch
import yaml

from conftest import ROOT
from diffbench.catalogue.definition import catalogue, resolve
from diffbench.measurement.inputs import make_image
from diffbench.measurement.load import load_pipeline
from diffbench.measurement.stage import Stage
from diffbench.mechanisms.caching import NEED_TIMESTEP
from diffbench.mechanisms.dtype import choose_dtype
from diffbench.tables.recipe import PROMPT, write_recipe
from diffbench.vocabulary.errors import Unsupported

CPU = torch.device("cpu")
EAGER = ["contiguous", "no-sdpa", "fused", "sdpa-math", "bf16", "inference-mode", "int8-weight-only", "dpm-20"]
COMPILED = ["compile", "compile-all", "regional", "regional-accelerate", "compile-int8-weight-only"]
CACHING = ["first-block-cache", "pyramid-attention-broadcast"]
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
            "steps": 4,
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
    """What is compiled by torch and how; nothing is."""
    told = []

    def compile_nothing(module, **options):
        told.append((type(module).__name__, options))
        return module

    monkeypatch.setattr(torch, "compile", compile_nothing)
    monkeypatch.setattr(torch.nn.Module, "compile", lambda module, **options: compile_nothing(module, **options))
    return told


def measured(pipeline, variant, root):
    """The Stage of a miniature after a call, its images and the dtype."""
    definition = resolve(pipeline, 1, variant, "random", "tiny", root=root)
    (description,) = definition["stages"]
    try:
        dtype = choose_dtype(description, definition["variant"], CPU)
        stage = Stage(description, definition, CPU, dtype)
        stage.call(record=True)
    except Unsupported as error:
        pytest.skip(str(error))
    return stage, np.asarray(stage.outputs.images[0]), dtype


def paste(monkeypatch, code, description, **names):
    """Run the lines as they are, but for the steps; what would come from the hub is the miniature. Returns the
    names that they leave."""

    def from_pretrained(name, dtype, **parts):
        assert name == description["hub_id"]
        return load_pipeline(description, "random", CPU, dtype)

    monkeypatch.setattr(getattr(diffusers, description["class"]), "from_pretrained", from_pretrained)
    monkeypatch.setattr(diffusers.ControlNetModel, "from_pretrained", lambda name, dtype: None)
    code = re.sub(r"num_inference_steps=\d+", f"num_inference_steps={description['steps']}", code)
    run_code(code, names)
    return names


def run_code(code, names):
    """Run the lines; a name that is deprecated is an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", FutureWarning)
        exec(compile(code, "pasted", "exec"), names)


def paste_same(monkeypatch, pipeline, variant, root=ROOT, edit=lambda code: code, **names):
    """Assert that the lines make the image that the variant makes when it is measured. Returns the names that they leave."""
    stage, image, dtype = measured(pipeline, variant, root)
    full = resolve(pipeline, 1, variant, "pretrained", "full", root=root)["stages"][0]
    code = edit(write_recipe(pipeline, 1, variant, str(dtype).replace("torch.", ""), "cpu", root))
    names = paste(monkeypatch, code, {**stage.variant.description, "hub_id": full["hub_id"]}, **names)
    assert image.std() > 0
    assert np.array_equal(names["images"][0], image)
    return names


@pytest.mark.parametrize("variant", EAGER)
def test_the_lines_make_what_was_measured(monkeypatch, variant):
    paste_same(monkeypatch, "sd-txt2img", variant)


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


@pytest.mark.parametrize("variant", COMPILED)
def test_the_lines_compile_the_same_modules_with_the_same_options(monkeypatch, compilations, variant):
    paste_same(monkeypatch, "sd-txt2img", variant)
    half = len(compilations) // 2
    assert half and compilations[:half] == compilations[half:]


@pytest.mark.slow
@pytest.mark.parametrize("variant", ["regional"])
def test_the_lines_make_what_was_measured_compiled(monkeypatch, variant):
    paste_same(monkeypatch, "sd-txt2img", variant)


def embedded(code):
    """The lines with the embeddings that were measured in the place of the prompt."""
    assert f'prompt="{PROMPT}",' in code
    return code.replace(f'prompt="{PROMPT}",', "**embeddings,")


def embeddings():
    return {name: torch.randn(shape, generator=torch.Generator().manual_seed(0)) for name, shape in SIZE.items()}


@pytest.mark.parametrize("variant", [*CACHING, "inference-mode", "int8-weight-only"])
def test_the_lines_for_a_transformer(monkeypatch, flux, variant):
    names = paste_same(monkeypatch, "flux", variant, flux, embedded, embeddings=embeddings())
    assert names["pipe"].transformer.is_cache_enabled == (variant in CACHING)


@pytest.mark.parametrize(
    ("own", "blocks"), [(None, 2), (["Absent"], 2), (["FluxTransformerBlock", "FluxSingleTransformerBlock"], 4)]
)
def test_blocks_of_the_catalogue_stand_in_for_those_that_a_class_lacks(monkeypatch, flux, compilations, own, blocks):
    monkeypatch.setattr(diffusers.FluxTransformer2DModel, "_repeated_blocks", own)
    paste_same(monkeypatch, "flux", "regional", flux, embedded, embeddings=embeddings())
    assert len(compilations) == 2 * blocks and compilations[:blocks] == compilations[blocks:]


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
    configs = {variant["caching"]["config"] for variant in catalogue("variants").values() if variant.get("caching")}
    for name in filter(lambda name: hasattr(diffusers, name), configs):
        accepted = inspect.signature(getattr(diffusers, name)).parameters
        assert ("current_timestep_callback" in accepted) == (name in NEED_TIMESTEP), name


def test_what_only_a_gpu_does():
    assert 'pipe.enable_model_cpu_offload(device="cuda")' in write_recipe("sd-txt2img", 1, "offload-model")
    assert 'pipe.to("cuda")' not in write_recipe("sd-txt2img", 1, "offload-model")
    assert "allow_tf32 = True" in write_recipe("sd-txt2img", 1, "tf32", "float32")
    assert "Linear4bit(layer.in_features" in write_recipe("sd-txt2img", 1, "bitsandbytes-nf4")
    assert "from diffbench.mechanisms.cuda_graph import capture_graphs" in write_recipe("sd-txt2img", 1, "cuda-graph")


def test_a_batch_is_asked_for():
    assert "num_images_per_prompt=4," in write_recipe("sd-txt2img", 4, "eager")
    assert "num_images_per_prompt" not in write_recipe("sd-txt2img", 1, "eager")
