"""The G-buffer: the surface of every pixel, before there is light."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from marigold_scenes import culling, hits, terrain, textures, trace
from marigold_scenes.hits import RayHits, SurfacePoints
from marigold_scenes.scene import Scene
from marigold_scenes.shapes import MISS
from marigold_scenes.tiles import TILE, Raster, from_tiles, to_tiles
from marigold_scenes.trace import Rays
from marigold_scenes.vectors import dot, unit

HORIZON = 1500.0
"""How far the camera sees the ground; what lies beyond a scene's own limit is drawn, but counts as sky."""


@dataclass(frozen=True)
class GBuffer:
    """The geometry and surfaces that the camera sees, pictures [B, C, H, W] with sides that are whole tiles."""

    t: Tensor
    """Planar depth in metres."""
    ray: Tensor
    """Camera rays, whose component along the view is 1."""
    point: Tensor
    normal: Tensor
    """World space, unit, towards the camera."""
    shading_normal: Tensor
    albedo: Tensor
    roughness: Tensor
    metallicity: Tensor
    emission: Tensor
    sheltered: Tensor
    hit: Tensor
    """Bool: something is there."""


@dataclass(frozen=True)
class _Ground:
    """Where camera rays meet the ground, pictures [B, C, H, W]."""

    t: Tensor
    normal: Tensor
    material: Tensor


def trace_camera(scene: Scene, table: trace.Tables, raster: Raster) -> GBuffer:
    """Casts camera rays and works out the surface of every pixel."""
    ray = camera_rays(scene, raster)
    tiles = raster.high * raster.wide // TILE**2
    # [T] with T = B * tiles
    owner = torch.arange(len(ray), device=ray.device).repeat_interleave(tiles)
    wanted = culling.seen(scene, raster).flatten(0, 1)
    t, index = trace.cast(table, Rays(owner, scene.eye[owner].unsqueeze(-1), to_tiles(ray)), wanted)
    # [T, P] => [B, 1, H, W]
    t, index = (from_tiles(x.unsqueeze(1), raster.high, raster.wide) for x in (t, index))
    return _surfaces(scene, ray, t, index, _ground(scene, ray))


def camera_rays(scene: Scene, raster: Raster) -> Tensor:
    """World rays [B, 3, high, wide] of a padded picture; planar depth grows by 1 along them."""
    device, focal = scene.eye.device, raster.focal(scene.tangent).view(-1, 1, 1)
    # Pixel centres at depth 1: x = (column + 1/2 - w/2) / f, y = (h/2 - row - 1/2) / f
    x = (torch.arange(raster.wide, device=device) + 0.5 - raster.width / 2).view(1, 1, -1) / focal
    y = (raster.height / 2 - torch.arange(raster.high, device=device) - 0.5).view(1, -1, 1) / focal
    x, y = x.expand(-1, raster.high, -1), y.expand(-1, -1, raster.wide)
    # [B, 1, 3, high, wide] in camera axes: right, up, back; each row of the turn gives one world axis
    local = torch.stack((x, y, -torch.ones_like(x)), 1).unsqueeze(1)
    return dot(scene.turn[..., None, None], local, 2)[:, :, 0]


def _ground(scene: Scene, ray: Tensor) -> _Ground:
    down = ray[:, 1:2]
    # The level plane y = floor: t = (floor - y of the eye) / y of the ray
    t = (scene.floor.view(-1, 1, 1, 1) - scene.eye[:, 1].view(-1, 1, 1, 1)) / torch.where(down.abs() < 1e-9, 1e-9, down)
    t = torch.where(t > 0, t, MISS)
    normal = torch.zeros_like(ray)
    normal[:, 1] = 1
    material = torch.zeros_like(t, dtype=torch.int64)
    hilly = [number for number, name in enumerate(scene.names) if name == "landscape"]
    if hilly:
        # [B', 3, M] rays of the scenes with hills
        rows, eye, rays = scene.hills[hilly], scene.eye[hilly], ray[hilly].flatten(2)
        hit = terrain.cast(rows, eye, rays)
        x, z = (eye[:, axis].unsqueeze(1) + hit.clamp_max(HORIZON) * rays[:, axis] for axis in (0, 2))
        slope, kind = terrain.describe(rows, x, z)
        # [B', M] => [B', 1, H, W]
        t[hilly], normal[hilly] = hit.view(-1, *t.shape[1:]), slope.view(-1, *ray.shape[1:])
        material[hilly] = kind.view(-1, *t.shape[1:])
    return _Ground(t, normal, material)


