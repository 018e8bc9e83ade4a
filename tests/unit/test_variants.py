"""Every mechanism of a variant for real, on miniatures: it took effect and the row says how, or it is n/a with its reason."""

import importlib.util
import re
from importlib.metadata import version

import numpy as np
import pytest

from diffbench.catalogue.definition import catalogue, recipe_of
from diffbench.vocabulary.errors import DiffbenchError
from running import measure, rows_of
from stages import run_stages


def lacks(method):
    """Whether this release of Diffusers has no such method of a UNet: then what takes it is n/a."""
    import diffusers

    return not hasattr(diffusers.UNet2DConditionModel, method)


@pytest.fixture(scope="module")
def eager(tmp_path_factory):
    """The folder of the baseline's outputs, and its outcome."""
    folder = tmp_path_factory.mktemp("eager")
    (outcome,) = run_stages(folder)
    assert outcome.status == "ok", outcome.detail
    return folder, outcome


def measured(folder, *arguments, **keys):
    """The columns of a cell of one stage that must be ok."""
    (outcome,) = run_stages(folder, *arguments, **keys)
    assert outcome.status == "ok", outcome
    return outcome.columns


def refused(folder, *arguments, **keys):
    """The reason for a cell's first stage being n/a."""
    outcome = run_stages(folder, *arguments, **keys)[0]
    assert (outcome.status, outcome.columns["phase"]) == ("unsupported", "load"), outcome
    return outcome.detail


def latents(folder):
    return np.load(folder / "stage-1.npy", allow_pickle=False)


@pytest.mark.slow
def test_regional_compilation_is_measured_where_there_are_blocks_and_n_a_elsewhere(tmp_path):
    first, second, upscaler = run_stages(tmp_path, "if", "regional")
    assert (first.status, second.status) == ("unsupported", "unsupported")
    if lacks("compile_repeated_blocks"):
        assert "has no compile_repeated_blocks for UNet2DConditionModel" in upscaler.detail
        return
    assert "finds no blocks to compile in this UNet2DConditionModel" in first.detail
    assert upscaler.status == "ok", upscaler.detail
    assert (upscaler.columns["graph_breaks"], upscaler.columns["recompilations"]) == (0, 0)
    assert upscaler.columns["graphs"] >= 1 and upscaler.columns["step_gflop"] > 0
    evidence = upscaler.columns["evidence"]
    ran, there = re.search(r"(\d+) of (\d+) BasicTransformerBlock of unet compiled", evidence).groups()
    assert "regional by diffusers" in evidence and 0 < int(ran) == int(there)


@pytest.mark.parametrize(
    ("variant", "method", "evidence"),
    [
        ("no-sdpa", "set_default_attn_processor", "attention by AttnProcessor;"),
        ("fused", "fuse_qkv_projections", "attention by FusedAttnProcessor2_0"),
        ("sdpa-math", "set_attn_processor", "denoiser call: 8 x math"),
    ],
)
def test_another_attention_is_another_computation_of_the_same(tmp_path, eager, variant, method, evidence):
    if lacks(method):
        assert method in refused(tmp_path, variant=variant)
        return
    columns, base = measured(tmp_path, variant=variant), eager[1].columns
    assert f"denoiser call: {columns['attention_kernels']}" in columns["evidence"]
    assert (columns.get("step_gflop"), columns.get("step_mib")) == (base.get("step_gflop"), base.get("step_mib"))
    assert evidence in columns["evidence"]
    assert np.allclose(latents(tmp_path), latents(eager[0]), atol=1e-3), "beyond rounding"
    if variant == "no-sdpa":
        assert not np.array_equal(latents(tmp_path), latents(eager[0])), "the same bits: it had no effect"
        assert "denoiser call: none that is fused" in columns["evidence"]


def test_kernels_are_told_by_their_names_in_a_profile():
    from diffbench.mechanisms.attention_kernels import kernels_of

    flash, math = "aten::_scaled_dot_product_flash_attention", "aten::_scaled_dot_product_attention_math"
    assert kernels_of({"aten::mm": 3, flash: 8}) == {"flash": 8}
    assert kernels_of({flash + "_for_cpu": 8, "aten::scaled_dot_product_attention": 8}) == {"flash_for_cpu": 8}
    assert kernels_of({math: 2, "aten::_scaled_dot_product_efficient_attention": 1}) == {"math": 2, "efficient": 1}
    assert kernels_of({flash: 1, "void pytorch_flash::flash_fwd_kernel<>": 1}) == {"flash": 1}
    assert kernels_of({"fmha_cutlassF_f16_aligned_64x64_rf_sm80(PyTorchMemEffAttention::Ker": 4, "gemm": 9}) == {
        "efficient": 4
    }
    library = "void flash::flash_fwd_kernel<>"
    assert kernels_of({library: 4}) == {library: 4}
    split = {"pytorch_flash::flash_fwd_splitkv_kernel<>": 16, "pytorch_flash::flash_fwd_splitkv_combine_kernel<>": 16}
    assert kernels_of(split) == {"flash": 16}
    # of a replayed graph on an H200, one name a head size
    on_h200 = "cudnn_generated_fort_native_sdpa_sm90_flash_fprop_wgmma_f16_"
    assert kernels_of({on_h200 + "one": 20, on_h200 + "other": 12}) == {"cudnn": 32}
    assert kernels_of({"aten::bmm": 8, "aten::softmax": 4}) == {}


