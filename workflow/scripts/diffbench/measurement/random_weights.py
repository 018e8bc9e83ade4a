"""Random weights that are the same numbers on every device, in every dtype and wherever they are created.

Torch's generators give other numbers on a CPU than on a GPU, and on a CPU other ones in half precision than in float32.
Here element i of the n-th draw of a component is a hash of i, n and the component's name. It takes integer operations, an
exact conversion to float32, at most one multiplication and one addition in float32, which IEEE 754 defines to the last bit,
and then the rounding to the requested dtype. Operations that devices compute differently are not used (logarithms, cosines,
sums of floats).
"""

from __future__ import annotations

import hashlib
import struct
from typing import TYPE_CHECKING, Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

if TYPE_CHECKING:
    from collections.abc import Iterable

# Elements at a time. On a CPU as many as torch leaves to one thread: with several, each of the operations would wait for the
# slowest, which on a busy machine takes ten times as long. On a GPU enough to keep it busy, at 64 MiB of working memory.
CHUNK = {"cpu": 2**15, "cuda": 2**22}
FIRST_FACTOR, SECOND_FACTOR = 0x7FEB352D, 0x846CA68B  # of "lowbias32" (C. Wellons, "Prospecting for Hash Functions")
DEVIATION_OF_BYTES = (4 * (256**2 - 1) / 12) ** 0.5  # standard deviation of the sum of four random bytes
aten = torch.ops.aten


def to_int32(number: int) -> int:
    """The signed integer with the low 32 bits of `number`."""
    return (number + 2**31) % 2**32 - 2**31


def to_float32(number: float) -> float:
    """The float32 nearest to `number`, so that devices do not round it differently."""
    return struct.unpack("f", struct.pack("f", number))[0]


class Uniform:
    """From `low` (included) to `high`, in 2**24 steps."""

    def __init__(self, low: float = 0.0, high: float = 1.0) -> None:
        self.scale, self.middle = to_float32((high - low) / 2**24), to_float32((low + high) / 2)

    def transform(self, bits: torch.Tensor, spare: torch.Tensor, values: torch.Tensor) -> None:
        """Write to `values` (float32) the numbers for the random `bits` (int32; overwritten, as is `spare`)."""
        values.copy_(bits.bitwise_right_shift_(8))  # 24 bits: float32 has them exactly
        values.mul_(self.scale)
        if self.middle:
            values.add_(self.middle)


class Normal:
    """Approximately normal: the sum of four random bytes, scaled. It ends 3.5 standard deviations from the mean, or at
    `bounds`."""

    def __init__(self, mean: float = 0.0, deviation: float = 1.0, bounds: tuple[float, float] | None = None) -> None:
        self.scale, self.mean = to_float32(deviation / DEVIATION_OF_BYTES), to_float32(mean)
        self.bounds = bounds and tuple(map(to_float32, bounds))

    def transform(self, bits: torch.Tensor, spare: torch.Tensor, values: torch.Tensor) -> None:
        """As Uniform.transform."""
        torch.bitwise_right_shift(bits, 8, out=spare).bitwise_and_(0x00FF00FF)
        bits.bitwise_and_(0x00FF00FF).add_(spare)  # two sums of two bytes
        torch.bitwise_right_shift(bits, 16, out=spare)
        values.copy_(bits.bitwise_and_(0xFFFF).add_(spare).sub_(2 * 255))
        values.mul_(self.scale)
        if self.mean:
            values.add_(self.mean)
        if self.bounds:
            values.clamp_(*self.bounds)


class Draw:
    """One draw: its `keys` (two int32), its distribution and its shape."""

    def __init__(self, name: str, number: int, distribution: Uniform | Normal, shape: Iterable[int]) -> None:
        words = hashlib.sha256(f"{name} {number}".encode()).digest()[:8]
        self.keys, self.distribution, self.shape = struct.unpack("<ii", words), distribution, tuple(shape)

    def fill(self, tensor: torch.Tensor) -> torch.Tensor:
        """Fill `tensor`, of any floating dtype and memory format. Returns the sum (int64, on the device) of the bits of the
        float32 values, which does not depend on the order of addition."""
        if not tensor.is_contiguous():
            values = torch.empty(self.shape, dtype=torch.float32, device=tensor.device)
            total = self.fill(values)
            tensor.copy_(values)
            return total
        flat, device = tensor.view(-1), tensor.device
        length = min(len(flat), CHUNK.get(device.type, CHUNK["cuda"]))
        indices = torch.arange(length, dtype=torch.int32, device=device)
        bits, spare = torch.empty_like(indices), torch.empty_like(indices)
        values = torch.empty(length, dtype=torch.float32, device=device)
        total = torch.zeros((), dtype=torch.int64, device=device)
        for start in range(0, len(flat), max(length, 1)):
            chunk = flat[start : start + length]
            parts = [part[: len(chunk)] for part in (indices, bits, spare, values)]
            self.mix(start, *parts[:3])
            self.distribution.transform(*parts[1:])
            total += parts[3].view(torch.int32).sum()
            chunk.copy_(parts[3])
        return total

    def mix(self, start: int, indices: torch.Tensor, bits: torch.Tensor, spare: torch.Tensor) -> None:
        """Write to `bits` the hash of each index from `start` on. 32-bit integers wrap around."""
        torch.add(indices, to_int32(start + self.keys[0]), out=bits)
        bits.bitwise_xor_(torch.bitwise_right_shift(bits, 16, out=spare).bitwise_and_(0xFFFF))
        bits.mul_(FIRST_FACTOR).bitwise_xor_(self.keys[1])
        bits.bitwise_xor_(torch.bitwise_right_shift(bits, 15, out=spare).bitwise_and_(0x1FFFF))
        bits.mul_(to_int32(SECOND_FACTOR))
        bits.bitwise_xor_(torch.bitwise_right_shift(bits, 16, out=spare).bitwise_and_(0xFFFF))


