"""Cloth, rugs and wallpaper: stripes, checks, threads, dots, ornaments."""

import torch
from torch import Tensor

from marigold_scenes import layout
from marigold_scenes.hashing import byte, three_bytes
from marigold_scenes.noise import fade, octaves
from marigold_scenes.patterns.plane import Plane, cell_bits, flat, pulse
from marigold_scenes.patterns.spot import Look, Spot, blend

_THREAD = 0.004
"""Metres from one thread of a cloth to the next but one."""


def stripes(spot: Spot) -> Look:
    """Stripes of B on A with thin lines of C. P0: share of B; P1: share of C; P2: where the line lies in the period."""
    face, a, b, c = _cloth(spot)
    u, width = face.u / spot[layout.PERIOD], spot.footprint / spot[layout.PERIOD]
    striped = blend(a, b, pulse(u, spot[layout.P0], width))
    return _woven(spot, face, blend(striped, c, pulse(u - spot[layout.P2], spot[layout.P1], width)))


def checks(spot: Spot) -> Look:
    """A chess board (P1 = 0) to gingham (P1 = 1) of A and B. P0: share of B; P2: share of thin crossing lines of C."""
    face, a, b, c = _cloth(spot)
    period = spot[layout.PERIOD]
    u, v, width = face.u / period, face.v / (period * spot[layout.ASPECT]), spot.footprint / period
    across, down = (pulse(x, spot[layout.P0], width) for x in (u, v))
    amount = torch.lerp(across + down - 2 * across * down, (across + down) / 2, spot[layout.P1])
    lines = (pulse(u - 0.6, spot[layout.P2], width) + pulse(v - 0.6, spot[layout.P2], width)) / 2
    return _woven(spot, face, blend(blend(a, b, amount), c, lines))


def weave(spot: Spot) -> Look:
    """Plain cloth of A to B, each thread a little different. PERIOD: two threads (m); P0: variation of the threads."""
    face, a, b, _ = _cloth(spot)
    pitch = spot[layout.PERIOD]
    worn, slope = octaves(spot.point, pitch * 30, spot.footprint, spot.seed + 9, 2)
    weft, warp = torch.floor(face.u / pitch * 2), torch.floor(face.v / pitch * 2)
    none = torch.zeros_like(pitch)
    streak = byte(cell_bits(weft, none, spot.seed), 0) + byte(cell_bits(none, warp, spot.seed), 1) - 1
    amount = 0.5 + streak * spot[layout.P0] * fade(pitch, spot.footprint) + worn * spot[layout.CONTRAST]
    return _woven(spot, face, blend(a, b, amount), slope * 0.15)


def dots(spot: Spot) -> Look:
    """Discs of B to C on A. P0: radius in cells; P1: how far they stray; P2: share of cells with a disc."""
    face, a, b, c = _cloth(spot)
    period, radius = spot[layout.PERIOD], spot[layout.P0]
    cell = torch.floor(face.u / period), torch.floor(face.v / period)
    stray_u, stray_v, pick = three_bytes(cell_bits(*cell, spot.seed))
    stray = 2 * spot[layout.P1] * (0.5 - radius).clamp(min=0)
    du = face.u / period - cell[0] - 0.5 + (stray_u - 0.5) * stray
    dv = face.v / period - cell[1] - 0.5 + (stray_v - 0.5) * stray
    width = (spot.footprint / period).clamp(min=0.02)
    inside = ((radius - (du * du + dv * dv).sqrt()) / width + 0.5).clamp(0, 1) * (pick <= spot[layout.P2]).float()
    seen = fade(period, spot.footprint)
    ink = blend(b, c, 0.5 + (stray_v - 0.5) * seen)
    return _woven(spot, face, blend(a, ink, torch.lerp(3.1416 * radius * radius * spot[layout.P2], inside, seen)))


def ornament(spot: Spot) -> Look:
    """A mirrored motif in four colours, for rugs and wallpaper. P0: softness; P1: share of straight bands."""
    face, a, b, c = _cloth(spot)
    period = spot[layout.PERIOD]
    u, v, width = face.u / period, face.v / (period * spot[layout.ASPECT]), spot.footprint / period
    fold_u, fold_v = ((x - torch.floor(x) - 0.5).abs() for x in (u, v))
    plane = torch.stack([fold_u, fold_v, torch.zeros_like(u)])
    value, _ = octaves(plane, torch.full_like(u, 0.22), width, spot.seed, 2, 0.4)
    value = value + (fold_u + fold_v - 0.5) * spot[layout.P1] * fade(period * 0.5, spot.footprint)
    soft = spot[layout.P0] + width * 3
    albedo = blend(a, b, (value + 0.12) / soft + 0.5)
    albedo = blend(albedo, c, (value - 0.1) / soft + 0.5)
    albedo = blend(albedo, spot.colour(layout.COLOUR_D), (value - 0.3) / soft + 0.5)
    return _woven(spot, face, albedo)


def _cloth(spot: Spot) -> tuple[Plane, Tensor, Tensor, Tensor]:
    a, b, c, _ = spot.palette()
    return flat(spot), a, b, c


def _woven(spot: Spot, face: Plane, albedo: Tensor, folds: Tensor | float = 0.0) -> Look:
    """A coloured cloth with the relief of its threads, where they can be seen, on that of its folds [3, N]."""
    seen = fade(_THREAD, spot.footprint)
    rise_u, rise_v = (torch.cos(x * (6.2831853 / _THREAD)) * seen for x in (face.u, face.v))
    return Look(albedo * (1 + 0.1 * rise_u * rise_v), 0.5 + 0.3 * rise_u, face.lift(rise_u, rise_v) + folds)
