"""How much of each light reaches every pixel, by a few rays per pixel that are smoothed over the surface.

The sun's shadows are sharp: one ray for every pixel. Lamps, windows, ambient light and reflections are soft: one ray
for every second pixel of every second row, spread over the surface afterwards.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from marigold_scenes import hits, layout, lights, terrain, trace
from marigold_scenes.gbuffer import GBuffer
from marigold_scenes.hashing import hash_unit
from marigold_scenes.lights import LIGHTS
from marigold_scenes.scene import Scene
from marigold_scenes.shapes import MISS
from marigold_scenes.trace import from_tiles, to_tiles
from marigold_scenes.vectors import dot, unit

RANGE = 100.0
"""How far, in metres, things cast shadows and are mirrored."""
GLOSSY = 0.45
"""Surfaces rougher than this mirror only the ambient light."""


@dataclass(frozen=True)
class Arrivals:
    """What reaches every pixel, pictures [B, C, H, W]."""

    lights: Tensor
    """[B, LIGHTS, H, W] the visible share of each light."""
    ambient: Tensor
    """[B, 1, H, W] the share of the ambient light."""
    bounce: Tensor
    """[B, 3, H, W] light from whatever hides the ambient light."""
    mirrored: Tensor
    """[B, 3, H, W] radiance of the things that a mirror would show, and [B, 1] how much of the mirror they fill."""
    filled: Tensor


@dataclass(frozen=True)
class Spots:
    """Where light is asked for: pictures of points, and the same as groups of rays that start just off the surface."""

    t: Tensor
    point: Tensor
    normal: Tensor
    hit: Tensor
    side: int

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.t.shape[-2], self.t.shape[-1]

    def groups(self, picture: Tensor) -> Tensor:
        """A picture as [T, C, P]."""
        return to_tiles(picture, self.side)

    def picture(self, groups: Tensor) -> Tensor:
        """Groups as [B, C, H, W]."""
        return from_tiles(groups, *self.size, self.side)


@dataclass(frozen=True)
class Start:
    """The groups of rays of some spots."""

    owner: Tensor
    """[T] the scene of each group."""
    origin: Tensor
    """[T, 3, P]."""
    normal: Tensor
    hit: Tensor
    """[T, 1, P] bool."""
    centre: Tensor
    """[T, 3] of the box around a group's origins."""
    half: Tensor
    """[T, 3] its half size."""


