"""Rays that enter the recesses of boxes, see `assembly.Panels`: windows, shelves and coffers without further solids."""

from dataclasses import dataclass

import torch
from torch import Tensor

from marigold_scenes.vectors import dot


@dataclass(frozen=True)
class Face:
    """Where M rays have hit solids, in local metres."""

    point: Tensor
    """[M, 3]."""
    heading: Tensor
    """[M, 3] direction of the ray."""
    normal: Tensor
    """[M, 3] unit, against the ray."""
    half: Tensor
    """[M, 3] half the size of the solid."""
    is_box: Tensor
    """[M] bool: only boxes have recesses."""


@dataclass(frozen=True)
class Inside:
    """Where the rays end once they have gone as deep as they can."""

    point: Tensor
    """[M, 3]."""
    normal: Tensor
    """[M, 3] unit."""
    deeper: Tensor
    """[M] how much further along the ray."""
    back: Tensor
    """[M] bool: on the back of a recess, which has its own material."""
    sheltered: Tensor
    """[M] how much of the light outside still arrives, 0 to 1."""


@dataclass(frozen=True)
class _Cell:
    """The recess nearest to each point of a face; all [M], in metres."""

    across: Tensor
    """From the middle of the recess, along the face."""
    up: Tensor
    """From the middle of the recess, upwards."""
    half_width: Tensor
    half_height: Tensor
    open: Tensor
    """Bool: the point lies in the opening."""


def enter(face: Face, shape: Tensor) -> Inside:
    """Follows rays into the recesses that they hit; `shape` [M, 8+] holds the packed `Panels`."""
    depth = shape[:, 4]
    along_x = face.normal[:, 2].abs() > 0.5
    cell = _cell(face, along_x, shape)
    sideways = torch.where(along_x, face.heading[:, 0], face.heading[:, 2])
    upwards = face.heading[:, 1]
    # Each wall lies at a distance over the speed towards it: the back, a side, the sill or the lintel.
    inwards = dot(face.heading, face.normal, -1)[:, 0].abs().clamp_min(1e-6)
    to_back = depth / inwards
    to_side = (torch.where(sideways < 0, -cell.half_width, cell.half_width) - cell.across) / _nonzero(sideways)
    to_sill = (torch.where(upwards < 0, -cell.half_height, cell.half_height) - cell.up) / _nonzero(upwards)
    deeper = torch.where(cell.open, torch.minimum(to_back, torch.minimum(to_side, to_sill)), 0.0)
    back = cell.open & (to_back <= deeper)
    side = cell.open & ~back & (to_side <= deeper)
    sill = cell.open & ~back & ~side
    # [M, 3] the axis along the face, and the vertical
    across = torch.stack((torch.where(along_x, 1.0, 0.0), torch.zeros_like(depth), torch.where(along_x, 0.0, 1.0)), -1)
    up = torch.zeros_like(across)
    up[:, 1] = 1
    normal = torch.where(side.unsqueeze(-1), -sideways.sign().unsqueeze(-1) * across, face.normal)
    normal = torch.where(sill.unsqueeze(-1), -upwards.sign().unsqueeze(-1) * up, normal)
    # The deeper a point lies for the size of its opening, the less of the outside it sees.
    opening = torch.minimum(cell.half_width, cell.half_height).clamp_min(1e-3)
    sunk = (deeper * inwards / opening).clamp(0, 1)
    sheltered = torch.where(cell.open, 1 - 0.6 * sunk, 1.0)
    return Inside(face.point + deeper.unsqueeze(-1) * face.heading, normal, deeper, back, sheltered)


def _cell(face: Face, along_x: Tensor, shape: Tensor) -> _Cell:
    column, row, width, height, depth, lift, rows, margin = shape[:, :8].unbind(-1)
    upright = (face.normal[:, 1].abs() < 0.5) & face.is_box & (depth > 0)
    column, row, width, height = column.clamp_min(1e-3), row.clamp_min(1e-3), 0.5 * width, 0.5 * height
    x, y, z = face.point.unbind(-1)
    # Along the face: u from its middle, v from the foot of the lowest row.
    u, reach = torch.where(along_x, x, z), torch.where(along_x, face.half[:, 0], face.half[:, 2])
    v = y + face.half[:, 1] - lift
    # Columns are spread evenly over the face, so that both of its edges look the same.
    columns = torch.floor((2 * reach - 2 * margin) / column + 1e-3)
    odd = torch.where(columns % 2 < 0.5, 0.5, 0.0)
    which = torch.round(u / column - odd) + odd
    level = torch.round(v / row - 0.5)
    across, up = u - which * column, v - (level + 0.5) * row
    exists = (which.abs() < 0.5 * columns) & (level >= 0) & (level < rows)
    return _Cell(across, up, width, height, upright & exists & (across.abs() < width) & (up.abs() < height))


def _nonzero(x: Tensor) -> Tensor:
    """The same number, at least 1e-9 away from zero on its own side."""
    return torch.where(x.abs() < 1e-9, torch.where(x < 0, -1e-9, 1e-9), x)
