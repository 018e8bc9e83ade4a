"""Random weights are the same numbers in every dtype, with any number of threads and at any place; their digest says so."""

from functools import cache

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from diffbench.catalogue.definition import RANDOM_WEIGHTS, architecture, resolve
from diffbench.catalogue.schema_checks import read_catalogue
from diffbench.data.outputs import read_output
from diffbench.measurement import random_weights
from diffbench.measurement.load import cast, create_component, create_module, load_pipeline
from diffbench.measurement.random_weights import Draw, Normal, RandomWeights, Uniform
from diffbench.measurement.weights_digest import weights_digest
from diffbench.statistics.fidelity import compare_outputs
from stages import run_stages

pytestmark = pytest.mark.slow

CPU = torch.device("cpu")
ARCHITECTURES = {
    stage["architecture"]: stage
    for pipeline in read_catalogue("pipelines").values()
    for stage in pipeline["stages"]
    if "architecture" in stage
}
EXACT = {  # what IEEE 754 and integers define to the last bit
    *("arange", "empty", "empty_like", "zeros", "view", "slice", "copy_", "_to_copy"),
    *("add", "add_", "sub_", "mul_", "clamp_", "bitwise_right_shift", "bitwise_right_shift_"),
    *("bitwise_xor_", "bitwise_and_", "sum", "detach", "alias", "as_strided", "__rshift__", "__irshift__"),
}


@cache
def component(name, part, dtype):
    components = architecture(name, "tiny")["components"]
    return create_component(part, components[part], components, CPU, dtype)


def modules_of(name):
    parts = {part: component(name, part, torch.float32) for part in architecture(name, "tiny")["components"]}
    return [part for part, made in parts.items() if isinstance(made, torch.nn.Module)]


@pytest.mark.parametrize(
    ("name", "dtype"), [*((name, torch.bfloat16) for name in ARCHITECTURES), ("stable-diffusion-v1-5", torch.float16)]
)
def test_half_precision_has_the_rounded_weights_of_float32_bit_for_bit(name, dtype):
    for part in modules_of(name):
        exact, rounded = (component(name, part, kind) for kind in (torch.float32, dtype))
        assert rounded.weights_digest == exact.weights_digest is not None
        for key, weight in rounded.state_dict().items():
            assert torch.equal(weight, exact.state_dict()[key].to(weight.dtype)), (part, key)


def hashed(draw, count):
    """The random bits of a draw, computed by NumPy."""
    first, second = (np.uint32(key % 2**32) for key in draw.keys)
    x = np.arange(count, dtype=np.uint32) + first
    x ^= x >> 16
    x = x * np.uint32(0x7FEB352D) ^ second
    x ^= x >> 15
    x *= np.uint32(0x846CA68B)
    return x ^ x >> 16


def test_the_numbers_are_those_of_the_hash():
    draw = Draw("unet", 3, Uniform(-0.5, 1.5), (1000,))
    tensor = torch.empty(1000)
    total = draw.fill(tensor)
    steps = (hashed(draw, 1000).view(np.int32) >> 8).astype(np.float32)
    expected = steps * np.float32(2 / 2**24) + np.float32(0.5)
    assert np.array_equal(tensor.numpy(), expected)
    assert int(total) == expected.view(np.int32).sum(dtype=np.int64)
    draw = Draw("unet", 4, Normal(1.0, 0.02), (1000,))
    draw.fill(tensor)
    sums = hashed(draw, 1000).view(np.uint8).reshape(1000, 4).sum(axis=1).astype(np.int32) - 510
    scale = np.float32(0.02 / np.sqrt(4 * (256**2 - 1) / 12))
    assert np.array_equal(tensor.numpy(), sums.astype(np.float32) * scale + np.float32(1))


