"""Flat repeating patterns on the plane that a surface faces: masonry, stripes, checks, cloth, dots, ornaments, facades."""

import torch
from torch import Tensor

from marigold.synth import layout
from marigold.synth.noise import fade, octaves
from marigold.synth.patterns import Look, Spot, blend
from marigold.synth.plane import Plane, band, byte, cell_bits, facing, plane, pulse


def flat(spot: Spot) -> Plane:
    """The plane that the surface faces, turned by the material's angle."""
    return plane(spot.point, facing(spot.normal), spot[layout.ANGLE])


def masonry(spot: Spot) -> Look:
    """Bricks, tiles, slabs, shingles: units of colour A to B in joints of colour C.

    PERIOD, ASPECT: length of a unit and its height over length. P0: joint width (m); P1: shift of every other row, or
    -1 for random shifts; P2: variation of the units; P3: how much every other unit takes colour D (a chess board).
    """
    face = flat(spot)
    long, joint = spot[layout.PERIOD], spot[layout.P0]
    high = long * spot[layout.ASPECT]
    grain, gradient = octaves(spot.point, high * 0.6, spot.footprint, spot.seed + 5, 3, 0.6)
    wobble = joint * spot[layout.WARP]
    v = (face.v + gradient[0] * wobble) / high
    row = torch.floor(v)
    odd = row - 2 * torch.floor(row / 2)
    shift = torch.where(spot[layout.P1] < 0, byte(cell_bits(row, row, spot.seed), 1), odd * spot[layout.P1])
    u = (face.u + gradient[1] * wobble) / long + shift
    column = torch.floor(u)
    bits = cell_bits(column, row, spot.seed)
    width = spot.footprint
    mortar_u, mortar_v = (
        pulse(u + joint / long / 2, joint / long, width / long),
        pulse(v + joint / high / 2, joint / high, width / high),
    )
    mortar = mortar_u + mortar_v - mortar_u * mortar_v
    seen = fade(high, width)
    tone = 0.5 + (byte(bits, 0) - 0.5) * seen + grain * spot[layout.CONTRAST]
    unit = blend(spot.colour(layout.COLOUR_A), spot.colour(layout.COLOUR_B), tone)
    other = column + row
    chess = 0.5 + (other - 2 * torch.floor(other / 2) - 0.5) * seen
    unit = blend(unit, spot.colour(layout.COLOUR_D), chess * spot[layout.P3])
    unit = unit * (1 + (byte(bits, 1) - 0.5) * spot[layout.P2] * seen)
    albedo = blend(unit, spot.colour(layout.COLOUR_C), mortar)
    edge = fade(joint * 2, width)
    rise_u, rise_v = (_bevel(x, size, joint) * edge for x, size in ((u, long), (v, high)))
    rough_relief = spot[layout.WARP] * 0.3
    lifted = face.lift(rise_u, rise_v)
    slope = tuple(a + g * rough_relief for a, g in zip(lifted, gradient, strict=True))
    return Look(albedo, mortar + (byte(bits, 2) - 0.5) * 0.5 * seen + grain, slope, torch.ones_like(u))


def _bevel(x: Tensor, size: Tensor, joint: Tensor) -> Tensor:
    """The slope of a unit's rounded edge at `x` in units: up after the joint, down before the next."""
    offset = x - torch.floor(x) - 0.5
    depth = (0.5 - offset.abs()) * size / joint.clamp(min=1e-4)
    return -offset.sign() * (depth.clamp(max=1.5) < 1.5) * (depth > 0.4)


def stripes(spot: Spot) -> Look:
    """Stripes of B on A with thin lines of C. P0: share of B; P1: share of C; P2: where the line lies in the period."""
    face = flat(spot)
    width = spot.footprint / spot[layout.PERIOD]
    u = face.u / spot[layout.PERIOD]
    albedo = blend(spot.colour(layout.COLOUR_A), spot.colour(layout.COLOUR_B), pulse(u, spot[layout.P0], width))
    albedo = blend(albedo, spot.colour(layout.COLOUR_C), pulse(u - spot[layout.P2], spot[layout.P1], width))
    return _cloth(spot, face, albedo)


