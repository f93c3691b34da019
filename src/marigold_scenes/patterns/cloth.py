"""Cloth, rugs and wallpaper: stripes, checks, threads, dots, ornaments."""

import torch
from torch import Tensor

from marigold_scenes import layout
from marigold_scenes.hashing import byte, three_bytes
from marigold_scenes.noise import fade, octaves
from marigold_scenes.patterns.plane import Plane, cell_bits, flat, pulse
from marigold_scenes.patterns.texture import Texture, TexturePoints, blend

_THREAD = 0.004
"""Metres from one thread of a cloth to the next but one."""


def stripes(points: TexturePoints) -> Texture:
    """Stripes of B on A with thin lines of C. P0: share of B; P1: share of C; P2: where the line lies in the period."""
    face, a, b, c = _cloth(points)
    # [N] in periods: the place across the stripes, and the pixel
    u, width = face.u / points[layout.PERIOD], points.footprint / points[layout.PERIOD]
    striped = blend(a, b, pulse(u, points[layout.P0], width))
    return _woven(points, face, blend(striped, c, pulse(u - points[layout.P2], points[layout.P1], width)))


def checks(points: TexturePoints) -> Texture:
    """A chess board (P1 = 0) to gingham (P1 = 1) of A and B. P0: share of B; P2: share of thin crossing lines of C."""
    face, a, b, c = _cloth(points)
    period = points[layout.PERIOD]
    u, v, width = face.u / period, face.v / (period * points[layout.ASPECT]), points.footprint / period
    across, down = (pulse(x, points[layout.P0], width) for x in (u, v))
    # Exclusive or of two pulse trains is a chess board, their mean is gingham.
    amount = torch.lerp(across + down - 2 * across * down, (across + down) / 2, points[layout.P1])
    lines = (pulse(u - 0.6, points[layout.P2], width) + pulse(v - 0.6, points[layout.P2], width)) / 2
    return _woven(points, face, blend(blend(a, b, amount), c, lines))


def weave(points: TexturePoints) -> Texture:
    """Plain cloth of A to B, each thread a little different. PERIOD: two threads (m); P0: variation of the threads."""
    face, a, b, _ = _cloth(points)
    pitch = points[layout.PERIOD]
    worn, slope = octaves(points.point, pitch * 30, points.footprint, points.seed + 9, 2)
    weft, warp = torch.floor(face.u / pitch * 2), torch.floor(face.v / pitch * 2)
    none = torch.zeros_like(pitch)
    # Two random numbers per crossing, one of each thread, with mean 0
    streak = byte(cell_bits(weft, none, points.seed), 0) + byte(cell_bits(none, warp, points.seed), 1) - 1
    amount = 0.5 + streak * points[layout.P0] * fade(pitch, points.footprint) + worn * points[layout.CONTRAST]
    return _woven(points, face, blend(a, b, amount), slope * 0.15)


def dots(points: TexturePoints) -> Texture:
    """Discs of B to C on A. P0: radius in cells; P1: how far they stray; P2: share of cells with a disc."""
    face, a, b, c = _cloth(points)
    period, radius = points[layout.PERIOD], points[layout.P0]
    # The cell of each point, and where its disc lies in it: never over its border
    cell = torch.floor(face.u / period), torch.floor(face.v / period)
    stray_u, stray_v, pick = three_bytes(cell_bits(*cell, points.seed))
    stray = 2 * points[layout.P1] * (0.5 - radius).clamp(min=0)
    du = face.u / period - cell[0] - 0.5 + (stray_u - 0.5) * stray
    dv = face.v / period - cell[1] - 0.5 + (stray_v - 0.5) * stray
    width = (points.footprint / period).clamp(min=0.02)
    # Coverage of a disc whose edge is one pixel wide
    inside = ((radius - (du * du + dv * dv).sqrt()) / width + 0.5).clamp(0, 1) * (pick <= points[layout.P2]).float()
    seen = fade(period, points.footprint)
    # Too small to be seen, discs melt into their share of the area, pi r^2.
    ink = blend(b, c, 0.5 + (stray_v - 0.5) * seen)
    return _woven(points, face, blend(a, ink, torch.lerp(3.1416 * radius * radius * points[layout.P2], inside, seen)))


def ornament(points: TexturePoints) -> Texture:
    """A mirrored motif in four colours, for rugs and wallpaper. P0: softness; P1: share of straight bands."""
    face, a, b, c = _cloth(points)
    period = points[layout.PERIOD]
    u, v, width = face.u / period, face.v / (period * points[layout.ASPECT]), points.footprint / period
    # 0 to 0.5 from the middle of a motif: mirrored at its middle and at its border
    fold_u, fold_v = ((x - torch.floor(x) - 0.5).abs() for x in (u, v))
    plane = torch.stack([fold_u, fold_v, torch.zeros_like(u)])
    value, _ = octaves(plane, torch.full_like(u, 0.22), width, points.seed, 2, 0.4)
    value = value + (fold_u + fold_v - 0.5) * points[layout.P1] * fade(period * 0.5, points.footprint)
    soft = points[layout.P0] + width * 3
    # Four colours at three levels of the noise
    albedo = blend(a, b, (value + 0.12) / soft + 0.5)
    albedo = blend(albedo, c, (value - 0.1) / soft + 0.5)
    albedo = blend(albedo, points.colour(layout.COLOUR_D), (value - 0.3) / soft + 0.5)
    return _woven(points, face, albedo)


def _cloth(points: TexturePoints) -> tuple[Plane, Tensor, Tensor, Tensor]:
    a, b, c, _ = points.palette()
    return flat(points), a, b, c


def _woven(points: TexturePoints, face: Plane, albedo: Tensor, folds: Tensor | float = 0.0) -> Texture:
    """A coloured cloth with the relief of its threads, where they can be seen, on that of its folds [3, N]."""
    seen = fade(_THREAD, points.footprint)
    rise_u, rise_v = (torch.cos(x * (6.2831853 / _THREAD)) * seen for x in (face.u, face.v))
    return Texture(albedo * (1 + 0.1 * rise_u * rise_v), 0.5 + 0.3 * rise_u, face.lift(rise_u, rise_v) + folds)
