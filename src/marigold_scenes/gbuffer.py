"""What the camera sees before there is light: the surface of every pixel."""

from dataclasses import dataclass

import torch
from torch import Tensor

from marigold_scenes import hits, terrain, textures, trace
from marigold_scenes.scene import Scene
from marigold_scenes.shapes import MISS
from marigold_scenes.trace import TILE, from_tiles, to_tiles
from marigold_scenes.vectors import dot, unit

HORIZON = 1500.0
"""How far the camera sees the ground; what lies beyond a scene's own limit is painted, but counts as sky."""


@dataclass(frozen=True)
class GBuffer:
    """What the camera sees of the geometry and surfaces, pictures [B, C, H, W] with sides that are whole tiles."""

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


def trace_camera(scene: Scene, table: trace.Tables, high: int, wide: int, width: int, height: int) -> GBuffer:
    """Casts camera rays and works out the surface of every pixel."""
    focal = 0.5 * width / scene.tangent
    ray = camera_rays(scene, focal, high, wide, width, height)
    batch, tiles = len(ray), high * wide // TILE**2
    owner = torch.arange(batch, device=ray.device).repeat_interleave(tiles)
    wanted = trace.seen(scene.solids, scene.eye, scene.turn, focal, high, wide, width, height).flatten(0, 1)
    rays = to_tiles(ray)
    eyes = scene.eye[owner].unsqueeze(-1)
    t, index = trace.cast(table, owner, eyes, rays, wanted)
    t, index = (from_tiles(x.unsqueeze(1), high, wide) for x in (t, index))
    level, slope, soil = _ground(scene, ray)
    on_ground = level < t
    t = torch.minimum(t, level)
    hit = t < HORIZON
    return _surfaces(scene, ray, torch.where(hit, t, HORIZON), index, on_ground, slope, soil, hit)


def camera_rays(scene: Scene, focal: Tensor, high: int, wide: int, width: int, height: int) -> Tensor:
    """World rays [B, 3, high, wide] of a picture of `height` by `width`, padded; planar depth grows by 1 along them."""
    device = scene.eye.device
    x = (torch.arange(wide, device=device) + 0.5 - width / 2).view(1, 1, wide) / focal.view(-1, 1, 1)
    y = (height / 2 - torch.arange(high, device=device) - 0.5).view(1, high, 1) / focal.view(-1, 1, 1)
    x, y = x.expand(-1, high, -1), y.expand(-1, -1, wide)
    local = torch.stack((x, y, -torch.ones_like(x)), 1)
    return (scene.turn @ local.flatten(2)).view(-1, 3, high, wide)


def _ground(scene: Scene, ray: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Where camera rays meet the ground, [B, 1, H, W], and its normal and material number there."""
    down = ray[:, 1:2]
    t = (scene.floor.view(-1, 1, 1, 1) - scene.eye[:, 1].view(-1, 1, 1, 1)) / torch.where(down.abs() < 1e-9, 1e-9, down)
    t = torch.where(t > 0, t, MISS)
    normal = torch.zeros_like(ray)
    normal[:, 1] = 1
    material = torch.zeros_like(t, dtype=torch.int64)
    hilly = [number for number, name in enumerate(scene.names) if name == "landscape"]
    if hilly:
        rows, eye, rays = scene.hills[hilly], scene.eye[hilly], ray[hilly].flatten(2)
        hit = terrain.cast(rows, eye, rays)
        x, z = (eye[:, axis].unsqueeze(1) + hit.clamp_max(HORIZON) * rays[:, axis] for axis in (0, 2))
        slope, kind = terrain.describe(rows, x, z)
        t[hilly], normal[hilly] = hit.view(-1, *t.shape[1:]), slope.view(-1, *ray.shape[1:])
        material[hilly] = kind.view(-1, *t.shape[1:])
    return t, normal, material


def _surfaces(
    scene: Scene, ray: Tensor, t: Tensor, index: Tensor, on_ground: Tensor, slope: Tensor, soil: Tensor, hit: Tensor
) -> GBuffer:
    batch, _, high, wide = ray.shape
    pixels = high * wide
    owner = torch.arange(batch, device=ray.device).repeat_interleave(pixels)
    flat_ray, flat_t, flat_index = _flat(ray), _flat(t)[:, 0], _flat(index)[:, 0].long()
    ground = _flat(on_ground)
    eye = scene.eye[owner]
    found = hits.describe(scene.solids, scene.material, scene.shift, owner, flat_index, eye, flat_ray, flat_t)
    slope = _flat(slope)
    t = torch.where(ground[:, 0], flat_t, found.t)
    point = eye + t.unsqueeze(1) * flat_ray
    normal = torch.where(ground, slope, found.normal)
    local_point = torch.where(ground, point, found.local_point)
    local_normal = torch.where(ground, slope, found.local_normal)
    material = torch.where(ground[:, 0], _flat(soil)[:, 0], found.material)
    cosine = dot(unit(flat_ray, -1), normal, -1)[:, 0].abs().clamp_min(0.08)
    pixel = (2 * scene.tangent / wide)[owner]
    rows = scene.rows.flatten(0, 1)[owner * scene.rows.shape[1] + material]
    texture = textures.evaluate(rows, local_point, local_normal, t * pixel / cosine.sqrt())
    bumped = unit(local_normal + texture.bump, -1)
    bumped = torch.where(ground, bumped, (bumped.unsqueeze(-2) @ found.rotation).squeeze(-2))

    def picture(x: Tensor) -> Tensor:
        return x.view(batch, high, wide, -1).permute(0, 3, 1, 2)

    seen = picture(hit.permute(0, 2, 3, 1).flatten(0, 2))
    return GBuffer(
        t=picture(t),
        ray=ray,
        point=picture(point),
        normal=picture(normal),
        shading_normal=picture(bumped),
        albedo=picture(texture.albedo) * seen,
        roughness=picture(texture.roughness) * seen,
        metallicity=picture(texture.metallicity) * seen,
        emission=picture(texture.emission) * seen,
        sheltered=torch.where(on_ground, 1.0, picture(found.sheltered)),
        hit=hit,
    )


def _flat(image: Tensor) -> Tensor:
    return image.permute(0, 2, 3, 1).flatten(0, 2)