def _surfaces(scene: Scene, ray: Tensor, t: Tensor, index: Tensor, ground: _Ground) -> GBuffer:
    batch, _, high, wide = ray.shape
    on_ground = ground.t < t
    t = torch.minimum(t, ground.t)
    hit = t < HORIZON
    # Everything as rows, one per pixel: M = B * H * W
    owner = torch.arange(batch, device=ray.device).repeat_interleave(high * wide)
    reach = _rows(torch.where(hit, t, HORIZON))[:, 0]
    rays = RayHits(owner, _rows(index)[:, 0].long(), scene.eye[owner], _rows(ray), reach)
    # The sky is as ground that faces the camera, whatever solid comes first in the batch.
    ground = replace(ground, normal=torch.where(hit, ground.normal, -unit(ray, 1)))
    on_ground = on_ground | ~hit
    grounded = _rows(on_ground)
    points = _grounded(hits.describe(scene, rays), rays, grounded, ground)
    surface = _textured(scene, rays, points, wide)
    # Bumps are added to the local normal; R^T n turns it into world axes
    bumped = unit(points.local_normal + surface.bump, -1)
    bumped = torch.where(grounded, bumped, dot(points.rotation, bumped.unsqueeze(2), 1)[:, 0])

    def picture(x: Tensor) -> Tensor:
        # [M, C] or [M] => [B, C, H, W]
        return x.view(batch, high, wide, -1).permute(0, 3, 1, 2)

    return GBuffer(
        t=picture(points.t),
        ray=ray,
        point=picture(rays.origin + points.t.unsqueeze(1) * rays.direction),
        normal=picture(points.normal),
        shading_normal=picture(bumped),
        albedo=picture(surface.albedo) * hit,
        roughness=picture(surface.roughness) * hit,
        metallicity=picture(surface.metallicity) * hit,
        emission=picture(surface.emission) * hit,
        sheltered=torch.where(on_ground, 1.0, picture(points.sheltered)),
        hit=hit,
    )


def _grounded(solid: SurfacePoints, rays: RayHits, grounded: Tensor, ground: _Ground) -> SurfacePoints:
    """The surfaces of solids, or of the ground where `grounded` [M, 1]; ground is textured in world axes."""
    slope = _rows(ground.normal)
    return replace(
        solid,
        t=torch.where(grounded[:, 0], rays.t, solid.t),
        normal=torch.where(grounded, slope, solid.normal),
        local_point=torch.where(grounded, rays.origin + rays.t.unsqueeze(1) * rays.direction, solid.local_point),
        local_normal=torch.where(grounded, slope, solid.local_normal),
        material=torch.where(grounded[:, 0], _rows(ground.material)[:, 0], solid.material),
    )


def _textured(scene: Scene, rays: RayHits, points: SurfacePoints, wide: int) -> textures.Surface:
    cosine = dot(unit(rays.direction, -1), points.normal, -1)[:, 0].abs().clamp_min(0.08)
    # [M] the footprint of a pixel: t * 2 tan / w, longer where the surface is seen at a glancing angle
    pixel = (2 * scene.tangent / wide)[rays.owner]
    footprint = points.t * pixel / cosine.sqrt()
    # [B, materials, WIDTH] => [M, WIDTH]
    rows = scene.rows.flatten(0, 1)[rays.owner * scene.rows.shape[1] + points.material]
    return textures.evaluate(rows, points.local_point, points.local_normal, footprint)


def _rows(picture: Tensor) -> Tensor:
    """A picture [B, C, H, W] as rows [B * H * W, C]."""
    return picture.permute(0, 2, 3, 1).flatten(0, 2)