def test_projections_that_cannot_be_fused_are_n_a(tmp_path):
    assert "fuse_qkv_projections" in refused(tmp_path, "if", "fused", batch_size=2)


@pytest.mark.parametrize(
    ("variant", "reason"),
    [
        ("sdpa-efficient", "efficient attention runs only on CUDA devices"),
        ("sdpa-cudnn", "cudnn attention runs only on CUDA devices"),
        ("tf32", "this device has no TF32"),
        ("offload-model", "there is nothing to offload"),
        ("cuda-graph", "CUDA graphs require a CUDA device"),
        ("compile-cudagraphs", "this device has none"),
        ("vae-slicing", "a batch of 1 image has nothing to slice"),
    ],
)
def test_what_the_device_or_the_batch_cannot_do_is_n_a(tmp_path, variant, reason):
    assert reason in refused(tmp_path, variant=variant)


@pytest.mark.parametrize(
    ("variant", "package"),
    [
        ("xformers", "xformers"),
        ("flash-attention-2", "flash_attn"),
        ("sage-attention", "sageattention"),
        ("int8-weight-only", "torchao"),
        ("bitsandbytes-int8", "bitsandbytes"),
    ],
)
def test_a_library_that_is_not_installed_is_n_a(tmp_path, variant, package):
    if importlib.util.find_spec(package):
        pytest.skip(f"{package} is installed")
    (outcome,) = run_stages(tmp_path, variant=variant)
    assert outcome.status == "unsupported", outcome


@pytest.mark.parametrize(("variant", "dtype"), [("fp16", "float16"), ("bf16", "bfloat16")])
def test_the_row_has_the_dtype_of_the_weights(tmp_path, variant, dtype):
    assert measure(tmp_path, "--calls", 1, "--max-calls", 1, variant=variant).returncode == 0
    (row,) = rows_of(tmp_path)
    assert row["dtype"] == dtype
    if row["status"] == "unsupported":  # torch 2.0 has few kernels for them on a CPU
        assert "not implemented for" in row["detail"]
        return
    assert row["status"] == "ok", row["detail"]
    assert f"dtype {dtype}" in row["evidence"]


def test_half_is_what_the_catalogue_says_of_the_pipeline_also_on_a_cpu():
    import torch

    from diffbench.mechanisms.dtype import choose_dtype

    cpu = torch.device("cpu")
    assert choose_dtype({}, {}, cpu) is torch.float32
    assert choose_dtype({"dtype": "bfloat16"}, {}, cpu) is torch.float32
    assert choose_dtype({}, {"dtype": "half"}, cpu) is torch.float16
    assert choose_dtype({"dtype": "bfloat16"}, {"dtype": "half"}, cpu) is torch.bfloat16


def test_inference_mode_is_seen_in_the_denoisers_output(tmp_path, eager):
    assert "output is an inference tensor" in measured(tmp_path, variant="inference-mode")["evidence"]
    assert np.array_equal(latents(tmp_path), latents(eager[0]))


def test_fewer_steps_of_another_scheduler(tmp_path):
    (outcome,) = run_stages(tmp_path, variant="lcm-4")
    if outcome.status == "unsupported":
        assert "has no class LCMScheduler" in outcome.detail
        return
    assert outcome.status == "ok", outcome
    columns = outcome.columns
    assert (columns["iterations"], columns["denoiser_calls"]) == (4, 4)
    assert "scheduler LCMScheduler, 4 steps" in columns["evidence"]


def test_slicing_decodes_image_by_image_and_tiling_without_effect_is_invalid(tmp_path):
    evidence = measured(tmp_path, variant="vae-slicing", batch_size=2)["evidence"]
    assert "its decoder called 2 times, 1 of 2 images at once" in evidence
    (outcome,) = run_stages(tmp_path, variant="vae-tiling")
    assert outcome.status == "invalid"
    assert "VAE tiling had no effect" in outcome.detail