@pytest.mark.parametrize("chunk", [7, 1000, 2**18])
@pytest.mark.parametrize("distribution", [Uniform(-1, 1), Normal()])
def test_threads_and_chunks_change_no_number(monkeypatch, chunk, distribution):
    draw, threads = Draw("vae", 0, distribution, (61, 997)), torch.get_num_threads()
    plain, other = torch.empty(61, 997), torch.empty(61, 997)
    total = draw.fill(plain)
    monkeypatch.setitem(random_weights.CHUNK, "cpu", chunk)
    try:
        torch.set_num_threads(1 if threads > 1 else 2)
        assert torch.equal(total, draw.fill(other))
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(plain, other)


def test_the_memory_format_changes_no_number():
    shape = (8, 4, 3, 3)
    draw, plain = Draw("unet", 0, Normal(), shape), torch.empty(shape)
    last = torch.empty(shape, dtype=torch.float16).to(memory_format=torch.channels_last)
    assert torch.equal(draw.fill(plain), draw.fill(last))
    assert torch.equal(plain.half(), last) and last.stride() == last.to(memory_format=torch.channels_last).stride()


class Operations(TorchDispatchMode):
    """Notes the names of all operations and the dtypes of what they give."""

    def __init__(self):
        super().__init__()
        self.names, self.dtypes = set(), set()

    def __torch_dispatch__(self, function, types, arguments=(), keys=None):
        self.names.add(function.overloadpacket.__name__)
        result = function(*arguments, **(keys or {}))
        self.dtypes.add(getattr(result, "dtype", None))
        return result


@pytest.mark.parametrize("distribution", [Uniform(0, 3), Normal(1, 2, (-1, 3))])
def test_only_operations_that_every_device_computes_alike_are_used(distribution):
    tensor = torch.empty(3, 50, dtype=torch.bfloat16)
    with Operations() as seen:
        Draw("unet", 0, distribution, tensor.shape).fill(tensor)
    assert seen.names <= EXACT
    assert seen.dtypes - {None} <= {torch.int32, torch.int64, torch.float32, torch.bfloat16}


@pytest.mark.parametrize(
    ("distribution", "mean", "deviation", "edges"),
    [
        (Uniform(-1, 3), 1, 4 / 12**0.5, (-1, 3)),
        (Normal(2, 0.5), 2, 0.5, (0.25, 3.75)),
        (Normal(0, 1, (-2, 2)), 0, 0.972, (-2, 2)),
    ],
)
def test_mean_deviation_and_edges_are_what_was_asked_for(distribution, mean, deviation, edges):
    values = torch.empty(2**20)
    Draw("unet", 1, distribution, values.shape).fill(values)
    assert values.mean().item() == pytest.approx(mean, abs=5 * deviation / 2**10)
    assert values.std().item() == pytest.approx(deviation, rel=0.01)
    assert edges[0] <= values.min() and values.max() <= edges[1]


def test_draws_are_independent_of_each_other_and_of_their_order():
    values = torch.empty(4, 2**18)
    for number, row in enumerate(values):
        Draw("unet" if number < 3 else "vae", number % 3, Normal(), row.shape).fill(row)
    shifted = torch.stack([*values, values[0].roll(1), values[0].roll(2**10)])
    correlations = torch.corrcoef(shifted) - torch.eye(len(shifted))
    assert correlations.abs().max() < 6 / 2**9


