"""Band-limited noise in three dimensions with analytic gradients: simplex noise, its octaves, and cells.

Coordinates are separate [N] tensors, so that every step is a plain elementwise kernel. Detail that the image cannot hold
fades to its mean: `fade` is the weight of a feature of some period seen at some footprint.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from marigold.synth.hashing import lattice_bits

Vector = tuple[Tensor, Tensor, Tensor]
"""Three [N] components."""

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
    away: Vector
    """From the nearest centre to the point, in cells."""


def fade(period: Tensor | float, footprint: Tensor) -> Tensor:
    """The weight of detail of this period [N] (m) at this footprint [N] (m): 0 up to two pixels, 1 from four pixels."""
    return (period / (2 * footprint) - 1).clamp(0, 1)


def simplex(x: Tensor, y: Tensor, z: Tensor, seed: Tensor) -> tuple[Tensor, Vector]:
    """Simplex noise in about -1 to 1 and its gradient, at coordinates [N] with int32 seeds [N] (Perlin 2001)."""
    skew = (x + y + z) * (1 / 3)
    i, j, k = (torch.floor(c + skew) for c in (x, y, z))
    unskew = (i + j + k) * (1 / 6)
    x0, y0, z0 = x - i + unskew, y - j + unskew, z - k + unskew
    # The simplex is walked along the axes in the order of the largest offset.
    x_over_y, y_over_z, z_over_x = (x0 >= y0).int(), (y0 >= z0).int(), (z0 > x0).int()
    first = (x_over_y & (1 - z_over_x), y_over_z & (1 - x_over_y), z_over_x & (1 - y_over_z))
    second = (x_over_y | (1 - z_over_x), y_over_z | (1 - x_over_y), z_over_x | (1 - y_over_z))
    i, j, k = i.int(), j.int(), k.int()
    total, gx, gy, gz = _corner(x0, y0, z0, i, j, k, seed)
    for step, inset in ((first, 1 / 6), (second, 1 / 3), ((1, 1, 1), 1 / 2)):
        dx, dy, dz = (c - s + inset for c, s in zip((x0, y0, z0), step, strict=True))
        value, cx, cy, cz = _corner(dx, dy, dz, i + step[0], j + step[1], k + step[2], seed)
        total, gx, gy, gz = total + value, gx + cx, gy + cy, gz + cz
    return total, (gx, gy, gz)


def _corner(dx: Tensor, dy: Tensor, dz: Tensor, i: Tensor, j: Tensor, k: Tensor, seed: Tensor) -> tuple[Tensor, ...]:
    """One corner's share of value and gradient: a random linear ramp under a kernel of radius sqrt(1/2)."""
    bits = lattice_bits(i, j, k, seed)
    ax, ay, az = ((((bits >> shift) & 0xFF) - 127.5) * 0.55 for shift in (0, 8, 16))
    reach = (0.5 - dx * dx - dy * dy - dz * dz).clamp_(min=0)
    ramp = ax * dx + ay * dy + az * dz
    square = reach * reach
    kernel = square * square
    slope = square * reach * ramp * 8
    return kernel * ramp, kernel * ax - slope * dx, kernel * ay - slope * dy, kernel * az - slope * dz


def octaves(
    point: Vector, period: Tensor, footprint: Tensor, seed: Tensor, count: int, gain: Tensor | float = 0.5
) -> tuple[Tensor, Vector]:
    """Fractal noise in about -1 to 1 and its gradient per `period`: `count` octaves from `period` [N] (m) downwards.

    Each octave has `gain` times the amplitude of the one before and fades by its own period.
    """
    value, slope = torch.zeros_like(period), [torch.zeros_like(period)] * 3
    amplitude, total, scale = torch.ones_like(period), torch.zeros_like(period), 1.0
    coordinates = [c / period for c in point]
    for octave in range(count):
        weight = amplitude * fade(period * (1.3 / scale), footprint)
        fine, gradient = simplex(*(c * scale + 17.3 * octave for c in coordinates), seed + octave)
        value = torch.addcmul(value, weight, fine)
        weight = weight * scale
        slope = [torch.addcmul(s, weight, g) for s, g in zip(slope, gradient, strict=True)]
        total = total + amplitude
        amplitude, scale = amplitude * gain, scale * _LACUNARITY
    share = 1 / total
    return value * share, tuple(s * share for s in slope)


def cells(x: Tensor, y: Tensor, z: Tensor, seed: Tensor) -> Cells:
    """The nearest two of jittered cell centres, at coordinates [N] in cells, with int32 seeds [N]."""
    base = [torch.floor(c - 0.5) for c in (x, y, z)]
    i, j, k = (b.int() for b in base)
    fx, fy, fz = (c - b for c, b in zip((x, y, z), base, strict=True))
    nearest, second = torch.full_like(x, 9.0), torch.full_like(x, 9.0)
    cell, ax, ay, az = torch.zeros_like(i), fx, fy, fz
    for corner in range(8):
        a, b, c = corner & 1, corner >> 1 & 1, corner >> 2
        bits = lattice_bits(i + a, j + b, k + c, seed)
        # Centres stay within 0.35 of the middle of their cell: the eight cells looked at then nearly always suffice.
        dx, dy, dz = (
            f - (o + 0.15) - ((bits >> shift) & 0xFF) * (0.7 / 255)
            for f, o, shift in ((fx, a, 0), (fy, b, 8), (fz, c, 16))
        )
        distance = dx * dx + dy * dy + dz * dz
        closer = distance < nearest
        second = torch.where(closer, nearest, torch.minimum(second, distance))
        nearest = torch.where(closer, distance, nearest)
        cell, ax, ay, az = (torch.where(closer, n, o) for n, o in ((bits, cell), (dx, ax), (dy, ay), (dz, az)))
    root = nearest.sqrt()
    return Cells(root, second.sqrt() - root, cell, (ax, ay, az))
