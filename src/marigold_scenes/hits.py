"""What a ray has hit: point, normal and material of every pixel, worked out once after the nearest solid is known."""

from dataclasses import dataclass

import torch
from torch import Tensor

from marigold_scenes import recesses, shapes
from marigold_scenes.scene import Scene
from marigold_scenes.vectors import dot, unit


@dataclass(frozen=True)
class RayHits:
    """M rays of the whole batch, and the solid that each has hit at `origin + t * direction`."""

    owner: Tensor
    """[M] the scene."""
    index: Tensor
    """[M] the solid in its scene."""
    origin: Tensor
    """[M, 3]."""
    direction: Tensor
    """[M, 3]."""
    t: Tensor
    """[M]."""


@dataclass(frozen=True)
class SurfacePoints:
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


def describe(scene: Scene, rays: RayHits) -> SurfacePoints:
    """The surfaces where rays have hit solids."""
    solids = scene.solids
    # [B, N, ...] tables => [B * N, ...] => one row per ray
    row = rays.owner * solids.half.shape[1] + rays.index
    to_local, half, shape, materials, shift = (
        x.flatten(0, 1)[row] for x in (solids.to_local, solids.half, solids.shape, scene.material, scene.shift)
    )
    rotation, offset = to_local[..., :3], to_local[..., 3]
    # The ray in local metres: R o + b and R d, [M, 3]
    start, heading = (dot(rotation, x.unsqueeze(1), -1)[..., 0] for x in (rays.origin, rays.direction))
    start = start + offset
    metres = start + rays.t.unsqueeze(-1) * heading
    normal = _normals(solids.counts, rays.index, metres, half, shape)
    normal = torch.where(dot(normal, heading, -1) > 0, -normal, normal)
    is_box = rays.index < solids.counts[0]
    inside = recesses.enter(recesses.Face(metres, heading, normal, half, is_box), shape)
    return SurfacePoints(
        t=rays.t + inside.deeper,
        # R^T n: back to world axes
        normal=dot(rotation, inside.normal.unsqueeze(2), 1)[:, 0],
        local_point=inside.point + shift,
        local_normal=inside.normal,
        rotation=rotation,
        material=torch.where(inside.back, materials[:, 1], materials[:, 0]),
        sheltered=inside.sheltered,
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
