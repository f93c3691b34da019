"""Which solids a group of rays can reach: conservative tests, so that no answer depends on the grouping.

The outline on the picture for camera rays, a swept box for shadow and mirror rays, a box around for short ambient rays.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from marigold_scenes.scene import Scene
from marigold_scenes.tiles import TILE, Raster
from marigold_scenes.trace import Tables

_FAR_OUTSIDE = 1e7
"""Pixels: the outline of a solid that crosses the plane of the camera."""


@dataclass(frozen=True)
class Boxes:
    """A box for each of T groups of rays, along the world's axes."""

    centre: Tensor
    """[T, 3]."""
    half: Tensor
    """[T, 3] half the size."""


def seen(scene: Scene, raster: Raster) -> Tensor:
    """Which tiles each solid's bounding box may show in: [B, tiles, N] bool."""
    corners = _corners(scene)
    # [B, N, 8] depth of the corners, and x = f X / Z + w / 2, y = h / 2 - f Y / Z
    ahead = -corners[..., 2]
    scale = raster.focal(scene.tangent).view(-1, 1, 1) / ahead.clamp_min(1e-3)
    x, y = corners[..., 0] * scale + raster.width / 2, raster.height / 2 - corners[..., 1] * scale
    crossing = (ahead < 1e-2).any(-1)
    present = (ahead > 1e-2).any(-1)
    # [B, N] the outline's bounding box in pixels
    left, top = (torch.where(crossing, -_FAR_OUTSIDE, axis.amin(-1)) for axis in (x, y))
    right, bottom = (torch.where(crossing, _FAR_OUTSIDE, axis.amax(-1)) for axis in (x, y))
    tops = torch.arange(0, raster.high, TILE, device=x.device).view(1, -1, 1)
    lefts = torch.arange(0, raster.wide, TILE, device=x.device).view(1, -1, 1)
    # [B, rows, N] and [B, columns, N] => [B, rows * columns, N]
    rows = (bottom.unsqueeze(1) > tops - 0.5) & (top.unsqueeze(1) < tops + TILE + 0.5) & present.unsqueeze(1)
    columns = (right.unsqueeze(1) > lefts - 0.5) & (left.unsqueeze(1) < lefts + TILE + 0.5)
    return (rows.unsqueeze(2) & columns.unsqueeze(1)).flatten(1, 2)


def _corners(scene: Scene) -> Tensor:
    """The corners [B, N, 8, 3] of every solid's bounding box in camera axes."""
    solids = scene.solids
    rotation, offset = solids.to_local[..., :3], solids.to_local[..., 3:]
    # [B, N, 3, 3] local half-axes in camera axes: rows of the rigid map are the local axes in the world.
    axes = (rotation * solids.half.unsqueeze(-1)) @ scene.turn.unsqueeze(1)
    # [B, N, 3] centre: -R^T b in the world, then relative to the eye
    centre = ((-(rotation.mT @ offset)).squeeze(-1) - scene.eye.unsqueeze(1)) @ scene.turn
    sides = (-1.0, 1.0)
    signs = torch.tensor([[x, y, z] for x in sides for y in sides for z in sides], device=centre.device)
    return centre.unsqueeze(2) + signs @ axes


def swept(table: Tables, start: Boxes, end: Boxes) -> Tensor:
    """Which solids [T, N] may be touched by a box that moves from `start` to `end` while its size changes."""
    first, extent = _local(table, start)
    move, growth = (b - a for a, b in zip((first, extent), _local(table, end), strict=True))
    # Per axis the box covers the cube while |first + s move| <= extent + s growth: two half-lines of s.
    low, high = torch.zeros_like(first[..., 0]), torch.ones_like(first[..., 0])
    for axis in range(3):
        for sign in (1, -1):
            # s (sign move - growth) <= extent - sign first; a slope of zero leaves all of s or nothing
            slope = sign * move[..., axis] - growth[..., axis]
            slope = torch.where(slope.abs() < 1e-9, -1e-9, slope)
            bound = (extent[..., axis] - sign * first[..., axis]) / slope
            high = torch.where(slope > 0, torch.minimum(high, bound), high)
            low = torch.where(slope > 0, low, torch.maximum(low, bound))
    return (low <= high).flatten(0, 1)


def around(table: Tables, boxes: Boxes) -> Tensor:
    """Which solids [T, N] boxes may touch."""
    local, extent = _local(table, boxes)
    return (local.abs() <= extent).all(-1).flatten(0, 1)


def _local(table: Tables, boxes: Boxes) -> tuple[Tensor, Tensor]:
    """Boxes in the space of every solid, [B, T / B, N, 3]: their centre, and the cube's reach grown by their extent."""
    # [T, 3] => [B, T / B, 3]
    centre, half = (x.view(len(table.unit), -1, 3) for x in (boxes.centre, boxes.half))
    # [B, N * 3, 3]
    linear = table.unit[..., :3].flatten(1, 2)
    # A c + b, and 1 + |A| h
    local = (centre @ linear.mT).unflatten(-1, (-1, 3)) + table.unit[..., 3].unsqueeze(1)
    return local, 1 + (half @ linear.abs().mT).unflatten(-1, (-1, 3))
