"""Band-limited noise in three dimensions with analytic gradients: simplex noise, its octaves, and cells.

Vectors are [3, N] and all corners of a lattice cell are handled at once, so that a few thousand points cost little more
than the launch of some forty kernels. Detail that the image cannot hold fades to its mean: `fade` is the weight of a
feature of some period seen at some footprint.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from marigold_scenes.hashing import lattice_bits, three_bytes

_LACUNARITY = 2.03


@dataclass(frozen=True)
class Cells:
    """The cell of each point among jittered cell centres (Worley 1996)."""

    nearest: Tensor
    """[N] distance to the nearest centre, in cells."""
    edge: Tensor
    """[N] distance to the second nearest minus distance to the nearest: 0 on a border."""
    bits: Tensor
    """[N] int32, a hash of the cell."""
    away: Tensor
    """[3, N] from the nearest centre to the point, in cells."""


def fade(period: Tensor | float, footprint: Tensor) -> Tensor:
    """The weight of detail of this period [N] (m) at this footprint [N] (m): 0 up to two pixels, 1 from four pixels."""
    return (period / (2 * footprint) - 1).clamp(0, 1)


def octaves(
    point: Tensor, period: Tensor, footprint: Tensor, seed: Tensor, count: int, gain: Tensor | float = 0.5
) -> tuple[Tensor, Tensor]:
    """Fractal noise [N] in about -1 to 1 and its gradient [3, N] per `period`, at points [3, N] (m).

    `count` octaves from `period` [N] (m) downwards, each with `gain` times the amplitude of the one before; each fades
    by its own period. `seed` is [N] int32.
    """
    value, slope = torch.zeros_like(period), torch.zeros_like(point)
    amplitude, total, scale = torch.ones_like(period), torch.zeros_like(period), 1.0
    coordinates = point / period
    for octave in range(count):
        # A simplex feature spans about 1.3 lattice units.
        weight = amplitude * fade(period * (1.3 / scale), footprint)
        fine, gradient = simplex(coordinates * scale + 17.3 * octave, seed + octave)
        value = torch.addcmul(value, weight, fine)
        slope = torch.addcmul(slope, weight * scale, gradient)
        total = total + amplitude
        amplitude, scale = amplitude * gain, scale * _LACUNARITY
    return value / total, slope / total


def simplex(point: Tensor, seed: Tensor) -> tuple[Tensor, Tensor]:
    """Simplex noise [N] in about -1 to 1 and its gradient [3, N], for points [3, N], int32 seeds [N] (Perlin 2001)."""
    # Skew into the lattice of cubes, and back: the offset [3, N] from the cube's corner
    base = torch.floor(point + (point[0] + point[1] + point[2]) * (1 / 3))
    offset = point - base + (base[0] + base[1] + base[2]) * (1 / 6)
    steps = _walk(*offset)
    # [4, 3, N] from each corner of the simplex to the point
    inset = torch.arange(4, device=point.device)[:, None, None] * (1 / 6)
    ray = offset - steps.float() + inset
    # A random linear ramp from each corner under a kernel that vanishes at distance sqrt(1/2).
    ramp = three_bytes(_lattice(base.int() + steps, seed)).mul_(140).sub_(70)
    reach = (0.5 - _dot(ray, ray)).clamp_(min=0)
    height = _dot(ramp, ray)
    # sum of w^4 (g . r) with w = 1/2 - r^2; its gradient is w^4 g - 8 w^3 (g . r) r
    square = reach * reach
    kernel, bend = square * square, 8 * square * reach * height
    gradient = kernel.unsqueeze(1) * ramp - bend.unsqueeze(1) * ray
    return (kernel * height).sum(0), gradient.sum(0)


def _lattice(point: Tensor, seed: Tensor) -> Tensor:
    """Hashes [..., N] of lattice points [..., 3, N]."""
    i, j, k = point.unbind(-2)
    return lattice_bits(i, j, k, seed)


def _dot(a: Tensor, b: Tensor) -> Tensor:
    return (a * b).sum(1)


def _walk(x: Tensor, y: Tensor, z: Tensor) -> Tensor:
    """The corners of the simplex as int32 steps [4, 3, N]: none, the axis of the largest offset, the next, all.

    Comparisons are sign bits (0 or -1), several times cheaper than masks of bool.
    """
    x_below_y, y_below_z, x_below_z = (d.view(torch.int32) >> 31 for d in (x - y, y - z, x - z))
    none = torch.zeros_like(x_below_y)
    first = (~(x_below_y | x_below_z), ~y_below_z & x_below_y, x_below_z & y_below_z)
    second = (~(x_below_y & x_below_z), ~y_below_z | x_below_y, x_below_z | y_below_z)
    return -torch.stack([none, none, none, *first, *second, ~none, ~none, ~none]).view(4, 3, -1)


def cells(point: Tensor, seed: Tensor) -> Cells:
    """The nearest two of jittered cell centres, at points [3, N] in cells, with int32 seeds [N]."""
    base = torch.floor(point - 0.5)
    corner = torch.arange(8, device=point.device, dtype=torch.int32)
    steps = (corner[:, None, None] >> torch.arange(3, device=point.device, dtype=torch.int32)[:, None]) & 1
    # Centres stray up to 0.35 from the middle: the eight cells around a point nearly always hold the nearest two.
    offset = point - base - 0.15
    jitter = three_bytes(_lattice(base.int() + steps, seed)).mul_(0.7)
    ray = offset - steps.float() - jitter
    # The bits of a positive float order like the float, so the last three of them can carry the corner.
    nearest, second = _two_smallest((_dot(ray, ray).view(torch.int32) & ~7) | corner[:, None])
    own = (nearest >> torch.arange(3, device=point.device, dtype=torch.int32)[:, None]) & 1
    bits = _lattice(base.int() + own, seed)
    away = offset - own.float() - three_bytes(bits).mul_(0.7)
    root, border = (d.view(torch.float32).sqrt() for d in (nearest, second))
    return Cells(root, border - root, bits, away)


def _two_smallest(values: Tensor) -> tuple[Tensor, Tensor]:
    """The smallest and second smallest of eight [8, N], by a tournament."""
    low, high = torch.minimum(values[:4], values[4:]), torch.maximum(values[:4], values[4:])
    for half in (2, 1):
        loser = torch.maximum(low[:half], low[half:])
        high = torch.minimum(loser, torch.minimum(high[:half], high[half:]))
        low = torch.minimum(low[:half], low[half:])
    return low[0], high[0]
