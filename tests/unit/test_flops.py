"""The work of a denoising step: operations and bytes of single layers, as one counts them by hand."""

from types import SimpleNamespace

import pytest
import torch

from diffbench.measurement.flops import MIB, WorkRecorder


class Attention(torch.nn.Module):
    """One layer of scaled dot-product attention, 8 wide, with 2 heads, without output projection."""

    def __init__(self):
        super().__init__()
        self.query, self.key, self.value = (torch.nn.Linear(8, 8, bias=False) for _ in range(3))

    def forward(self, sample):
        parts = [layer(sample).unflatten(-1, (2, 4)).transpose(1, 2) for layer in (self.query, self.key, self.value)]
        return torch.nn.functional.scaled_dot_product_attention(*parts).transpose(1, 2).flatten(2)


class Wrapped(torch.nn.Module):
    """A denoiser that is called by name and gives a mapping, as those of Diffusers do."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, sample, scale=None):
        return {"sample": self.layer(sample)}


def work_of(dtype=torch.float32, **modules_and_inputs):
    """(FLOP, bytes) of one call of each module with its input, as the recorder's columns give them."""
    modules = {name: module.to(dtype) for name, (module, _) in modules_and_inputs.items()}
    pipeline = SimpleNamespace(**modules)
    recorder = WorkRecorder(pipeline, list(modules))
    recorder.watch(pipeline)
    for name, (_, sample) in modules_and_inputs.items():
        modules[name](sample.to(dtype))
    columns = recorder.columns()
    return round(columns["step_gflop"] * 1e9), round(columns["step_mib"] * MIB)


@pytest.mark.parametrize(("dtype", "element_bytes"), [(torch.float32, 4), (torch.bfloat16, 2)])
@pytest.mark.parametrize("batch", [1, 3])
def test_a_linear_layer(dtype, element_bytes, batch):
    flop, moved = work_of(dtype, unet=(torch.nn.Linear(16, 32), torch.ones(batch, 5, 16)))
    assert flop == 2 * batch * 5 * 16 * 32  # a multiplication and an addition for each weight and token
    elements = (16 * 32 + 32) + batch * 5 * 16 + batch * 5 * 32  # weight and bias, input, output
    assert moved == element_bytes * elements


def test_a_convolution():
    layer = torch.nn.Conv2d(3, 8, kernel_size=3, stride=2, padding=1)
    flop, moved = work_of(unet=(layer, torch.ones(2, 3, 16, 16)))
    assert flop == 2 * (2 * 8 * 8 * 8) * (3 * 3 * 3)  # each of 2 x 8 x 8 x 8 outputs: 3 channels of 3 x 3
    assert moved == 4 * ((8 * 3 * 9 + 8) + 2 * 3 * 16 * 16 + 2 * 8 * 8 * 8)


def test_attention():
    tokens, batch = 6, 2
    flop, moved = work_of(unet=(Attention(), torch.ones(batch, tokens, 8)))
    projections = 3 * 2 * batch * tokens * 8 * 8
    products = 2 * batch * 2 * 2 * tokens * tokens * 4  # queries by keys, weights by values; 2 heads, 4 wide
    assert flop == projections + products
    assert moved == 4 * (3 * 8 * 8 + 2 * batch * tokens * 8)


def test_modules_add_up_and_a_mapping_is_an_output():
    layer, sample = torch.nn.Linear(16, 16, bias=False), torch.ones(1, 16)
    flop, moved = work_of(unet=(Wrapped(layer), sample), controlnet=(torch.nn.Linear(16, 16, bias=False), sample))
    assert flop == 2 * (2 * 16 * 16)
    assert moved == 2 * 4 * (16 * 16 + 16 + 16)


def test_the_work_is_that_of_the_plain_module_whatever_a_variant_makes_of_it():
    pipeline = SimpleNamespace(unet=torch.nn.Linear(16, 32))
    recorder = WorkRecorder(pipeline, ["unet"])
    pipeline.unet = torch.compile(pipeline.unet, backend="eager")
    recorder.watch(pipeline)
    for rows in (4, 7):  # the first call counts
        pipeline.unet(torch.ones(rows, 16))
    columns = recorder.columns()
    assert columns["step_gflop"] == pytest.approx(2 * 4 * 16 * 32 / 1e9)
    assert columns["step_mib"] == pytest.approx(4 * (16 * 32 + 32 + 4 * 16 + 4 * 32) / MIB)


def test_what_one_round_has_counted_the_next_reads(tmp_path, monkeypatch):
    pipeline = SimpleNamespace(unet=torch.nn.Linear(16, 32))
    recorder = WorkRecorder(pipeline, ["unet"])
    recorder.watch(pipeline)
    pipeline.unet(torch.ones(4, 16))
    columns = recorder.columns_once(tmp_path / "work-1.json")
    assert columns == recorder.columns() and columns["step_gflop"] > 0
    monkeypatch.delattr(WorkRecorder, "columns")
    assert recorder.columns_once(tmp_path / "work-1.json") == columns


def test_a_count_that_cannot_be_kept_or_read_is_made_again(tmp_path):
    pipeline = SimpleNamespace(unet=torch.nn.Linear(16, 32))
    recorder = WorkRecorder(pipeline, ["unet"])
    recorder.watch(pipeline)
    pipeline.unet(torch.ones(4, 16))
    paths = [tmp_path / "nowhere/work-1.json"]
    for number, text in enumerate(("{", "{}", "[1, 2]", '{"step_gflop": 1}', '{"step_gflop": null, "step_mib": 1}')):
        paths.append(tmp_path / f"work-{number}.json")
        paths[-1].write_text(text)
    for path in paths:
        assert recorder.columns_once(path) == recorder.columns()