FILLED = {aten.uniform_.default: Uniform, aten.normal_.default: Normal}  # in place
CREATED = {aten.rand.default: Uniform, aten.randn.default: Normal}  # of a shape
CREATED_LIKE = {aten.rand_like.default: Uniform, aten.randn_like.default: Normal}  # of another tensor's shape


class RandomWeights(TorchDispatchMode):
    """The context in which a component's class creates it: all random numbers of the class come from here, in the order of
    its requests and with the requested distributions.

    A random tensor that is created without a dtype is float32, whatever the default is, because the class may then scale
    it. Without `draws` the memory stays uninitialized.
    """

    def __init__(self, name: str, draws: bool = True) -> None:
        super().__init__()
        self.name, self.draws, self.has_foreign = name, draws, False
        self.sums: list[int] = []
        self.latest: dict[int, Draw] = {}

    def __enter__(self) -> RandomWeights:
        self.torch_own = torch.nn.init._no_grad_trunc_normal_
        torch.nn.init._no_grad_trunc_normal_ = self.fill_truncated  # torch's calls what devices compute differently
        return super().__enter__()

    def __exit__(self, *exception: Any) -> None:
        torch.nn.init._no_grad_trunc_normal_ = self.torch_own
        return super().__exit__(*exception)

    def __torch_dispatch__(self, function: Any, types: Any, arguments: Any = (), keys: Any = None) -> Any:
        keys = keys or {}
        if function in FILLED:
            return self.fill(arguments[0], FILLED[function](*arguments[1:]))
        if function in CREATED or function in CREATED_LIKE:
            is_like = function in CREATED_LIKE
            shape, device = (arguments[0].shape, arguments[0].device) if is_like else (arguments[0], None)
            device, dtype = keys.get("device") or device, keys.get("dtype") or torch.float32
            tensor = torch.empty(shape, dtype=dtype, device=device)
            return self.fill(tensor, (CREATED_LIKE if is_like else CREATED)[function]())
        self.has_foreign |= torch.Tag.nondeterministic_seeded in function.tags
        return function(*arguments, **keys)

    def fill(self, tensor: torch.Tensor, distribution: Uniform | Normal) -> torch.Tensor:
        """The next draw, in place; nothing on the meta device, which stores no numbers."""
        if self.draws and not tensor.is_meta:
            draw = Draw(self.name, len(self.sums), distribution, tensor.shape)
            self.sums.append(int(draw.fill(tensor)))
            self.latest[tensor.data_ptr()] = draw
        return tensor

    def fill_truncated(
        self, tensor: torch.Tensor, mean: float, std: float, a: float, b: float, generator: Any = None
    ) -> torch.Tensor:
        """Replaces the function of torch.nn.init with these parameters."""
        with torch.no_grad():
            return self.fill(tensor, Normal(mean, std, (a, b)))

    def in_float32(self, tensor: torch.Tensor) -> torch.Tensor:
        """The unrounded float32 values of a draw that `tensor` contains; otherwise `tensor` in float32."""
        draw = self.latest.get(tensor.data_ptr())
        if tensor.dtype == torch.float32 or draw is None or draw.shape != tuple(tensor.shape):
            return tensor.float()
        values = torch.empty_like(tensor, dtype=torch.float32)
        draw.fill(values)
        return values if torch.equal(values.to(tensor.dtype), tensor) else tensor.float()

    def digest(self, module: torch.nn.Module) -> str | None:
        """A hash of the unrounded float32 values of all draws, and of the parameters' names and shapes; None if the class
        drew numbers in another way."""
        if self.has_foreign:
            return None
        shapes = [(name, tuple(parameter.shape)) for name, parameter in module.named_parameters()]
        text = repr((shapes, self.sums))
        return hashlib.sha256(text.encode()).hexdigest()
