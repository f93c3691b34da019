"""What a ray has hit: point, normal and material of every pixel, worked out once after the nearest solid is known."""

from dataclasses import dataclass

import torch
from torch import Tensor

from marigold_scenes import shapes
from marigold_scenes.trace import Solids
from marigold_scenes.vectors import dot, unit


@dataclass(frozen=True)
class Hits:
    """The surface at M rays of the whole batch; `local` values are in the rigid metres of the solid."""

    t: Tensor
    """[M] ray parameter, beyond the solid's face where a panel lies deeper."""
    normal: Tensor
    """[M, 3] unit geometric normal in the world, towards the ray's origin."""
    local_point: Tensor
    """[M, 3] where textures are looked up."""
    local_normal: Tensor
    """[M, 3] unit."""
    rotation: Tensor
    """[M, 3, 3] world to local."""
    material: Tensor
    """[M] index of the material in its scene."""
    sheltered: Tensor
    """[M] how much of the light from outside a recess still reaches its inside, 0 to 1."""


def describe(
    solids: Solids,
    material: Tensor,
    shift: Tensor,
    owner: Tensor,
    index: Tensor,
    origin: Tensor,
    direction: Tensor,
    t: Tensor,
) -> Hits:
    """The surfaces at `origin + t * direction` ([M, 3] and [M]) on solid `index` [M] of scene `owner` [M].

    `material` [B, N, 2] and `shift` [B, N, 3] belong to the solids.
    """
    count = solids.half.shape[1]
    row = owner * count + index
    frame = solids.frame.flatten(0, 1)[row]
    half = solids.half.flatten(0, 1)[row]
    shape = solids.shape.flatten(0, 1)[row]
    rotation, offset = frame[..., :3], frame[..., 3]
    start = (rotation @ origin.unsqueeze(-1)).squeeze(-1) + offset
    heading = (rotation @ direction.unsqueeze(-1)).squeeze(-1)
    metres = start + t.unsqueeze(-1) * heading
    normal = _normals(solids.counts, index, metres, half, shape)
    normal = torch.where(dot(normal, heading, -1) > 0, -normal, normal)
    is_box = index < solids.counts[0]
    metres, normal, deeper, inside, sheltered = _panels(metres, heading, normal, half, shape, is_box)
    materials = material.flatten(0, 1)[row]
    return Hits(
        t=t + deeper,
        normal=(normal.unsqueeze(-2) @ rotation).squeeze(-2),
        local_point=metres + shift.flatten(0, 1)[row],
        local_normal=normal,
        rotation=rotation,
        material=torch.where(inside, materials[:, 1], materials[:, 0]),
        sheltered=sheltered,
    )


def _normals(counts: tuple[int, ...], index: Tensor, metres: Tensor, half: Tensor, shape: Tensor) -> Tensor:
    """Unit normals [M, 3] in local metres, each by the function of its kind."""
    cube = metres / half
    result, start = torch.zeros_like(metres), 0
    for kind, count in enumerate(counts):
        if count:
            own = ((index >= start) & (index < start + count)).unsqueeze(-1)
            found = shapes.normal(kind, cube, shape, metres)
            # A normal is a gradient: from the unit cube to metres it scales with one over the size.
            found = found if shapes.KINDS[kind] == "round" else found / half
            result = torch.where(own, found, result)
        start += count
    return unit(result, -1)


def _panels(
    metres: Tensor, heading: Tensor, normal: Tensor, half: Tensor, shape: Tensor, is_box: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Lets rays into the recesses of `assembly.Panels`: the point, normal and depth there, and what is the back."""
    column, row, width, height, depth, lift, rows, margin = shape[:, :8].unbind(-1)
    along_x = normal[:, 2].abs() > 0.5
    upright = (normal[:, 1].abs() < 0.5) & is_box & (depth > 0)
    column, row, width, height = column.clamp_min(1e-3), row.clamp_min(1e-3), 0.5 * width, 0.5 * height
    x, y, z = metres.unbind(-1)
    dx, dy, dz = heading.unbind(-1)
    u, du, reach = (torch.where(along_x, a, b) for a, b in ((x, z), (dx, dz), (half[:, 0], half[:, 2])))
    # Columns are spread evenly over the face, so that both of its edges look the same.
    columns = torch.floor((2 * reach - 2 * margin) / column + 1e-3)
    odd = torch.where(columns % 2 < 0.5, 0.5, 0.0)
    which = torch.round(u / column - odd) + odd
    v = y + half[:, 1] - lift
    level = torch.round(v / row - 0.5)
    cu, cv = u - which * column, v - (level + 0.5) * row
    allowed = (which.abs() < 0.5 * columns) & (level >= 0) & (level < rows)
    inside = upright & allowed & (cu.abs() < width) & (cv.abs() < height)
    dn = dot(heading, normal, -1)[:, 0].abs().clamp_min(1e-6)
    to_back = depth / dn
    to_side = (torch.where(du > 0, width, -width) - cu) / _nonzero(du)
    to_sill = (torch.where(dy > 0, height, -height) - cv) / _nonzero(dy)
    deeper = torch.where(inside, torch.minimum(to_back, torch.minimum(to_side, to_sill)), 0.0)
    back = inside & (to_back <= deeper)
    side = inside & ~back & (to_side <= deeper)
    sill = inside & ~back & ~side
    across = torch.stack((torch.where(along_x, 1.0, 0.0), torch.zeros_like(u), torch.where(along_x, 0.0, 1.0)), -1)
    up = torch.zeros_like(across)
    up[:, 1] = 1
    normal = torch.where(side.unsqueeze(-1), -du.sign().unsqueeze(-1) * across, normal)
    normal = torch.where(sill.unsqueeze(-1), -dy.sign().unsqueeze(-1) * up, normal)
    sunk = (deeper * dn / torch.minimum(width, height).clamp_min(1e-3)).clamp(0, 1)
    sheltered = torch.where(inside, 1 - 0.6 * sunk, 1.0)
    return metres + deeper.unsqueeze(-1) * heading, normal, deeper, back, sheltered


def _nonzero(x: Tensor) -> Tensor:
    return torch.where(x.abs() < 1e-9, 1e-9, x)
