"""Patterns that fill space: one colour, noise, veins, cells, leaves."""

import torch
from torch import Tensor

from marigold_scenes import layout
from marigold_scenes.hashing import byte, three_bytes
from marigold_scenes.noise import cells, fade, octaves
from marigold_scenes.patterns.texture import Texture, TexturePoints, blend


def plain(points: TexturePoints) -> Texture:
    """One colour."""
    return Texture(points.colour(layout.COLOUR_A))


def noise(points: TexturePoints) -> Texture:
    """Four octaves of noise on a ramp from B over A to C: plaster, soil, concrete, rock, clouds of colour, water."""
    value, slope = octaves(
        points.stretched, points[layout.PERIOD], points.footprint, points.seed, 4, points[layout.GAIN]
    )
    level = value * points[layout.CONTRAST] * 1.5
    a, b, c, _ = points.palette()
    return Texture(blend(blend(a, b, -level), c, level), 0.5 + level, slope)


def ridged(points: TexturePoints) -> Texture:
    """Thin veins C where a warped noise crosses zero, in a body of A to B: marble, bark, cracked ground.

    P0: sharpness of the veins.
    """
    period = points[layout.PERIOD]
    # A coarse noise bends the fine one, whose zeros are the veins: (1 - sharpness |n|)^2
    bend, gradient = octaves(points.stretched, period * 2.3, points.footprint, points.seed + 7, 2)
    moved = torch.addcmul(points.stretched, points[layout.WARP] * period, gradient)
    value, slope = octaves(moved, period, points.footprint, points.seed, 3, points[layout.GAIN])
    seen = fade(period * 0.6, points.footprint)
    vein = (1 - value.abs() * points[layout.P0] * 2).clamp(min=0)
    vein = torch.lerp(0.4 / (1 + points[layout.P0]), vein * vein, seen)
    a, b, c, _ = points.palette()
    body = blend(a, b, 0.5 + bend * 1.2)
    return Texture(blend(body, c, vein * points[layout.CONTRAST]), 1 - vein, slope * (value.sign() * vein * seen))


def pebbles(points: TexturePoints) -> Texture:
    """Stones, flakes or chips of A to B with borders C.

    P0: border width in cells; P1: variation of brightness; P2: roundness; P3: tilt of flat faces.
    """
    period = points[layout.PERIOD]
    found = cells(points.stretched / period, points.seed)
    seen, small = fade(period, points.footprint), fade(period * 0.4, points.footprint)
    tone, shade, gloss = three_bytes(found.bits)
    width = points[layout.P0].clamp(min=0.01)
    # The mean of a linear ramp over borders of this width, from the density of cell borders.
    border = torch.lerp((width * 1.1).clamp(max=0.6), (1 - found.edge / width).clamp(min=0), seen)
    a, b, c, _ = points.palette()
    stone = blend(a, b, 0.5 + (tone - 0.5) * seen) * (1 + (shade - 0.5) * seen * points[layout.P1])
    tilt = three_bytes(found.bits) * 2 - 1
    slope = (tilt * points[layout.P3] - 2 * points[layout.P2] * found.away) * small
    rough = 0.25 + 0.5 * gloss * seen + border * 0.5
    return Texture(blend(stone, c, border * points[layout.CONTRAST]), rough, slope)


def foliage(points: TexturePoints) -> Texture:
    """Leaves or blades: small tilted cells from A to B over clumps, some dry (C), with gaps of D between them.

    P0: darkness of the gaps; P1: variation of the leaves; P3: tilt.
    """
    period = points[layout.PERIOD]
    # Clumps shift the cells, so that leaves do not stand in rows.
    clump, gradient = octaves(points.point, period * 9, points.footprint, points.seed + 3, 2)
    found = cells(points.stretched / period + clump * 2, points.seed)
    seen = fade(period, points.footprint)
    tone = (byte(found.bits, 0) - 0.5) * seen * points[layout.P1]
    a, b, c, d = points.palette()
    leaf = blend(a, b, 0.5 + tone + clump * points[layout.CONTRAST])
    dry = (byte(found.bits, 1) * seen + clump - 0.8).clamp(0, 0.4) * 2
    # Leaves are lighter at the tip that points up.
    leaf = blend(leaf, c, dry) * (1 + 0.5 * seen * found.away[1])
    gap = torch.lerp(_like(period, 0.25), (found.nearest * 2 - 0.75).clamp(0, 1), seen)
    tilt = (three_bytes(found.bits) * 2 - 1) * (points[layout.P3] * fade(period * 0.7, points.footprint))
    return Texture(blend(leaf, d, (gap - clump * 0.5) * points[layout.P0]), 0.5 + tone, tilt + gradient * 0.08)


def _like(x: Tensor, value: float) -> Tensor:
    return torch.full_like(x, value)