def checks(spot: Spot) -> Look:
    """Chess board (P1 = 0) to gingham (P1 = 1) of A and B. P0: share of B; P2: share of thin lines of C in both ways."""
    face = flat(spot)
    width = spot.footprint / spot[layout.PERIOD]
    u, v = face.u / spot[layout.PERIOD], face.v / (spot[layout.PERIOD] * spot[layout.ASPECT])
    across, down = pulse(u, spot[layout.P0], width), pulse(v, spot[layout.P0], width / spot[layout.ASPECT])
    chess, gingham = across + down - 2 * across * down, (across + down) / 2
    amount = torch.lerp(chess, gingham, spot[layout.P1])
    albedo = blend(spot.colour(layout.COLOUR_A), spot.colour(layout.COLOUR_B), amount)
    line_u, line_v = (pulse(x - 0.6, spot[layout.P2], width) for x in (u, v))
    return _cloth(spot, face, blend(albedo, spot.colour(layout.COLOUR_C), (line_u + line_v) / 2))


def weave(spot: Spot) -> Look:
    """Cloth of threads A and B, each thread a little different. PERIOD: two threads (m); P0: variation of the threads."""
    face = flat(spot)
    fold, _ = octaves(spot.point, spot[layout.PERIOD] * 40, spot.footprint, spot.seed + 9, 2)
    pitch = spot[layout.PERIOD]
    streak_u = byte(cell_bits(torch.floor(face.u / pitch * 2), torch.zeros_like(pitch), spot.seed), 0) - 0.5
    streak_v = byte(cell_bits(torch.zeros_like(pitch), torch.floor(face.v / pitch * 2), spot.seed), 1) - 0.5
    amount = 0.5 + (streak_u + streak_v) * spot[layout.P0] * fade(pitch, spot.footprint) + fold * spot[layout.CONTRAST]
    return _cloth(spot, face, blend(spot.colour(layout.COLOUR_A), spot.colour(layout.COLOUR_B), amount))


def dots(spot: Spot) -> Look:
    """Discs of B to C on A. P0: radius in cells; P1: how far they stray; P2: share of cells with a disc."""
    face = flat(spot)
    period = spot[layout.PERIOD]
    u, v = face.u / period, face.v / period
    i, j = torch.floor(u), torch.floor(v)
    bits = cell_bits(i, j, spot.seed)
    stray = spot[layout.P1] * (0.5 - spot[layout.P0])
    du = u - i - 0.5 + (byte(bits, 0) * 2 - 1) * stray
    dv = v - j - 0.5 + (byte(bits, 1) * 2 - 1) * stray
    width = (spot.footprint / period).clamp(min=0.02)
    inside = ((spot[layout.P0] - (du * du + dv * dv).sqrt()) / width + 0.5).clamp(0, 1)
    inside = inside * (byte(bits, 2) <= spot[layout.P2])
    mean = 3.1416 * spot[layout.P0].square() * spot[layout.P2]
    seen = fade(period, spot.footprint)
    ink = blend(spot.colour(layout.COLOUR_B), spot.colour(layout.COLOUR_C), 0.5 + (byte(bits, 1) - 0.5) * seen)
    return _cloth(spot, face, blend(spot.colour(layout.COLOUR_A), ink, torch.lerp(mean, inside, seen)))


