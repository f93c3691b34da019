"""Wood: rings and fibres, solid or in planks."""

import torch
from torch import Tensor

from marigold_scenes import layout
from marigold_scenes.hashing import byte
from marigold_scenes.noise import fade, octaves
from marigold_scenes.patterns.plane import Plane, cell_bits, facing, flat, line
from marigold_scenes.patterns.texture import Texture, TexturePoints, blend

_JOINT = 0.003
"""Metres between planks."""
_ALONG = 0.05
"""How much slower wood changes along the grain than across."""


def wood(points: TexturePoints) -> Texture:
    """Early wood A, late wood B, and joints C where it is in planks.

    P0: plank width (m), 0 for solid wood; P1: plank length (m); P2: ring period (m); P3: the object axis across the
    boards of solid wood, or -1 for planks that lie on the surface; GAIN: difference between planks.
    """
    board = flat(points, _sawn(points))
    joint, bits = _planks(points, board)
    ring = points[layout.P2]
    # Each plank comes from another place of the trunk, whose axis lies below the board.
    along = board.u * _ALONG + byte(bits, 0) * 3
    across = board.v + (byte(bits, 1) - 0.5) * ring * 8
    below = board.w * 0.6 + (byte(bits, 2) * 0.8 + 0.2) * ring * 8
    grain = torch.stack([along, across, below])
    bend, _ = octaves(grain, ring * 8, points.footprint, points.seed, 2)
    radius = (across * across + below * below).sqrt() / ring + bend * points[layout.WARP] * 3
    # Late wood grows denser until the season ends at once.
    # [N] 0 to 1 within a ring
    year = radius - torch.floor(radius)
    late = year * year * ((1 - year) * 6).clamp(max=1)
    fibre, slope = octaves(
        grain * grain.new_tensor([0.6, 1, 1])[:, None], ring * 0.3, points.footprint, points.seed + 1, 2
    )
    seen = fade(ring, points.footprint)
    tone = 0.3 + ((late - 0.27) * 2 * seen + bend) * points[layout.CONTRAST] + fibre * 0.7 * points[layout.CONTRAST]
    early, dark, gap, _ = points.palette()
    width = torch.where(points[layout.P0] > 0, points[layout.P0], 1.0)
    shade = (byte(bits, 0) - 0.5) * points[layout.GAIN] * fade(width, points.footprint)
    albedo = blend(blend(early, dark, tone) * (1 + shade), gap, joint)
    relief = board.lift(slope[0] * _ALONG, slope[1] * 0.4, slope[2] * 0.4)
    return Texture(albedo, 0.4 + fibre * 0.5 + joint, relief)


def _sawn(points: TexturePoints) -> Tensor:
    """[3, N] the axis that the board faces: the material's own, or that of the surface for planks."""
    axis = torch.arange(3, device=points.columns.device)[:, None]
    own = (points[layout.P3] == axis).float()
    return torch.lerp(own, facing(points.normal), (points[layout.P3] < 0).float())


def _planks(points: TexturePoints, board: Plane) -> tuple[Tensor, Tensor]:
    """Coverage of the joints between planks [N] and a hash of each plank [N]."""
    planks = (points[layout.P0] > 0).float()
    wide, long = (
        torch.lerp(_solid(points), points[layout.P0], planks),
        torch.lerp(_solid(points), points[layout.P1], planks),
    )
    row = torch.floor(board.v / wide)
    u = board.u / long + byte(cell_bits(row, row, points.seed), 0)
    bits = cell_bits(row * planks, torch.floor(u) * planks, points.seed + 2)
    side = line(board.v / wide, _JOINT / wide, points.footprint / wide)
    end = line(u, _JOINT / long, points.footprint / long)
    return (side + end - side * end) * planks, bits


def _solid(points: TexturePoints) -> Tensor:
    return torch.full_like(points.footprint, 1e3)
