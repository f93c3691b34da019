"""Solid patterns: noise, veins, cells, wood, leaves. Each is a pure function of a `Spot`."""

from dataclasses import dataclass

import torch
from torch import Tensor

from marigold.synth import layout
from marigold.synth.noise import Vector, cells, fade, octaves
from marigold.synth.plane import Plane, byte, cell_bits, facing, plane, pulse


@dataclass(frozen=True)
class Spot:
    """N points that share one kind of pattern: their material columns [WIDTH, N], position, normal and footprint."""

    columns: Tensor
    point: Vector
    normal: Vector
    footprint: Tensor

    def __getitem__(self, column: int) -> Tensor:
        return self.columns[column]

    def colour(self, column: int) -> Tensor:
        """Three columns [3, N] from this one."""
        return self.columns[column : column + 3]

    @property
    def seed(self) -> Tensor:
        """The material's seed [N], int32."""
        return self.columns[layout.SEED].int()

    @property
    def stretched(self) -> Vector:
        """The position with each axis divided by the material's stretch."""
        return tuple(c / self.columns[layout.STRETCH + axis] for axis, c in enumerate(self.point))


@dataclass(frozen=True)
class Look:
    """What a pattern decides before age is added."""

    albedo: Tensor
    """[3, N] linear."""
    rough: Tensor
    """[N] in 0 to 1, from the material's low to its high roughness."""
    slope: Vector
    """The gradient of the relief [N] each, of order 1 before the material's RELIEF."""
    glow: Tensor
    """[N], the share of the material's emission."""


def blend(a: Tensor, b: Tensor, amount: Tensor) -> Tensor:
    """Colours [3, N] from `a` at amount 0 to `b` at amount 1."""
    return torch.lerp(a, b, amount.clamp(0, 1).expand_as(a))


def plain(spot: Spot) -> Look:
    """One colour."""
    zero = torch.zeros_like(spot.footprint)
    return Look(spot.colour(layout.COLOUR_A), zero + 0.5, (zero, zero, zero), zero + 1)


def noise(spot: Spot) -> Look:
    """Four octaves of noise through a ramp of three colours: plaster, soil, concrete, clouds of colour, water."""
    value, slope = octaves(spot.stretched, spot[layout.PERIOD], spot.footprint, spot.seed, 4, spot[layout.GAIN])
    level = value * spot[layout.CONTRAST] * 1.5
    albedo = _ramp(spot, level)
    return Look(albedo, 0.5 + level, slope, torch.ones_like(value))


def ridged(spot: Spot) -> Look:
    """Thin veins where a warped noise crosses zero: marble, bark, cracked ground. P0: sharpness of the veins."""
    period = spot[layout.PERIOD]
    bend, gradient = octaves(spot.stretched, period * 2.3, spot.footprint, spot.seed + 7, 2)
    push = spot[layout.WARP] * period
    moved = tuple(c + push * g for c, g in zip(spot.stretched, gradient, strict=True))
    value, slope = octaves(moved, period, spot.footprint, spot.seed, 3, spot[layout.GAIN])
    sharp = spot[layout.P0] * fade(period * 0.5, spot.footprint) + 0.5
    vein = (1 - value.abs() * sharp * 2).clamp(min=0)
    vein = vein * vein
    body = blend(spot.colour(layout.COLOUR_A), spot.colour(layout.COLOUR_B), 0.5 + bend)
    albedo = blend(body, spot.colour(layout.COLOUR_C), vein * spot[layout.CONTRAST])
    steep = value.sign() * vein
    return Look(albedo, 1 - vein, tuple(s * steep for s in slope), torch.ones_like(value))


def pebbles(spot: Spot) -> Look:
    """Stones, flakes or chips. P0: border width in cells; P1: variation; P2: roundness; P3: tilt of flat faces."""
    period = spot[layout.PERIOD]
    found = cells(*(c / period for c in spot.stretched), spot.seed)
    seen, small = fade(period, spot.footprint), fade(period * 0.3, spot.footprint)
    mean = (spot[layout.P0] * 1.5).clamp(max=0.9)
    border = torch.lerp(mean, (1 - found.edge / spot[layout.P0].clamp(min=0.01)).clamp(0, 1), seen)
    tone = 0.5 + (byte(found.bits, 0) - 0.5) * seen
    stone = blend(spot.colour(layout.COLOUR_A), spot.colour(layout.COLOUR_B), tone)
    stone = stone * (1 + (byte(found.bits, 1) - 0.5) * seen * spot[layout.P1])
    albedo = blend(stone, spot.colour(layout.COLOUR_C), border * spot[layout.CONTRAST])
    round_, tilt = spot[layout.P2] * -2 * small, spot[layout.P3] * small
    slope = tuple(a * round_ + (byte(found.bits, axis) * 2 - 1) * tilt for axis, a in enumerate(found.away))
    return Look(albedo, byte(found.bits, 2) * seen * 0.5 + border * 0.5, slope, torch.ones_like(period))