def ornament(spot: Spot) -> Look:
    """A mirrored motif in four colours, for rugs and wallpaper. P0: softness; P1: share of straight bands."""
    face = flat(spot)
    period = spot[layout.PERIOD]
    u, v = face.u / period, face.v / (period * spot[layout.ASPECT])
    fold_u, fold_v = ((x - torch.floor(x) - 0.5).abs() for x in (u, v))
    value, _ = octaves(
        (fold_u, fold_v, torch.zeros_like(u)), torch.full_like(u, 0.22), spot.footprint / period, spot.seed, 2, 0.4
    )
    value = value + (fold_u + fold_v - 0.5) * spot[layout.P1]
    soft = spot[layout.P0] + spot.footprint / period * 3
    step_b, step_c, step_d = (((value - at) / soft + 0.5).clamp(0, 1) for at in (-0.12, 0.1, 0.3))
    albedo = blend(spot.colour(layout.COLOUR_A), spot.colour(layout.COLOUR_B), step_b)
    albedo = blend(blend(albedo, spot.colour(layout.COLOUR_C), step_c), spot.colour(layout.COLOUR_D), step_d)
    return _cloth(spot, face, albedo)


def facade(spot: Spot) -> Look:
    """A wall of windows: wall A, glass B, frames C, blinds D; some windows glow.

    PERIOD, ASPECT: bay width (m), storey height over width. P0, P1: a window's share of the bay and of the storey; P2:
    share of lit windows; P3: number of panes across.
    """
    face = plane(spot.point, facing(spot.normal), torch.zeros_like(spot.footprint))
    bay = spot[layout.PERIOD]
    storey = bay * spot[layout.ASPECT]
    u, v = face.u / bay, face.v / storey
    bits = cell_bits(torch.floor(u), torch.floor(v), spot.seed)
    seen = fade(bay, spot.footprint)
    across, up = u - torch.floor(u) - 0.5, v - torch.floor(v) - 0.5
    wide, high = spot[layout.P0] / 2, spot[layout.P1] / 2
    soft_u, soft_v = spot.footprint / bay, spot.footprint / storey
    window = band(across, -wide, wide, soft_u) * band(up, -high, high, soft_v)
    inner = band(across, -wide + 0.06 / bay, wide - 0.06 / bay, soft_u) * band(
        up, -high + 0.06 / storey, high - 0.06 / storey, soft_v
    )
    pane = (across / (2 * wide) + 0.5) * spot[layout.P3]
    bar = pulse(pane + 0.02 * spot[layout.P3], 0.04 * spot[layout.P3], soft_u / (2 * wide) * spot[layout.P3])
    glass = inner * (1 - bar)
    blind = band(up, high - 2 * high * (byte(bits, 1) * 1.6 - 0.8).clamp(0, 1), high, soft_v)
    lit = (byte(bits, 0) < spot[layout.P2]).float()
    dark = spot.colour(layout.COLOUR_B) * (0.6 + 0.8 * byte(bits, 2))
    behind = blend(dark, spot.colour(layout.COLOUR_D), blind * 0.8)
    albedo = blend(blend(spot.colour(layout.COLOUR_A), spot.colour(layout.COLOUR_C), window), behind, glass)
    mean_glass = spot[layout.P0] * spot[layout.P1] * 0.8
    far = blend(spot.colour(layout.COLOUR_A), spot.colour(layout.COLOUR_B), mean_glass)
    glow = torch.lerp(mean_glass * spot[layout.P2], glass * lit * (0.4 + 0.6 * byte(bits, 2)), seen)
    zero = torch.zeros_like(u)
    return Look(blend(far, albedo, seen), 1 - torch.lerp(mean_glass, glass, seen), (zero, zero, zero), glow)


def _cloth(spot: Spot, face: Plane, albedo: Tensor) -> Look:
    """A coloured cloth or print with the relief of fine threads where they can be seen."""
    pitch = torch.full_like(spot.footprint, 0.004)
    seen = fade(pitch, spot.footprint)
    rise_u, rise_v = (torch.cos(x / pitch * 6.2831853) * seen for x in (face.u, face.v))
    shade = 1 + 0.1 * rise_u * rise_v
    return Look(albedo * shade, 0.5 + 0.3 * rise_u, face.lift(rise_u, rise_v), torch.ones_like(pitch))