class Truncated(torch.nn.Module):
    """Draws as vision transformers do."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.empty(64, 64))
        torch.nn.init.trunc_normal_(self.weight, std=0.02)
        self.scaled = torch.nn.Parameter(torch.randn(64) / 64**0.5)
        self.like = torch.nn.Parameter(torch.rand_like(self.scaled))


class Foreign(torch.nn.Module):
    """Draws in a way that random_weights.py does not know."""

    def __init__(self):
        super().__init__()
        self.mask = torch.nn.Parameter(torch.bernoulli(torch.full((64,), 0.5)))


def made(kind, dtype):
    default = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with RandomWeights("part") as weights:
            module = kind()
    finally:
        torch.set_default_dtype(default)
    return cast(module, dtype, weights), weights.digest(module)


def test_ways_of_drawing_that_no_miniature_uses():
    (exact, digest), (rounded, same) = made(Truncated, torch.float32), made(Truncated, torch.bfloat16)
    assert digest == same
    assert all(torch.equal(weight.bfloat16(), other) for weight, other in zip(exact.parameters(), rounded.parameters()))
    assert exact.weight.std().item() == pytest.approx(0.02, rel=0.1)
    assert made(Foreign, torch.float32)[1] is None
    assert "_no_grad_trunc_normal_" in vars(torch.nn.init) and torch.nn.init._no_grad_trunc_normal_.__module__ == (
        "torch.nn.init"
    )


def digest_of(dtype, pipeline="sd-txt2img", change=None):
    (stage,) = resolve(pipeline, 1, "eager", "random", "tiny")["stages"]
    pipeline = load_pipeline(stage, "random", CPU, dtype)
    if change:
        change(pipeline)
    return weights_digest(stage, "random", pipeline)


def test_the_digest_is_of_the_numbers_drawn_and_not_of_what_is_made_of_them():
    digest = digest_of(torch.float32)
    assert len(digest) == 12 and int(digest, 16) >= 0

    def transform(pipeline):
        pipeline.unet = torch.compile(pipeline.unet.to(memory_format=torch.channels_last), backend="eager")

    assert digest == digest_of(torch.bfloat16) == digest_of(torch.float16, change=transform)
    assert digest != digest_of(torch.float32, "sd-controlnet"), "it has a ControlNet as well"

    def other(pipeline):
        description = architecture("stable-diffusion-v1-5", "tiny")["components"]["vae"]
        pipeline.vae = create_module("another", description["class"], description["config"], CPU, torch.float32)

    assert digest != digest_of(torch.float32, change=other)


def test_of_pretrained_weights_the_digest_is_that_of_commit_or_files(tmp_path):
    (stage,) = resolve("sd-txt2img", 1, "eager", "random", "tiny")["stages"]
    load_pipeline(stage, "random", CPU, torch.float32).save_pretrained(tmp_path / "saved", safe_serialization=True)
    local = {"class": stage["class"], "hub_id": str(tmp_path / "saved"), "revision": None}
    digests = {
        weights_digest(local, "pretrained", load_pipeline(local, "pretrained", CPU, dtype))
        for dtype in (torch.float32, torch.bfloat16)
    }
    assert len(digests) == 1
    (tmp_path / "saved").rename(tmp_path / "moved")
    local["hub_id"] = str(tmp_path / "moved")
    assert {weights_digest(local, "pretrained", None)} == digests
    file = tmp_path / "moved/unet/diffusion_pytorch_model.safetensors"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    assert {weights_digest(local, "pretrained", None)} != digests
    hub = {"hub_id": "owner/name", "revision": "1" * 40}
    controlled = {**hub, "components": {"controlnet": {"hub_id": "owner/other", "revision": "2" * 40}}}
    other = {**hub, "revision": "3" * 40}
    assert len({weights_digest(source, "pretrained", None) for source in (hub, controlled, other)}) == 3


def test_rows_have_the_digest_and_half_precision_makes_the_image_of_float32(tmp_path):
    digests, outputs = {}, {}
    for variant in ("eager", "fp16", "bf16"):
        (tmp_path / variant).mkdir()
        (outcome,) = run_stages(tmp_path / variant, variant=variant, steps=5)
        assert outcome.status == "ok", outcome.detail
        digests[variant], outputs[variant] = outcome.columns["weights_digest"], read_output(tmp_path / variant, 1)
    assert len(set(digests.values())) == 1 and digests["eager"]
    for variant in ("fp16", "bf16"):
        assert compare_outputs(outputs[variant], outputs["eager"])["psnr_db"] > 40, variant


def test_rows_of_other_random_weights_have_another_definition():
    assert resolve("sd-txt2img", 1, "eager", "random", "tiny")["random_weights"] == RANDOM_WEIGHTS
    assert "random_weights" not in resolve("sd-txt2img", 1, "eager", "pretrained", "full")
