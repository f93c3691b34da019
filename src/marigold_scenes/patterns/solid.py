"""Patterns that fill space: one colour, noise, veins, cells, leaves."""

import torch
from torch import Tensor

from marigold_scenes import layout
from marigold_scenes.hashing import byte, three_bytes
from marigold_scenes.noise import cells, fade, octaves
from marigold_scenes.patterns.spot import Look, Spot, blend


def plain(spot: Spot) -> Look:
    """One colour."""
    return Look(spot.colour(layout.COLOUR_A))


def noise(spot: Spot) -> Look:
    """Four octaves of noise on a ramp from B over A to C: plaster, soil, concrete, rock, clouds of colour, water."""
    value, slope = octaves(spot.stretched, spot[layout.PERIOD], spot.footprint, spot.seed, 4, spot[layout.GAIN])
    level = value * spot[layout.CONTRAST] * 1.5
    a, b, c, _ = spot.palette()
    return Look(blend(blend(a, b, -level), c, level), 0.5 + level, slope)


def ridged(spot: Spot) -> Look:
    """Thin veins C where a warped noise crosses zero, in a body of A to B: marble, bark, cracked ground.

    P0: sharpness of the veins.
    """
    period = spot[layout.PERIOD]
    bend, gradient = octaves(spot.stretched, period * 2.3, spot.footprint, spot.seed + 7, 2)
    moved = torch.addcmul(spot.stretched, spot[layout.WARP] * period, gradient)
    value, slope = octaves(moved, period, spot.footprint, spot.seed, 3, spot[layout.GAIN])
    seen = fade(period * 0.6, spot.footprint)
    vein = (1 - value.abs() * spot[layout.P0] * 2).clamp(min=0)
    vein = torch.lerp(0.4 / (1 + spot[layout.P0]), vein * vein, seen)
    a, b, c, _ = spot.palette()
    body = blend(a, b, 0.5 + bend * 1.2)
    return Look(blend(body, c, vein * spot[layout.CONTRAST]), 1 - vein, slope * (value.sign() * vein * seen))


def pebbles(spot: Spot) -> Look:
    """Stones, flakes or chips of A to B with borders C.

    P0: border width in cells; P1: variation of brightness; P2: roundness; P3: tilt of flat faces.
    """
    period = spot[layout.PERIOD]
    found = cells(spot.stretched / period, spot.seed)
    seen, small = fade(period, spot.footprint), fade(period * 0.4, spot.footprint)
    tone, shade, gloss = three_bytes(found.bits)
    width = spot[layout.P0].clamp(min=0.01)
    # The mean of a linear ramp over borders of this width, from the density of cell borders.
    border = torch.lerp((width * 1.1).clamp(max=0.6), (1 - found.edge / width).clamp(min=0), seen)
    a, b, c, _ = spot.palette()
    stone = blend(a, b, 0.5 + (tone - 0.5) * seen) * (1 + (shade - 0.5) * seen * spot[layout.P1])
    tilt = three_bytes(found.bits) * 2 - 1
    slope = (tilt * spot[layout.P3] - 2 * spot[layout.P2] * found.away) * small
    rough = 0.25 + 0.5 * gloss * seen + border * 0.5
    return Look(blend(stone, c, border * spot[layout.CONTRAST]), rough, slope)


def foliage(spot: Spot) -> Look:
    """Leaves or blades: small tilted cells from A to B over clumps, some dry (C), with gaps of D between them.

    P0: darkness of the gaps; P1: variation of the leaves; P3: tilt.
    """
    period = spot[layout.PERIOD]
    clump, gradient = octaves(spot.point, period * 9, spot.footprint, spot.seed + 3, 2)
    found = cells(spot.stretched / period + clump * 2, spot.seed)
    seen = fade(period, spot.footprint)
    tone = (byte(found.bits, 0) - 0.5) * seen * spot[layout.P1]
    a, b, c, d = spot.palette()
    leaf = blend(a, b, 0.5 + tone + clump * spot[layout.CONTRAST])
    dry = (byte(found.bits, 1) * seen + clump - 0.8).clamp(0, 0.4) * 2
    # Leaves are lighter at the tip that points up.
    leaf = blend(leaf, c, dry) * (1 + 0.5 * seen * found.away[1])
    gap = torch.lerp(_like(period, 0.25), (found.nearest * 2 - 0.75).clamp(0, 1), seen)
    tilt = (three_bytes(found.bits) * 2 - 1) * (spot[layout.P3] * fade(period * 0.7, spot.footprint))
    return Look(blend(leaf, d, (gap - clump * 0.5) * spot[layout.P0]), 0.5 + tone, tilt + gradient * 0.08)


def _like(x: Tensor, value: float) -> Tensor:
    return torch.full_like(x, value)
