"""Inputs generated from seeds: images, masks, embeddings, a tokenizer. Nothing is downloaded."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from diffbench.vocabulary.errors import SetupError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from PIL.Image import Image as PILImage

CLIP_CONTEXT = 77


KINDS = ("image", "mask", "normal", "ones", "repeat")


def make_image(height: int, width: int, seed: int = 0) -> PILImage:
    """An RGB PIL image of this size in pixels: smooth random colors, the same for the same seed."""
    from PIL import Image

    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand((1, 3, 8, 8), generator=generator)
    smooth = torch.nn.functional.interpolate(coarse, (height, width), mode="bilinear", align_corners=False)
    pixels = (smooth[0].permute(1, 2, 0) * 255).round().to(torch.uint8)
    return Image.frombytes("RGB", (width, height), bytes(pixels.flatten().tolist()))


def make_mask(height: int, width: int) -> PILImage:
    """An 8-bit grey PIL image of this size in pixels: white (to be painted) in the middle half, black around it."""
    from PIL import Image, ImageDraw

    mask = Image.new("L", (width, height), 0)
    ImageDraw.Draw(mask).rectangle((width // 4, height // 4, 3 * width // 4 - 1, 3 * height // 4 - 1), fill=255)
    return mask


class InputMaker:
    """Makes the arguments of a call. `size` is the (height, width) in pixels of images and masks that name no size, or
    None. `batch` in a shape means `batch_size`."""

    def __init__(self, size: tuple[int, int] | None, batch_size: int, device: torch.device, dtype: torch.dtype) -> None:
        self.size, self.batch_size, self.device, self.dtype = size, batch_size, device, dtype

    def make(self, value: Any) -> Any:
        """The value of one argument: itself, or the object that its `make:` describes. Raises SetupError if that is not
        possible."""
        if not (isinstance(value, dict) and "make" in value):
            return value
        kind = value["make"]
        if kind not in KINDS:
            raise SetupError(f"an input says 'make: {kind}'; expected one of {', '.join(KINDS)}")
        return getattr(self, "make_" + kind)(value)

    def size_of(self, value: Mapping[str, Any]) -> tuple[int, int]:
        if "size" in value:
            return value["size"], value["size"]
        if self.size is None:
            reason = f"an input says 'make: {value['make']}', but the pipeline has no own size"
            raise SetupError(f"{reason}; give it a 'size'")
        return self.size

    def shape_of(self, value: Mapping[str, Any]) -> list[int]:
        return [self.batch_size if length == "batch" else length for length in value["shape"]]

    def make_image(self, value: Mapping[str, Any]) -> PILImage:
        return make_image(*self.size_of(value), value.get("seed", 0))

    def make_mask(self, value: Mapping[str, Any]) -> PILImage:
        return make_mask(*self.size_of(value))

    def make_normal(self, value: Mapping[str, Any]) -> torch.Tensor:
        generator = torch.Generator().manual_seed(value.get("seed", 0))
        return torch.randn(self.shape_of(value), generator=generator).to(self.device, self.dtype)

    def make_ones(self, value: Mapping[str, Any]) -> torch.Tensor:
        """A mask of tokens without padding: integers, as from a tokenizer, or in the run's dtype."""
        dtype = self.dtype if value.get("floating") else torch.int64
        return torch.ones(self.shape_of(value), dtype=dtype, device=self.device)

    def make_repeat(self, value: Mapping[str, Any]) -> list[Any]:
        """A list with the value once per image of the batch."""
        return [self.make(value["value"])] * self.batch_size


def byte_symbols() -> list[str]:
    """The 256 printable characters that byte-level BPE assigns to bytes (as in GPT-2 and CLIP)."""
    kept = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [byte for byte in range(256) if byte not in kept]
    return [chr(byte) for byte in kept] + [chr(256 + index) for index in range(len(others))]


def make_clip_tokenizer(tokenizer_class: Any, vocabulary_size: int) -> Any:
    """A CLIP tokenizer without merges: bytes, bytes that end a word, fillers, and the start and end marks as the last two
    ids."""
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
