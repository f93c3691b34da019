"""Random numbers without a state: integer hashes of coordinates, the same on every device.

Everything is int32 arithmetic that wraps, so the number of a pixel or a lattice point depends on its coordinates alone.
The mixing steps are the multiply-and-shift rounds of 32-bit integer hashes (constants of `lowbias32` by C. Wellons).
"""

import torch
from torch import Tensor

_FIRST, _SECOND = 0x7FEB352D, 0x846CA68B - (1 << 32)
_GOLDEN = 0x9E3779B9 - (1 << 32)


def hash_unit(*ints: Tensor) -> Tensor:
    """Uniform numbers in [0, 1), float32: one for each tuple of integers, which broadcast against each other.

    `ints` are int32 or int64 tensors; all 64 bits count.
    """
    return unit(hash_bits(*ints))


def hash_bits(*ints: Tensor) -> Tensor:
    """32 well mixed bits (int32) for each tuple of integers, which broadcast against each other."""
    bits = _mix(_words(ints[0]) + _GOLDEN)
    for more in ints[1:]:
        bits = _mix(bits * 5 + _words(more))
    return bits


def unit(bits: Tensor) -> Tensor:
    """The upper 24 of 32 bits as a float32 in [0, 1)."""
    return ((bits >> 8) & 0xFFFFFF).float() * 2.0**-24


def lattice_bits(i: Tensor, j: Tensor, k: Tensor, seed: Tensor) -> Tensor:
    """A cheaper hash of int32 lattice coordinates; bits 0 to 23 are good enough for gradients and jitter."""
    bits = (i * 0x2C1B3C6D) ^ (j * 0x297A2D39) ^ (k * 0x1B56C4E9) ^ seed
    bits = bits * _FIRST
    bits = (bits ^ (bits >> 15)) * _SECOND
    return bits ^ (bits >> 16)


def byte(bits: Tensor, which: int) -> Tensor:
    """One of three independent numbers in 0 to 1 from the lower 24 bits of a hash."""
    mask = 0xFF << (8 * which)
    return (bits & mask).float().mul_(1 / mask)


def three_bytes(bits: Tensor) -> Tensor:
    """Three independent numbers in 0 to 1 [..., 3, N] from the lower 24 bits of hashes [..., N]."""
    shift = torch.arange(0, 24, 8, device=bits.device, dtype=torch.int32).unsqueeze(-1)
    return ((bits.unsqueeze(-2) >> shift) & 0xFF).float().mul_(1 / 255)


def _words(value: Tensor) -> Tensor:
    """Any integer tensor as int32; the upper half of a 64-bit number is folded into the lower half."""
    if value.dtype != torch.int64:
        return value.to(torch.int32)
    # Upper half times a constant, into the lower half; then two's complement by hand
    folded = (value ^ ((value >> 32) * 0x9E3779B1)) & 0xFFFFFFFF
    return ((folded ^ 0x80000000) - 0x80000000).to(torch.int32)


def _mix(bits: Tensor) -> Tensor:
    bits = (bits ^ ((bits >> 16) & 0xFFFF)) * _FIRST
    bits = (bits ^ ((bits >> 15) & 0x1FFFF)) * _SECOND
    return bits ^ ((bits >> 16) & 0xFFFF)
