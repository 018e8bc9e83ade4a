"""Which weights a digest tells apart."""

import hashlib
from types import SimpleNamespace

import pytest
import torch

from diffbench.measurement.weights_digest import file_digest, weights_digest

HUB = {"hub_id": "owner/name", "revision": "1" * 40}


def pipeline(**digests):
    components = {"tokenizer": object()}
    for name, digest in digests.items():
        components[name] = torch.nn.Linear(1, 1)
        if digest is not None:
            components[name].weights_digest = digest
    return SimpleNamespace(components=components)


def test_random_weights_are_those_of_all_modules_by_name():
    digest = weights_digest({}, "random", pipeline(unet="a", vae="b"))
    assert len(digest) == 12 and int(digest, 16)
    assert digest == weights_digest({}, "random", pipeline(vae="b", unet="a")), "in whatever order"
    others = (pipeline(unet="b", vae="a"), pipeline(unet="a"), pipeline(unet="a", vae="c"), pipeline(unet="a", vqe="b"))
    assert len({digest, *(weights_digest({}, "random", other) for other in others)}) == 5


def test_weights_that_a_class_drew_in_its_own_way_are_unknown():
    assert weights_digest({}, "random", pipeline(unet="a", vae=None)) is None


@pytest.mark.parametrize(
    "other",
    [
        {**HUB, "revision": "2" * 40},
        {**HUB, "hub_id": "owner/other"},
        {**HUB, "components": {"vae": HUB}},
        {**HUB, "components": {"unet": HUB}},
        {**HUB, "components": {"vae": {**HUB, "revision": "2" * 40}}},
    ],
)
def test_pretrained_weights_are_those_of_every_hub_id_and_commit(other):
    assert weights_digest(HUB, "pretrained", None) == weights_digest(dict(HUB), "pretrained", None)
    assert weights_digest(other, "pretrained", None) != weights_digest(HUB, "pretrained", None)


def test_a_folder_is_what_its_weight_files_hold_and_are_called(tmp_path):
    def digest():
        return weights_digest({"hub_id": str(tmp_path)}, "pretrained", None)

    (tmp_path / "unet").mkdir()
    (tmp_path / "unet/a.safetensors").write_bytes(b"1")
    before = digest()
    (tmp_path / "unet/config.json").write_text("{}")
    assert digest() == before, "no weights"
    (tmp_path / "unet/a.safetensors").write_bytes(b"2")
    assert digest() != before
    (tmp_path / "unet/a.safetensors").write_bytes(b"1")
    (tmp_path / "unet/a.safetensors").rename(tmp_path / "unet/b.safetensors")
    assert digest() != before


def test_a_file_is_hashed_to_its_end(tmp_path):
    content = bytes(range(256)) * (2**14 + 1)  # a block of 4 MiB, and 256 bytes
    (tmp_path / "file").write_bytes(content)
    assert file_digest(tmp_path / "file") == hashlib.sha256(content).hexdigest()
