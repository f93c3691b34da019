"""Wood: rings and fibres, solid or in planks."""

import torch
from torch import Tensor

from marigold_scenes import layout
from marigold_scenes.hashing import byte
from marigold_scenes.noise import fade, octaves
from marigold_scenes.patterns.plane import Plane, cell_bits, facing, flat, line
from marigold_scenes.patterns.spot import Look, Spot, blend

_JOINT = 0.003
"""Metres between planks."""
_ALONG = 0.05
"""How much slower wood changes along the grain than across."""


def wood(spot: Spot) -> Look:
    """Early wood A, late wood B, and joints C where it is in planks.

    P0: plank width (m), 0 for solid wood; P1: plank length (m); P2: ring period (m); P3: the object axis across the
    boards of solid wood, or -1 for planks that lie on the surface; GAIN: difference between planks.
    """
    board = flat(spot, _sawn(spot))
    joint, bits = _planks(spot, board)
    ring = spot[layout.P2]
    # Each plank comes from another place of the trunk, whose axis lies below the board.
    along = board.u * _ALONG + byte(bits, 0) * 3
    across = board.v + (byte(bits, 1) - 0.5) * ring * 8
    below = board.w * 0.6 + (byte(bits, 2) * 0.8 + 0.2) * ring * 8
    grain = torch.stack([along, across, below])
    bend, _ = octaves(grain, ring * 8, spot.footprint, spot.seed, 2)
    radius = (across * across + below * below).sqrt() / ring + bend * spot[layout.WARP] * 3
    # Late wood grows denser until the season ends at once.
    year = radius - torch.floor(radius)
    late = year * year * ((1 - year) * 6).clamp(max=1)
    fibre, slope = octaves(grain * grain.new_tensor([0.6, 1, 1])[:, None], ring * 0.3, spot.footprint, spot.seed + 1, 2)
    seen = fade(ring, spot.footprint)
    tone = 0.3 + ((late - 0.27) * 2 * seen + bend) * spot[layout.CONTRAST] + fibre * 0.7 * spot[layout.CONTRAST]
    early, dark, gap, _ = spot.palette()
    width = torch.where(spot[layout.P0] > 0, spot[layout.P0], 1.0)
    shade = (byte(bits, 0) - 0.5) * spot[layout.GAIN] * fade(width, spot.footprint)
    albedo = blend(blend(early, dark, tone) * (1 + shade), gap, joint)
    relief = board.lift(slope[0] * _ALONG, slope[1] * 0.4, slope[2] * 0.4)
    return Look(albedo, 0.4 + fibre * 0.5 + joint, relief)


def _sawn(spot: Spot) -> Tensor:
    """[3, N] the axis that the board faces: the material's own, or that of the surface for planks."""
    axis = torch.arange(3, device=spot.columns.device)[:, None]
    own = (spot[layout.P3] == axis).float()
    return torch.lerp(own, facing(spot.normal), (spot[layout.P3] < 0).float())


def _planks(spot: Spot, board: Plane) -> tuple[Tensor, Tensor]:
    """Coverage of the joints between planks [N] and a hash of each plank [N]."""
    planks = (spot[layout.P0] > 0).float()
    wide, long = torch.lerp(_solid(spot), spot[layout.P0], planks), torch.lerp(_solid(spot), spot[layout.P1], planks)
    row = torch.floor(board.v / wide)
    u = board.u / long + byte(cell_bits(row, row, spot.seed), 0)
    bits = cell_bits(row * planks, torch.floor(u) * planks, spot.seed + 2)
    side = line(board.v / wide, _JOINT / wide, spot.footprint / wide)
    end = line(u, _JOINT / long, spot.footprint / long)
    return (side + end - side * end) * planks, bits


def _solid(spot: Spot) -> Tensor:
    return torch.full_like(spot.footprint, 1e3)