def foliage(spot: Spot) -> Look:
    """Leaves or blades: small tilted cells of varied green over clumps. P0: dark gaps; P1: variation; P3: tilt."""
    period = spot[layout.PERIOD]
    clump, _ = octaves(spot.point, period * 9, spot.footprint, spot.seed + 3, 2)
    found = cells(*(c / period + clump * 2 for c in spot.stretched), spot.seed)
    seen = fade(period, spot.footprint)
    tone = (byte(found.bits, 0) - 0.5) * seen * spot[layout.P1]
    leaf = blend(spot.colour(layout.COLOUR_A), spot.colour(layout.COLOUR_B), 0.5 + tone + clump * spot[layout.CONTRAST])
    dry = (byte(found.bits, 1) * seen + clump - 0.75).clamp(0, 0.5) * 2
    leaf = blend(leaf, spot.colour(layout.COLOUR_C), dry)
    gap = torch.lerp(torch.full_like(period, 0.3), (found.nearest * 1.7 - 0.55).clamp(0, 1), seen)
    albedo = blend(leaf, spot.colour(layout.COLOUR_D), gap * spot[layout.P0])
    tilt = spot[layout.P3] * fade(period * 0.7, spot.footprint)
    slope = tuple((byte(found.bits, axis) * 2 - 1) * tilt for axis in range(3))
    return Look(albedo, 0.5 + tone, slope, torch.ones_like(period))


def wood(spot: Spot) -> Look:
    """Rings and fibres, solid or in planks. P0: plank width (m) or 0; P1: plank length (m); P2: ring period (m).

    P3: the object axis along `depth` for solid wood, or -1 for planks that lie on the face.
    """
    third = torch.where(spot[layout.P3] < 0, facing(spot.normal), spot[layout.P3].int())
    flat = plane(spot.point, third, spot[layout.ANGLE])
    gap, bits = _planks(spot, flat)
    ring = spot[layout.P2]
    # Each plank is cut from another place of the trunk.
    along = flat.u + byte(bits, 0) * 7
    across, depth = flat.v + (byte(bits, 1) - 0.5) * ring * 30, flat.w + (byte(bits, 2) + 0.3) * ring * 20
    bend, _ = octaves((along * 0.15, across, depth), ring * 9, spot.footprint, spot.seed, 2)
    radius = (across * across + depth * depth).sqrt() / ring + bend * spot[layout.WARP] * 3
    wave = 0.5 + 0.5 * torch.sin(radius * 6.2831853)
    grain = 0.4 + (wave * wave - 0.4) * fade(ring, spot.footprint)
    fibre, gradient = octaves((along * 0.04, across, depth), ring * 0.45, spot.footprint, spot.seed + 1, 2)
    tone = (grain - 0.4) * spot[layout.CONTRAST] + fibre * 0.5 + 0.4 + bend * 0.3
    board = blend(spot.colour(layout.COLOUR_A), spot.colour(layout.COLOUR_B), tone)
    shade = (byte(bits, 0) - 0.5) * spot[layout.GAIN] * fade(spot[layout.P0].clamp(min=0.05), spot.footprint)
    albedo = blend(board * (1 + shade), spot.colour(layout.COLOUR_C), gap)
    slope = flat.lift(gradient[0] * 0.04, gradient[1] * 0.2, gradient[2] * 0.2)
    return Look(albedo, 0.4 + fibre + gap, slope, torch.ones_like(ring))


def _planks(spot: Spot, flat: Plane) -> tuple[Tensor, Tensor]:
    """Coverage of the gaps between planks [N] and a hash of each plank [N]."""
    solid = spot[layout.P0] <= 0
    wide, long = torch.where(solid, 1e4, spot[layout.P0]), torch.where(solid, 1e4, spot[layout.P1])
    row = torch.floor(flat.v / wide + 0.5)
    shift = byte(cell_bits(row, row, spot.seed), 0)
    bits = cell_bits(row, torch.floor(flat.u / long + shift), spot.seed + 2)
    joint = 0.004
    side = pulse(flat.v / wide + 0.5, joint / wide, spot.footprint / wide)
    end = pulse(flat.u / long + shift, joint / long, spot.footprint / long)
    return torch.where(solid, 0.0, side + end - side * end), bits


def _ramp(spot: Spot, level: Tensor) -> Tensor:
    """Colours B, A, C at levels -1, 0, 1."""
    low = blend(spot.colour(layout.COLOUR_A), spot.colour(layout.COLOUR_B), -level)
    return blend(low, spot.colour(layout.COLOUR_C), level)
