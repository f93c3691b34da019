"""How much of each light reaches every pixel, by a few rays per pixel that are smoothed over the surface.

The sun's shadows are sharp: one ray for every pixel. Lamps, windows, ambient light and reflections are soft: one ray
for every second pixel of every second row, spread over the surface afterwards.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from marigold_scenes import culling, hits, layout, lights, terrain, trace
from marigold_scenes.culling import Boxes
from marigold_scenes.gbuffer import GBuffer
from marigold_scenes.hashing import hash_unit
from marigold_scenes.lights import LIGHTS
from marigold_scenes.receivers import RayStarts, Receivers, boxes_around, enlarged, smooth
from marigold_scenes.scene import Scene
from marigold_scenes.shapes import MISS
from marigold_scenes.trace import Rays
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


def visibility(scene: Scene, table: trace.Tables, gbuffer: GBuffer) -> Arrivals:
    """Traces all shadow, ambient and mirror rays of a picture."""
    shares = torch.ones_like(gbuffer.t).repeat(1, LIGHTS, 1, 1)
    if scene.sunny:
        receivers = Receivers.of(gbuffer, 1)
        sun = _shadow(scene, table, receivers, receivers.starts(), 0)
        shares[:, :1] = smooth(sun, receivers, 1)
    receivers = Receivers.of(gbuffer, 2)
    starts = receivers.starts()
    soft = [_shadow(scene, table, receivers, starts, slot) for slot in range(1, 1 + scene.lamps)]
    soft.append(_ambient(scene, table, receivers, starts))
    soft.append(_mirrored(scene, table, receivers, starts, gbuffer))
    # [B, lamps + 1 + 3 + 3 + 1, h, w] => full size
    spread = enlarged(smooth(smooth(torch.cat(soft, 1), receivers, 1), receivers, 2), receivers, gbuffer)
    shares[:, 1 : 1 + scene.lamps] = spread[:, : scene.lamps]
    ambient, bounce, mirrored, filled = spread[:, scene.lamps :].split((1, 3, 3, 1), 1)
    return Arrivals(shares, ambient, bounce, mirrored, filled)


def _shadow(scene: Scene, table: trace.Tables, receivers: Receivers, starts: RayStarts, slot: int) -> Tensor:
    """Whether one point of a light is visible from each receiver: [B, 1, h, w] of 0 and 1, which the sky has."""
    light = scene.lights[starts.owner, slot]
    jitter = 2 * receivers.groups(_jitter(scene, *receivers.size, slot)) - 1
    towards, distance, _ = lights.incoming(light, starts.origin, jitter)
    directional = light[:, lights.DIRECTIONAL, None] > 0
    faced = dot(towards, starts.normal, 1) > 0
    lit = starts.hit & faced & (light[:, lights.USED].view(-1, 1, 1) > 0)
    wanted = culling.swept(table, starts.boxes, _light_box(light, starts, directional)) & lit.any(-1)
    t, _ = trace.cast(table, Rays(starts.owner, starts.origin, towards), wanted)
    # [T, P]: nothing in the way to a lamp, or to the sky
    free = t > torch.where(directional, MISS / 2, distance[:, 0])
    return receivers.picture(((free.unsqueeze(1) & faced) | ~starts.hit).float())


def _light_box(light: Tensor, starts: RayStarts, directional: Tensor) -> Boxes:
    """The box that shadow rays end in: around a lamp, or `RANGE` away towards a directional light."""
    place, u, v = light[:, lights.PLACE], light[:, lights.AXIS_U], light[:, lights.AXIS_V]
    end = torch.where(directional, starts.boxes.centre + RANGE * place, place)
    half = torch.where(directional, starts.boxes.half + RANGE * 1.5 * light[:, 3:4], u.abs() + v.abs())
    return Boxes(end, half)


def _ambient(scene: Scene, table: trace.Tables, receivers: Receivers, starts: RayStarts) -> Tensor:
    """One ray over the cosine-weighted hemisphere: [B, 4, h, w], whether it is free, and the light that it finds.

    The sky's are free.
    """
    # Malley's method: a uniform point of the unit disc, lifted onto the hemisphere.
    first, second = receivers.groups(_jitter(scene, *receivers.size, LIGHTS)).unsqueeze(2).unbind(1)
    ring, angle = first.sqrt(), 2 * torch.pi * second
    height = (1 - first).clamp_min(0).sqrt()
    sideways, upwards = lights.tangents(starts.normal)
    towards = sideways * (ring * angle.cos()) + upwards * (ring * angle.sin()) + starts.normal * height
    limit = scene.reach[starts.owner].unsqueeze(1)
    nearby = culling.around(table, Boxes(starts.boxes.centre, starts.boxes.half + limit))
    rays = Rays(starts.owner, starts.origin, towards)
    t, index = trace.cast(table, rays, nearby & starts.hit.any(-1))
    # [T, P] the level ground under the origin: t = (ground - y) / y of the ray, for rays that go down
    floor = (_ground_below(scene, starts) - starts.origin[:, 1]) / towards[:, 1].clamp_max(-1e-6)
    grounded = (towards[:, 1] < -1e-6) & (floor < t)
    t = torch.where(grounded, floor, t)
    blocked = ((t < limit) & starts.hit[:, 0]).float()
    # What is close lies in the shade itself.
    bright = blocked * (0.2 + 0.5 * (t / limit).clamp(0, 1))
    colour = _tint(scene, starts.owner, torch.where(grounded, 0, _material(scene, starts.owner, index)))
    bounce = colour * scene.bounce[starts.owner].unsqueeze(-1) * bright.unsqueeze(1)
    return receivers.picture(torch.cat((1 - blocked.unsqueeze(1), bounce), 1))


def _mirrored(scene: Scene, table: trace.Tables, receivers: Receivers, starts: RayStarts, gbuffer: GBuffer) -> Tensor:
    """What a mirror in place of each glossy receiver shows: [B, 4, h, w], radiance, and whether it is a thing."""
    glossy = receivers.groups((receivers.reduced(gbuffer.roughness) < GLOSSY) & receivers.hit)
    towards = _mirror_direction(receivers, starts, gbuffer)
    directions = boxes_around(towards, glossy)
    end = Boxes(starts.boxes.centre + RANGE * directions.centre, starts.boxes.half + RANGE * directions.half)
    wanted = culling.swept(table, starts.boxes, end) & glossy.any(-1)
    t, index = trace.cast(table, Rays(starts.owner, starts.origin, towards), wanted)
    found = (t < RANGE) & glossy[:, 0]
    # M rays that show a thing, by group and place in the group
    group, ray = found.nonzero().unbind(1)
    rays = hits.RayHits(
        owner=starts.owner[group],
        index=index[group, ray].long(),
        origin=starts.origin[group, :, ray],
        direction=towards[group, :, ray],
        t=t[group, ray],
    )
    result = torch.zeros_like(towards).repeat(1, 2, 1)[:, :4]
    result[group, :3, ray] = _radiance(scene, rays)
    result[:, 3] = found.float()
    return receivers.picture(result)


def _mirror_direction(receivers: Receivers, starts: RayStarts, gbuffer: GBuffer) -> Tensor:
    """Unit directions [T, 3, P] of mirror rays: r = v - 2 (v . n) n."""
    view = unit(receivers.groups(receivers.reduced(gbuffer.ray)), 1)
    normal = receivers.groups(receivers.reduced(gbuffer.shading_normal))
    towards = view - 2 * dot(view, normal, 1) * normal
    # A bump may not send a ray into its own surface.
    under = dot(towards, starts.normal, 1).clamp_max(0)
    return unit(towards - 2 * under * starts.normal, 1)


def _radiance(scene: Scene, rays: hits.RayHits) -> Tensor:
    """Roughly the radiance [M, 3] of what rays have hit: its mean colour under all lights, without shadows."""
    struck = hits.describe(scene, rays)
    # [M, 3, 1]
    point, normal = (x.unsqueeze(-1) for x in (rays.origin + struck.t.unsqueeze(1) * rays.direction, struck.normal))
    light = 0.6 * lights.ambient(scene.dome[rays.owner], normal)
    for slot in range(LIGHTS):
        row = scene.lights[rays.owner, slot]
        way, _, strength = lights.incoming(row, point, torch.zeros_like(point[:, :2]))
        # Lambert: colour * strength * max(n . l, 0)
        colour = row[:, lights.COLOUR].unsqueeze(-1)
        light = light + 0.6 * colour * strength * dot(way, normal, 1).clamp_min(0)
    return (_tint(scene, rays.owner, struck.material.unsqueeze(1)) * light)[..., 0]


def _material(scene: Scene, owner: Tensor, index: Tensor) -> Tensor:
    """The material number [T, P] of solids `index` [T, P]."""
    return scene.material[..., 0].flatten(0, 1)[owner.unsqueeze(1) * scene.material.shape[1] + index.long()]


def _tint(scene: Scene, owner: Tensor, material: Tensor) -> Tensor:
    """Roughly the colour [T, 3, P] that materials [T, P] have from far away, and the light that they give off."""
    # [B, materials, WIDTH] => [T, P, WIDTH]
    rows = scene.rows.flatten(0, 1)[owner.unsqueeze(1) * scene.rows.shape[1] + material]
    first, second, glow = (rows[..., start : start + 3] for start in (layout.COLOUR_A, layout.COLOUR_B, layout.GLOW))
    return (torch.lerp(first, second, 0.4) + glow).transpose(1, 2)


def _ground_below(scene: Scene, starts: RayStarts) -> Tensor:
    """The height of the ground [T, P or 1] under the origins of rays."""
    level = scene.floor[starts.owner].unsqueeze(-1)
    if "landscape" not in scene.names:
        return level
    rows = scene.hills[starts.owner]
    hills = terrain.heights(rows, starts.origin[:, 0], starts.origin[:, 2])
    hills = torch.maximum(hills, rows[:, terrain.WATER : terrain.WATER + 1])
    return torch.where(rows[:, terrain.USED : terrain.USED + 1] > 0, hills, level)


def _jitter(scene: Scene, high: int, wide: int, purpose: int) -> Tensor:
    """Two numbers in 0 to 1 per pixel [B, 2, H, W], stratified over every block of four by four pixels."""
    device = scene.eye.device
    y, x = torch.arange(high, device=device).view(1, -1, 1), torch.arange(wide, device=device).view(1, 1, -1)
    seeds = scene.seeds.view(-1, 1, 1)
    number = torch.tensor(purpose, device=device)
    # [B, H, W] each
    first, second = hash_unit(seeds, x, y, number), hash_unit(seeds, x, y, number + 64)
    cell = (x % 4) * 4 + (y % 4)
    # A fixed shuffle of the sixteen strata, so that neighbours look in different directions.
    shuffled = (cell * 7 + 3) % 16
    return torch.stack(((shuffled % 4 + first) / 4, (shuffled // 4 + second) / 4), 1)
