"""Inputs made on the spot from seeds: images, masks, embeddings, a tokenizer. Nothing is downloaded."""

import json
import tempfile
from pathlib import Path

import torch

from .errors import SetupError

CLIP_CONTEXT = 77


def make_image(size, seed=0):
    """A PIL image, RGB, size x size pixels: smooth random colours, the same for the same seed."""
    from PIL import Image

    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand((1, 3, 8, 8), generator=generator)
    smooth = torch.nn.functional.interpolate(coarse, (size, size), mode="bilinear", align_corners=False)
    pixels = (smooth[0].permute(1, 2, 0) * 255).round().to(torch.uint8)
    return Image.frombytes("RGB", (size, size), bytes(pixels.flatten().tolist()))


def make_mask(size):
    """A PIL image, 8-bit grey, size x size pixels: white (to be painted) in the middle half, black around it."""
    from PIL import Image, ImageDraw

    mask = Image.new("L", (size, size), 0)
    ImageDraw.Draw(mask).rectangle((size // 4, size // 4, 3 * size // 4 - 1, 3 * size // 4 - 1), fill=255)
    return mask


def make_input(value, image_size, device, dtype):
    """The value of one argument of a call: itself, or what its `make:` describes.

    `image_size` is the pipeline's own size in pixels, for images and masks that name no `size`.
    """
    if not (isinstance(value, dict) and "make" in value):
        return value
    kind, size, seed = value["make"], value.get("size", image_size), value.get("seed", 0)
    if size is None and kind != "normal":
        raise SetupError(f"an input says 'make: {kind}', but the pipeline has no size of its own; give it a 'size'")
    if kind == "image":
        return make_image(size, seed)
    if kind == "mask":
        return make_mask(size)
    if kind == "normal":
        generator = torch.Generator().manual_seed(seed)
        return torch.randn(value["shape"], generator=generator).to(device, dtype)
    raise SetupError(f"an input says 'make: {kind}'; expected image, mask or normal")


def byte_symbols():
    """The 256 printable characters that byte-level BPE gives to the bytes (as in GPT-2 and CLIP)."""
    kept = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [byte for byte in range(256) if byte not in kept]
    return [chr(byte) for byte in kept] + [chr(256 + index) for index in range(len(others))]


def make_clip_tokenizer(tokenizer_class, vocabulary_size):
    """A CLIP tokenizer without merges: bytes, bytes that end a word, fillers, and the two marks as the last two ids."""
    symbols = byte_symbols()
    tokens = symbols + [symbol + "</w>" for symbol in symbols]
    if vocabulary_size < len(tokens) + 2:
        raise SetupError(f"a CLIP tokenizer needs a vocabulary of {len(tokens) + 2} or more, found {vocabulary_size}")
    tokens += [f"<filler-{index}>" for index in range(vocabulary_size - 2 - len(tokens))]
    tokens += ["<|startoftext|>", "<|endoftext|>"]
    with tempfile.TemporaryDirectory() as folder:
        vocabulary = {token: index for index, token in enumerate(tokens)}
        Path(folder, "vocab.json").write_text(json.dumps(vocabulary), encoding="utf-8")
        Path(folder, "merges.txt").write_text("#version: 0.2\n", encoding="utf-8")
        settings = {"model_max_length": CLIP_CONTEXT, "tokenizer_class": "CLIPTokenizer"}
        Path(folder, "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")
        return tokenizer_class.from_pretrained(folder, local_files_only=True)
