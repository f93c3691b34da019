"""Flat coordinates on solids, and the anti-aliased building blocks of flat patterns."""

from dataclasses import dataclass

import torch
from torch import Tensor

from marigold_scenes import layout
from marigold_scenes.hashing import lattice_bits
from marigold_scenes.patterns.texture import TexturePoints


@dataclass(frozen=True)
class Plane:
    """Coordinates [N] in metres on the plane that a surface faces, turned by an angle; `w` is the distance from it.

    Before the turn, u runs along z where the plane faces x and along x elsewhere; v runs along z where it faces y and
    along y elsewhere, so that it points up on walls.
    """

    u: Tensor
    v: Tensor
    w: Tensor
    faces: Tensor
    """[3, N]: 1 for the axis that the plane faces, else 0."""
    turn: tuple[Tensor, Tensor]
    """Cosine and sine of the angle."""

    def lift(self, along_u: Tensor, along_v: Tensor, along_w: Tensor | None = None) -> Tensor:
        """A vector given along u, v and w (or 0) as a vector [3, N] in object axes."""
        c, s = self.turn
        a, b = c * along_u - s * along_v, s * along_u + c * along_v
        w = torch.zeros_like(a) if along_w is None else along_w
        # u and v run along the two axes that the plane does not face, w along the third.
        on_x, on_y, on_z = self.faces
        return torch.stack([torch.lerp(a, w, on_x), torch.lerp(b, w, on_y), on_x * a + on_y * b + on_z * w])


def facing(normal: Tensor) -> Tensor:
    """[3, N]: 1 for the object axis that the normal [3, N] is closest to, 0 for the others."""
    x, y, z = normal.abs()
    on_x = (x > torch.maximum(y, z)).float()
    on_y = (y > z).float() * (1 - on_x)
    return torch.stack([on_x, on_y, 1 - on_x - on_y])


def flat(points: TexturePoints, faces: Tensor | None = None) -> Plane:
    """Coordinates on the plane that the surface faces, or that `faces` [3, N] names, turned by the material's angle."""
    faces = facing(points.normal) if faces is None else faces
    x, y, z = points.point
    on_x, on_y, _ = faces
    # Turned by the angle: (c a + s b, c b - s a)
    a, b = torch.lerp(x, z, on_x), torch.lerp(y, z, on_y)
    c, s = points[layout.ANGLE].cos(), points[layout.ANGLE].sin()
    return Plane(c * a + s * b, c * b - s * a, (faces * points.point).sum(0), faces, (c, s))


def pulse(x: Tensor, duty: Tensor | float, width: Tensor) -> Tensor:
    """How much of a box of this `width` [N] around `x` [N] lies in [0, duty] modulo 1: an anti-aliased pulse train."""
    # The integral of the pulse train over the box, by its antiderivative
    width = width.clamp(min=0.01)
    return (_area(x + width / 2, duty) - _area(x - width / 2, duty)) / width


def line(x: Tensor, duty: Tensor | float, width: Tensor) -> Tensor:
    """Like `pulse`, but centred on the whole numbers: joints between the cells of a grid."""
    return pulse(x + duty / 2, duty, width)


def band(x: Tensor, low: Tensor | float, high: Tensor | float, width: Tensor) -> Tensor:
    """How much of a box of this `width` [N] around `x` [N] lies between `low` and `high`."""
    half = width.clamp(min=1e-4) / 2
    return ((torch.minimum(x + half, _like(x, high)) - torch.maximum(x - half, _like(x, low))) / (2 * half)).clamp(0, 1)


def cell_bits(i: Tensor, j: Tensor, seed: Tensor) -> Tensor:
    """A hash of integer coordinates held in floats [N]; bits 0 to 23 are good."""
    return lattice_bits(i.int(), j.int(), seed, seed)


def odd(whole: Tensor) -> Tensor:
    """1 where a whole number held in a float is odd, else 0."""
    return whole - 2 * torch.floor(whole / 2)


def _area(x: Tensor, duty: Tensor | float) -> Tensor:
    whole = torch.floor(x)
    return whole * duty + torch.minimum(x - whole, _like(x, duty))


def _like(x: Tensor, value: Tensor | float) -> Tensor:
    return value if isinstance(value, Tensor) else torch.full_like(x, value)
