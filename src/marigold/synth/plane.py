"""Flat coordinates on solids, and the anti-aliased building blocks of flat patterns."""

from dataclasses import dataclass

import torch
from torch import Tensor

from marigold.synth.hashing import lattice_bits
from marigold.synth.noise import Vector

# The object axes that run along u, v and w when the third axis of the plane is x, y or z. On walls v points up.
_U_AXIS, _V_AXIS = (2, 0, 0), (1, 2, 1)


@dataclass(frozen=True)
class Plane:
    """Coordinates [N] in metres on the plane that a surface faces, turned by an angle; `w` is the distance from it."""

    u: Tensor
    v: Tensor
    w: Tensor
    third: Tensor
    """[N] int32: the object axis along `w`."""
    turn: tuple[Tensor, Tensor]
    """Cosine and sine of the angle."""

    def lift(self, along_u: Tensor, along_v: Tensor, along_w: Tensor | None = None) -> Vector:
        """A vector given along u, v and w (or 0) as a vector in object axes."""
        c, s = self.turn
        a, b = c * along_u - s * along_v, s * along_u + c * along_v
        w = torch.zeros_like(a) if along_w is None else along_w
        x, y = self.third == 0, self.third == 1
        return torch.where(x, w, a), torch.where(y, w, b), torch.where(x, a, torch.where(y, b, w))


def facing(normal: Vector) -> Tensor:
    """The object axis [N] (int32) that the normal is closest to."""
    x, y, z = (c.abs() for c in normal)
    return torch.where((x > y) & (x > z), 0, torch.where(y > z, 1, 2)).int()


def plane(point: Vector, third: Tensor, angle: Tensor) -> Plane:
    """Flat coordinates of object points [N] whose third axis is `third` [N], turned by `angle` [N] (radians)."""
    x, y, z = point
    on_x, on_y = third == 0, third == 1
    a, b = torch.where(on_x, z, x), torch.where(on_y, z, y)
    w = torch.where(on_x, x, torch.where(on_y, y, z))
    c, s = angle.cos(), angle.sin()
    return Plane(c * a + s * b, c * b - s * a, w, third, (c, s))


def pulse(x: Tensor, duty: Tensor | float, width: Tensor) -> Tensor:
    """How much of a box of this `width` [N] around `x` [N] lies in [0, duty] modulo 1: an anti-aliased pulse train."""
    width = width.clamp(min=0.01)
    return (_area(x + width / 2, duty) - _area(x - width / 2, duty)) / width


def band(x: Tensor, low: Tensor | float, high: Tensor | float, width: Tensor) -> Tensor:
    """How much of a box of this `width` [N] around `x` [N] lies between `low` and `high`."""
    half = width.clamp(min=1e-4) / 2
    return ((torch.minimum(x + half, _like(x, high)) - torch.maximum(x - half, _like(x, low))) / (2 * half)).clamp(0, 1)


def cell_bits(i: Tensor, j: Tensor, seed: Tensor) -> Tensor:
    """A hash of integer coordinates held in floats [N]; bits 0 to 23 are good."""
    return lattice_bits(i.int(), j.int(), torch.zeros_like(seed), seed)


def byte(bits: Tensor, which: int) -> Tensor:
    """One of three independent numbers in 0 to 1 from a hash."""
    return ((bits >> (8 * which)) & 0xFF) * (1 / 255)


def _area(x: Tensor, duty: Tensor | float) -> Tensor:
    whole = torch.floor(x)
    return whole * duty + torch.minimum(x - whole, _like(x, duty))


def _like(x: Tensor, value: Tensor | float) -> Tensor:
    return value if isinstance(value, Tensor) else torch.full_like(x, value)