def visibility(scene: Scene, table: trace.Tables, frame: GBuffer) -> Arrivals:
    """Traces all shadow, ambient and mirror rays of a frame."""
    shares = torch.ones_like(frame.t).repeat(1, LIGHTS, 1, 1)
    if scene.sunny:
        spots = Spots(frame.t, frame.point, frame.normal, frame.hit, trace.TILE)
        sun = _shadow(scene, table, spots, _start(scene, spots), 0)
        shares[:, :1] = smooth(sun, spots, 1)
    t, point, normal, hit = (x[..., ::2, ::2] for x in (frame.t, frame.point, frame.normal, frame.hit))
    spots = Spots(t, point, normal, hit, trace.TILE // 2)
    start = _start(scene, spots)
    soft = [_shadow(scene, table, spots, start, slot) for slot in range(1, 1 + scene.lamps)]
    soft.append(_ambient(scene, table, spots, start))
    soft.append(_mirrored(scene, table, spots, start, frame))
    spread = enlarged(smooth(smooth(torch.cat(soft, 1), spots, 1), spots, 2), spots, frame)
    shares[:, 1 : 1 + scene.lamps] = spread[:, : scene.lamps]
    ambient, bounce, mirrored, filled = spread[:, scene.lamps :].split((1, 3, 3, 1), 1)
    return Arrivals(shares, ambient, bounce, mirrored, filled)


def _start(scene: Scene, spots: Spots) -> Start:
    points, normals, hit = (spots.groups(x) for x in (spots.point, spots.normal, spots.hit))
    batch = len(spots.t)
    owner = torch.arange(batch, device=points.device).repeat_interleave(len(points) // batch)
    origin = points + normals * (1e-3 + 2e-4 * spots.groups(spots.t))
    return Start(owner, origin, normals, hit, *_bounds(origin, hit))


def _bounds(point: Tensor, hit: Tensor) -> tuple[Tensor, Tensor]:
    """Boxes (centre and half size [T, 3]) around the hit points [T, 3, P] of each tile."""
    low = torch.where(hit, point, MISS).amin(-1)
    high = torch.where(hit, point, -MISS).amax(-1)
    some = hit.any(-1)
    return torch.where(some, 0.5 * (low + high), 0.0), torch.where(some, 0.5 * (high - low), 0.0)


def _shadow(scene: Scene, table: trace.Tables, spots: Spots, start: Start, slot: int) -> Tensor:
    """Whether one point of a light is visible from each spot: [B, 1, h, w] of 0 and 1."""
    light = scene.lights[start.owner, slot]
    jitter = 2 * spots.groups(_jitter(scene, *spots.size, slot)) - 1
    towards, distance, _ = lights.incoming(light, start.origin, jitter)
    directional = light[:, lights.DIRECTIONAL, None] > 0
    place, u, v = light[:, lights.PLACE], light[:, lights.AXIS_U], light[:, lights.AXIS_V]
    end = torch.where(directional, start.centre + RANGE * place, place)
    end_half = torch.where(directional, start.half + RANGE * 1.5 * light[:, 3:4], u.abs() + v.abs())
    faced = dot(towards, start.normal, 1) > 0
    lit = start.hit & faced & (light[:, lights.USED].view(-1, 1, 1) > 0)
    wanted = _swept(table, start, end, end_half) & lit.any(-1)
    t, _ = trace.cast(table, start.owner, start.origin, towards, wanted)
    free = t > torch.where(directional, MISS / 2, distance[:, 0])
    return spots.picture((free.unsqueeze(1) & faced).float())


def _swept(table: trace.Tables, start: Start, end: Tensor, end_half: Tensor) -> Tensor:
    """Which solids [T, N] lie between each group and the box around `end`."""
    groups = (len(table.unit), -1, 3)
    return trace.swept(table, *(x.view(groups) for x in (start.centre, start.half, end, end_half))).flatten(0, 1)


def _ambient(scene: Scene, table: trace.Tables, spots: Spots, start: Start) -> Tensor:
    """One ray over the cosine-weighted hemisphere: [B, 4, h, w], whether it is free, and the light that it finds."""
    first, second = spots.groups(_jitter(scene, *spots.size, LIGHTS)).unsqueeze(2).unbind(1)
    ring, angle = first.sqrt(), 2 * torch.pi * second
    sideways, upwards = lights.tangents(start.normal)
    height = (1 - first).clamp_min(0).sqrt()
    towards = sideways * (ring * angle.cos()) + upwards * (ring * angle.sin()) + start.normal * height
    limit = scene.reach[start.owner].unsqueeze(1)
    groups = (len(table.unit), -1, 3)
    wanted = trace.around(table, start.centre.view(groups), (start.half + limit).view(groups)).flatten(0, 1)
    t, index = trace.cast(table, start.owner, start.origin, towards, wanted & start.hit.any(-1))
    floor = (_ground_below(scene, start) - start.origin[:, 1]) / towards[:, 1].clamp_max(-1e-6)
    grounded = (towards[:, 1] < -1e-6) & (floor < t)
    t = torch.where(grounded, floor, t)
    blocked = (t < limit).float()
    # What is close lies in the shade itself.
    bright = blocked * (0.2 + 0.5 * (t / limit).clamp(0, 1))
    colour = _tint(scene, start.owner, torch.where(grounded, 0, _material(scene, start.owner, index)))
    bounce = colour * scene.bounce[start.owner].unsqueeze(-1) * bright.unsqueeze(1)
    return spots.picture(torch.cat((1 - blocked.unsqueeze(1), bounce), 1))


def _mirrored(scene: Scene, table: trace.Tables, spots: Spots, start: Start, frame: GBuffer) -> Tensor:
    """What a mirror in place of each glossy spot shows: [B, 4, h, w], radiance, and whether it is a thing at all."""
    roughness, ray, bumped = (x[..., ::2, ::2] for x in (frame.roughness, frame.ray, frame.shading_normal))
    glossy = spots.groups((roughness < GLOSSY) & spots.hit)
    view, normal = unit(spots.groups(ray), 1), spots.groups(bumped)
    towards = view - 2 * dot(view, normal, 1) * normal
    # A bump may not send a ray into its own surface.
    under = dot(towards, start.normal, 1).clamp_max(0)
    towards = unit(towards - 2 * under * start.normal, 1)
    middle, spread = _bounds(towards, glossy)
    wanted = _swept(table, start, start.centre + RANGE * middle, start.half + RANGE * spread) & glossy.any(-1)
    t, index = trace.cast(table, start.owner, start.origin, towards, wanted)
    found = (t < RANGE) & glossy[:, 0]
    where = found.nonzero()
    group, ray_of = where.unbind(1)
    owner = start.owner[group]
    origin, heading = start.origin[group, :, ray_of], towards[group, :, ray_of]
    struck = hits.describe(
        scene.solids, scene.material, scene.shift, owner, index[group, ray_of].long(), origin, heading, t[group, ray_of]
    )
    point, normal = (x.unsqueeze(-1) for x in (origin + struck.t.unsqueeze(1) * heading, struck.normal))
    light = 0.6 * lights.ambient(scene.dome[owner], normal)
    for slot in range(LIGHTS):
        row = scene.lights[owner, slot]
        way, _, strength = lights.incoming(row, point, torch.zeros_like(point[:, :2]))
        light = light + 0.6 * _colour(row) * strength * dot(way, normal, 1).clamp_min(0)
    result = torch.zeros_like(towards).repeat(1, 2, 1)[:, :4]
    colour = _tint(scene, owner, struck.material.unsqueeze(1))
    result[group, :3, ray_of] = (colour * light)[..., 0]
    result[:, 3] = found.float()
    return spots.picture(result)


def _colour(row: Tensor) -> Tensor:
    return row[:, lights.COLOUR].unsqueeze(-1)


def _material(scene: Scene, owner: Tensor, index: Tensor) -> Tensor:
    """The material number [T, P] of solids `index` [T, P]."""
    return scene.material[..., 0].flatten(0, 1)[owner.unsqueeze(1) * scene.material.shape[1] + index.long()]


def _tint(scene: Scene, owner: Tensor, material: Tensor) -> Tensor:
    """Roughly the colour [T, 3, P] that materials [T, P] have from far away, and the light that they give off."""
    rows = scene.rows.flatten(0, 1)[owner.unsqueeze(1) * scene.rows.shape[1] + material]
    first, second, glow = (rows[..., start : start + 3] for start in (layout.COLOUR_A, layout.COLOUR_B, layout.GLOW))
    return (torch.lerp(first, second, 0.4) + glow).transpose(1, 2)


def _ground_below(scene: Scene, start: Start) -> Tensor:
    """The height of the ground [T, P or 1] under the origins of rays."""
    level = scene.floor[start.owner].unsqueeze(-1)
    if "landscape" not in scene.names:
        return level
    rows = scene.hills[start.owner]
    hills = terrain.heights(rows, start.origin[:, 0], start.origin[:, 2])
    hills = torch.maximum(hills, rows[:, terrain.WATER : terrain.WATER + 1])
    return torch.where(rows[:, terrain.USED : terrain.USED + 1] > 0, hills, level)


def _jitter(scene: Scene, high: int, wide: int, purpose: int) -> Tensor:
    """Two numbers in 0 to 1 per pixel [B, 2, H, W], stratified over every block of four by four pixels."""
    device = scene.eye.device
    y, x = torch.arange(high, device=device).view(1, -1, 1), torch.arange(wide, device=device).view(1, 1, -1)
    seeds = scene.seeds.view(-1, 1, 1)
    number = torch.tensor(purpose, device=device)
    first, second = hash_unit(seeds, x, y, number), hash_unit(seeds, x, y, number + 64)
    cell = (x % 4) * 4 + (y % 4)
    # A fixed shuffle of the sixteen strata, so that neighbours look in different directions.
    shuffled = (cell * 7 + 3) % 16
    return torch.stack(((shuffled % 4 + first) / 4, (shuffled // 4 + second) / 4), 1)


def smooth(values: Tensor, spots: Spots, stride: int) -> Tensor:
    """Averages noisy values [B, C, h, w] over five by five pixels, `stride` apart, of the same surface."""
    weights = (0.5, 1.0, 1.0, 1.0, 0.5)
    guide = torch.cat((spots.normal, spots.point), 1)
    scale = 1 / (0.005 + 0.01 * spots.t)
    for axis in (-1, -2):
        total, weight = values, torch.ones_like(spots.t)
        for step in (-2, -1, 1, 2):
            moved, other = (x.roll(step * stride, axis) for x in (values, guide))
            share = weights[step + 2] * _alike(guide, other, scale)
            total, weight = torch.addcmul(total, share, moved), weight + share
        values = total / weight
    return values


def enlarged(values: Tensor, spots: Spots, frame: GBuffer) -> Tensor:
    """Values of every second pixel [B, C, h, w] for all pixels: from the nearest four that lie on the same surface."""
    guide = torch.cat((frame.normal, frame.point), 1)
    coarse = torch.cat((values, spots.normal, spots.point), 1)
    scale = 1 / (0.005 + 0.01 * frame.t)
    total, weight = 0.0, 1e-6
    for down in (0, 1):
        for right in (0, 1):
            near = coarse.roll((-down, -right), (-2, -1)).repeat_interleave(2, -2).repeat_interleave(2, -1)
            share = _alike(guide, near[:, -6:], scale) + 1e-4
            total, weight = total + share * near[:, :-6], weight + share
    return total / weight


def _alike(guide: Tensor, other: Tensor, scale: Tensor) -> Tensor:
    """How far the pixels `other` lie on the surface of `guide`, 0 to 1; both [B, 6, H, W], normal and point."""
    facing = dot(guide[:, :3], other[:, :3], 1)
    apart = dot(guide[:, :3], other[:, 3:] - guide[:, 3:], 1).abs() * scale
    return ((facing - 0.8) * 5).clamp(0, 1) * (1 - apart).clamp(0, 1)
