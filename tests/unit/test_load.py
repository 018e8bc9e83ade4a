"""Pipelines as they are loaded for real: pretrained weights from a folder, and random ones."""

from conftest import ROOT
from running import measure, rows_of


def test_pretrained_weights_load_from_a_folder_as_safetensors_only(tmp_path):
    """The real loading code, on a miniature pipeline saved to disk by Diffusers itself."""
    import torch
    import yaml

    from diffbench.catalogue.definition import resolve
    from diffbench.measurement.load import load_pipeline

    stage = resolve("sd-txt2img", 1, "eager", "random", "tiny")["stages"][0]
    saved = tmp_path / "saved"
    load_pipeline(stage, "random", torch.device("cpu"), torch.float32).save_pretrained(saved, safe_serialization=True)

    root = tmp_path / "root"
    for folder in ("config", "resources"):
        (root / folder).symlink_to(ROOT / folder) if folder == "resources" else (root / folder).mkdir(parents=True)
    for kind in ("gpus", "variants"):
        (root / "config" / f"{kind}.yaml").write_text((ROOT / "config" / f"{kind}.yaml").read_text())
    pipelines = yaml.safe_load((ROOT / "config/pipelines.yaml").read_text(encoding="utf-8"))
    pipelines["sd-txt2img"]["stages"][0].update(hub_id=str(saved), revision=None, steps=4)
    (root / "config/pipelines.yaml").write_text(yaml.safe_dump(pipelines))

    options = ["--weights", "pretrained", "--root", root, "--calls", 1]
    result = measure(tmp_path / "out", *options)
    assert result.returncode == 0, result.stderr
    (row,) = rows_of(tmp_path / "out")
    assert (row["status"], row["weights"], row["iterations"]) == ("ok", "pretrained", "4")

    weights = saved / "unet/diffusion_pytorch_model.safetensors"
    weights.rename(weights.with_name("diffusion_pytorch_model.bin"))
    result = measure(tmp_path / "pickled", *options)
    assert result.returncode == 1
    assert "cannot be loaded as safetensors" in result.stderr


def test_components_do_not_depend_on_each_other_and_controlnet_has_an_effect():
    import torch

    from diffbench.catalogue.definition import resolve
    from diffbench.measurement.load import load_pipeline

    def load(pipeline):
        stage = resolve(pipeline, 1, "eager", "random", "tiny")["stages"][0]
        return load_pipeline(stage, "random", torch.device("cpu"), torch.float32)

    plain, controlled = load("sd-txt2img"), load("sd-controlnet")
    first, second = (next(pipeline.unet.parameters()) for pipeline in (plain, controlled))
    assert torch.equal(first, second)
    for name, layer in controlled.controlnet.named_modules():
        if isinstance(layer, torch.nn.Conv2d):
            assert layer.weight.any(), name
