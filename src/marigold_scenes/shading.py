"""Light on surfaces: diffuse shading, and all that is not diffuse: highlights, reflections, glow, haze, sky."""

from dataclasses import dataclass

import torch
from torch import Tensor

from marigold_scenes import lights, trace
from marigold_scenes.gbuffer import GBuffer
from marigold_scenes.scene import Scene
from marigold_scenes.shadows import GLOSSY, Arrivals, visibility
from marigold_scenes.vectors import dot, unit


@dataclass(frozen=True)
class _Surface:
    """The surface at the M = H * W pixels of each picture; unit vectors [B, 3, M] in world axes."""

    point: Tensor
    normal: Tensor
    view: Tensor
    """Towards the camera."""
    roughness: Tensor
    metal: Tensor
    base: Tensor
    """[B, 3, M] reflectance head-on: 4 % for what is not metal, its colour for metal."""
    sheltered: Tensor


def illuminate(scene: Scene, table: trace.Tables, gbuffer: GBuffer) -> tuple[Tensor, Tensor]:
    """Diffuse shading and everything else [B, 3, H, W] of a picture."""
    arrivals = visibility(scene, table, gbuffer)
    surface = _surface(gbuffer)
    diffuse, gloss = _ambient_light(scene, surface, arrivals)
    # Lights are added one by one: no sun leaves out the first, and lamps that no scene has are left out too.
    for slot in range(0 if scene.sunny else 1, 1 + scene.lamps):
        matte, shine = _direct_light(scene, surface, arrivals, slot)
        diffuse, gloss = diffuse + matte, gloss + shine
    # [B, 3, M] => [B, 3, H, W]
    shading = ((1 - surface.metal) * diffuse).view_as(gbuffer.ray)
    residual = gloss.view_as(gbuffer.ray) + gbuffer.emission
    # Haze: transmittance exp(-density t), and the haze's own light in place of what it hides
    clear = torch.exp(-scene.sky[:, lights.HAZE_DENSITY].view(-1, 1, 1, 1) * gbuffer.t)
    haze = scene.sky[:, lights.HAZE].view(-1, 3, 1, 1) * (1 - clear)
    background = _background(scene, gbuffer).view_as(gbuffer.ray)
    return shading * clear * gbuffer.hit, torch.where(gbuffer.hit, residual * clear + haze, background)


def _surface(gbuffer: GBuffer) -> _Surface:
    albedo, metal = gbuffer.albedo.flatten(2), gbuffer.metallicity.flatten(2)
    return _Surface(
        point=gbuffer.point.flatten(2),
        normal=gbuffer.shading_normal.flatten(2),
        view=-unit(gbuffer.ray.flatten(2), 1),
        roughness=gbuffer.roughness.flatten(2),
        metal=metal,
        base=torch.lerp(torch.full_like(albedo, 0.04), albedo, metal),
        sheltered=gbuffer.sheltered.flatten(2),
    )


def _ambient_light(scene: Scene, surface: _Surface, arrivals: Arrivals) -> tuple[Tensor, Tensor]:
    """Diffuse light and reflections [B, 3, M] of the surroundings."""
    normal, view, roughness = surface.normal, surface.view, surface.roughness
    thing, filled = arrivals.mirrored.flatten(2), arrivals.filled.flatten(2)
    open_sky = arrivals.ambient.flatten(2) * surface.sheltered
    diffuse = lights.ambient(scene.dome, normal) * open_sky + arrivals.bounce.flatten(2) * surface.sheltered
    # r = 2 (v . n) n - v
    mirrored = 2 * dot(view, normal, 1) * normal - view
    # Things show in smooth surfaces; the sky in what they leave free, and in rougher surfaces.
    clear_view = filled * ((GLOSSY - roughness) * (2 / GLOSSY)).clamp(0, 1)
    around = torch.lerp(open_sky * lights.dome(scene.dome, mirrored), thing / filled.clamp_min(1e-3), clear_view)
    return diffuse, lights.mirror_share(normal, view, roughness, surface.base) * around


def _direct_light(scene: Scene, surface: _Surface, arrivals: Arrivals, slot: int) -> tuple[Tensor, Tensor]:
    """Diffuse light and highlights [B, 3, M] of one light."""
    light = scene.lights[:, slot]
    middle = torch.zeros(len(light), 2, 1, device=light.device)
    towards, distance, strength = lights.incoming(light, surface.point, middle)
    shadow = arrivals.lights.flatten(2)[:, slot : slot + 1]
    colour = light[:, lights.COLOUR].unsqueeze(-1) * strength * shadow
    # Lambert's law: max(n . l, 0)
    cosine = dot(surface.normal, towards, 1).clamp_min(0)
    size = lights.apparent_size(light, distance)
    lobe = lights.glossy(surface.normal, surface.view, towards, surface.roughness, surface.base, size)
    return colour * cosine, colour * lobe


def _background(scene: Scene, gbuffer: GBuffer) -> Tensor:
    """The sky [B, 3, M] behind every pixel, in full only where nothing is hit."""
    ray = gbuffer.ray.flatten(2)
    batch, _, pixels = ray.shape
    free = (~gbuffer.hit).flatten().nonzero()[:, 0]
    result = torch.zeros(batch * pixels, 3, device=ray.device)
    owner = free // pixels
    # [B, 3, M] => [B * M, 3], then the free pixels alone
    direction = unit(ray.transpose(1, 2).reshape(-1, 3)[free], 1)
    result[free] = lights.sky(scene.sky[owner], direction.unsqueeze(-1))[..., 0]
    return result.view(batch, pixels, 3).transpose(1, 2)
