"""Walls, floors and roofs laid from units, and the facades of buildings."""

import torch
from torch import Tensor

from marigold_scenes import layout
from marigold_scenes.hashing import byte, three_bytes
from marigold_scenes.noise import fade, octaves
from marigold_scenes.patterns.plane import band, cell_bits, flat, line, odd, pulse
from marigold_scenes.patterns.texture import Texture, TexturePoints, blend

_FRAME = 0.06
"""Metres of a window's frame."""


def masonry(points: TexturePoints) -> Texture:
    """Bricks, tiles, slabs, shingles: units of colour A to B in joints of colour C.

    PERIOD, ASPECT: length of a unit and its height over length. P0: joint width (m); P1: shift of every other row, or
    -1 for random shifts; P2: variation of the units; P3: how much every other unit takes colour D (a chess board).
    """
    face = flat(points)
    long, joint, width = points[layout.PERIOD], points[layout.P0], points.footprint
    high = long * points[layout.ASPECT]
    grain, gradient = octaves(points.point, high * 0.7, width, points.seed + 5, 3, 0.6)
    # [N] rows, and columns shifted row by row
    wobble = joint * points[layout.WARP]
    v = (face.v + gradient[0] * wobble) / high
    row = torch.floor(v)
    random = byte(cell_bits(row, row, points.seed), 1)
    shift = torch.lerp(odd(row) * points[layout.P1], random, (-points[layout.P1]).clamp(min=0))
    u = (face.u + gradient[1] * wobble) / long + shift
    column = torch.floor(u)
    tone, shade, gloss = three_bytes(cell_bits(column, row, points.seed)) - 0.5
    seen = fade(torch.minimum(high, long), width)
    # Coverage of the joints: of either kind, counted once where they cross
    side, bed = line(u, joint / long, width / long), line(v, joint / high, width / high)
    mortar = side + bed - side * bed
    # Units from A to B, chequered with D, each of its own brightness
    a, b, c, d = points.palette()
    unit = blend(a, b, 0.5 + tone * seen + grain * points[layout.CONTRAST])
    unit = blend(unit, d, (0.5 + (odd(column + row) - 0.5) * seen) * points[layout.P3])
    unit = unit * (1 + shade * points[layout.P2] * seen)
    edge = fade(joint * 3, width)
    slope = face.lift(_bevel(u, long, joint) * edge, _bevel(v, high, joint) * edge)
    slope = slope + gradient * (0.3 * points[layout.WARP])
    return Texture(blend(unit, c, mortar), 0.2 + mortar + gloss * 0.4 * seen + grain * 0.5, slope)


def _bevel(x: Tensor, size: Tensor, joint: Tensor) -> Tensor:
    """The slope of a unit's rounded edges at `x` in units: up after the joint, down before the next."""
    # Distance from the middle of the unit, and depth into it in joints
    offset = x - torch.floor(x) - 0.5
    depth = (0.5 - offset.abs()) * size / joint.clamp(min=1e-4)
    return -offset.sign() * (1 - (depth - 0.9).abs() * 2).clamp(min=0)


def facade(points: TexturePoints) -> Texture:
    """A wall of windows: wall A, glass B, frames and courses C, blinds D; some windows glow.

    PERIOD, ASPECT: bay width (m), storey height over width; a window is centred on the origin. P0, P1: a window's
    share of the bay and of the storey; P2: share of lit windows; P3: panes across. WARP: height of the boards that
    clad the wall (m) or 0; CONTRAST: strength of the courses between storeys.
    """
    face = flat(points)
    bay, width = points[layout.PERIOD], points.footprint
    storey = bay * points[layout.ASPECT]
    # Bays and storeys; a pixel in either; and the place from the middle of the window
    u, v = face.u / bay + 0.5, face.v / storey + 0.5
    blur_u, blur_v = width / bay, width / storey
    lit, blind, shade = three_bytes(cell_bits(torch.floor(u), torch.floor(v), points.seed))
    across, up = u - torch.floor(u) - 0.5, v - torch.floor(v) - 0.5
    wide, high = points[layout.P0] / 2, points[layout.P1] / 2
    window = band(across, -wide, wide, blur_u) * band(up, -high, high, blur_v)
    # What the frame leaves free, less the bars between the panes
    frame_u, frame_v = _FRAME / bay, _FRAME / storey
    inner = band(across, frame_u - wide, wide - frame_u, blur_u) * band(up, frame_v - high, high - frame_v, blur_v)
    panes = points[layout.P3] / (2 * wide)
    glass = inner * (1 - line(across * panes + points[layout.P3] / 2, frame_u * 0.7 * panes, blur_u * panes))
    a, b, c, d = points.palette()
    # Behind the glass: a room, or a blind that is drawn down to some height
    drawn = band(up, high - 2 * high * (blind * 1.8 - 0.9).clamp(min=0), high, blur_v)
    behind = blend(b * (0.6 + 0.8 * shade), d, drawn * 0.7)
    # The reveal keeps the top of a recessed window in shadow.
    behind = behind * (1 - 0.5 * band(up, high - 0.15 / storey - frame_v, high, blur_v))
    # From the wall to the frame to what is behind the glass; courses between the storeys
    near = blend(blend(_boards(points, a, face.v), c, window), behind, glass)
    near = blend(near, c, line(v, 0.12 / storey, blur_v) * points[layout.CONTRAST])
    # From afar a facade melts into its mean: glass by its share of the area.
    share = points[layout.P0] * points[layout.P1] * 0.75
    seen = fade(bay, width)
    shine = glass * (lit < points[layout.P2]).float() * (0.4 + 0.6 * shade)
    albedo = torch.lerp(blend(a, b, share), near, seen)
    return Texture(
        albedo, 1 - torch.lerp(share, glass, seen), glow=torch.lerp(share * points[layout.P2] * 0.7, shine, seen)
    )


def _boards(points: TexturePoints, wall: Tensor, height: Tensor) -> Tensor:
    """The wall's colour [3, N] with the shadows under its boards."""
    boards = (points[layout.WARP] > 0).float()
    pitch = torch.lerp(torch.ones_like(height), points[layout.WARP], boards)
    shadow = pulse(height / pitch, 0.15, points.footprint / pitch)
    return wall * (1 - 0.4 * shadow * boards)