def test_quantized_weights_are_named_and_their_work_is_not_counted(tmp_path, eager):
    pytest.importorskip("torchao")
    columns = measured(tmp_path, variant="int8-weight-only")
    assert re.search(r"quantized \d+ weights to Int8Tensor of int8", columns["evidence"])
    assert "step_gflop" not in columns
    assert not np.array_equal(latents(tmp_path), latents(eager[0]))


def test_a_quantization_that_the_device_cannot_do_is_n_a(tmp_path):
    pytest.importorskip("torchao")
    assert "torchao cannot quantize UNet2DConditionModel in this way: Float8 dynamic" in refused(
        tmp_path, variant="fp8-dynamic"
    )


@pytest.mark.slow
def test_compiling_names_the_graphs_of_each_module(tmp_path):
    (outcome,) = run_stages(tmp_path, variant="compile-vae")
    if outcome.status == "unsupported":
        assert "cannot compile on Python" in outcome.detail
        return
    # what torch 2.0 compiles for a CPU reads memory that it has not written: at times that holds NaN
    if version("torch").startswith("2.0.") and outcome.detail == "the denoiser returned NaN or infinity":
        return
    assert outcome.status == "ok", outcome.detail
    assert "graphs: 1 of unet, 1 of vae.decoder" in outcome.columns["evidence"]


def test_a_text_encoder_that_is_not_there_cannot_be_compiled(tmp_path):
    assert run_stages(tmp_path, "if", "compile-all", batch_size=2)[0].status == "unsupported"


def test_a_model_without_a_cache_is_n_a(tmp_path):
    assert "enable_cache" in refused(tmp_path, variant="first-block-cache")


@pytest.mark.parametrize("variant", list(catalogue("variants")))
def test_every_variant_resolves_to_what_it_applies(variant):
    recipe = recipe_of(variant)
    assert recipe and not {"base", "label", "group"} & set(recipe)


def test_null_takes_away_what_the_base_has():
    assert "compile" in recipe_of("ladder-6-compile")
    assert "compile" not in recipe_of("ladder-7-regional")


def test_bases_that_lead_back_are_one_line(project):
    project.edit("config/variants.yaml", lambda variants: variants["eager"].update(base="compile-default"))
    with pytest.raises(DiffbenchError, match="eager: its bases lead back to eager"):
        recipe_of("eager", project.folder)


def test_weights_of_convolutions_over_frames_have_a_layout_of_their_own():
    import torch

    from diffbench.mechanisms.memory_format import set_memory_format

    class Pipeline:
        unet = torch.nn.Sequential(torch.nn.Conv3d(4, 4, 3), torch.nn.Conv2d(4, 4, 3), torch.nn.Linear(4, 4))

        def modules(self):
            return {"unet": self.unet}

    assert set_memory_format(Pipeline(), "channels_last") == "channels_last weights of 2 convolutions"
    assert Pipeline.unet[0].weight.is_contiguous(memory_format=torch.channels_last_3d)
    assert Pipeline.unet[1].weight.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize(("one", "other"), [("compile", "regional"), ("cuda_graph", "caching")])
def test_mechanisms_that_undo_each_other_are_refused(project, one, other):
    project.edit("config/variants.yaml", lambda variants: variants["eager"].update({one: {}, other: {}}))
    with pytest.raises(DiffbenchError, match=f"eager: {one} and {other} do not go together"):
        recipe_of("eager", project.folder)


def test_a_scheduler_that_is_there_already_is_no_variant(tmp_path):
    if lacks("enable_freeu"):
        pytest.skip("this release has no LCM")
    assert "already has LCMScheduler" in refused(tmp_path, "lcm", "lcm-4")


def test_weights_are_cast_as_from_pretrained_casts_them():
    """What a class keeps in float32 stays so, and so do buffers that are no weights."""
    import torch

    from diffbench.measurement.load import cast
    from diffbench.measurement.random_weights import RandomWeights

    class Model(torch.nn.Module):
        _keep_in_fp32_modules = ["norm"]

        @classmethod
        def from_config(cls):
            return cls()

        def __init__(self):
            super().__init__()
            self.norm, self.layer = torch.nn.LayerNorm(4), torch.nn.Linear(4, 4)
            self.register_buffer("rotary", torch.ones(4), persistent=False)

    model = cast(Model(), torch.bfloat16, RandomWeights("model"))
    assert {name: weight.dtype for name, weight in model.named_parameters() if name.endswith("weight")} == {
        "norm.weight": torch.float32,
        "layer.weight": torch.bfloat16,
    }
    assert model.rotary.dtype is torch.float32
