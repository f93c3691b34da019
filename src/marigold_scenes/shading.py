"""Light on surfaces: diffuse shading, and all that is not diffuse: highlights, reflections, glow, haze, sky."""

import torch
from torch import Tensor

from marigold_scenes import lights, trace
from marigold_scenes.gbuffer import GBuffer
from marigold_scenes.scene import Scene
from marigold_scenes.shadows import GLOSSY, visibility
from marigold_scenes.vectors import dot, unit


def illuminate(scene: Scene, table: trace.Tables, frame: GBuffer) -> tuple[Tensor, Tensor]:
    """Diffuse shading and everything else [B, 3, H, W] of a frame."""
    batch, _, high, wide = frame.ray.shape
    shape = (batch, -1, high, wide)
    flat = {name: getattr(frame, name).flatten(2) for name in ("point", "normal", "shading_normal", "ray")}
    view = -unit(flat["ray"], 1)
    normal = flat["shading_normal"]
    roughness, metal, albedo = (getattr(frame, name).flatten(2) for name in ("roughness", "metallicity", "albedo"))
    base = torch.lerp(torch.full_like(albedo, 0.04), albedo, metal)
    arrivals = visibility(scene, table, frame)
    shadows, bounce, thing, filled = (
        x.flatten(2) for x in (arrivals.lights, arrivals.bounce, arrivals.mirrored, arrivals.filled)
    )
    sheltered = frame.sheltered.flatten(2)
    open_sky = arrivals.ambient.flatten(2) * sheltered
    diffuse = lights.ambient(scene.dome, normal) * open_sky + bounce * sheltered
    mirrored = 2 * dot(view, normal, 1) * normal - view
    clear_view = filled * ((GLOSSY - roughness) * (2 / GLOSSY)).clamp(0, 1)
    around = torch.lerp(open_sky * lights.dome(scene.dome, mirrored), thing / filled.clamp_min(1e-3), clear_view)
    gloss = lights.mirror_share(normal, view, roughness, base) * around
    still = torch.zeros(batch, 2, 1, device=normal.device)
    for slot in range(0 if scene.sunny else 1, 1 + scene.lamps):
        light = scene.lights[:, slot]
        towards, distance, strength = lights.incoming(light, flat["point"], still)
        colour = light[:, lights.COLOUR].unsqueeze(-1) * strength * shadows[:, slot : slot + 1]
        size = lights.apparent_size(light, distance)
        cosine = dot(normal, towards, 1).clamp_min(0)
        diffuse = diffuse + colour * cosine
        gloss = gloss + colour * lights.glossy(normal, view, towards, roughness, base, size)
    shading = ((1 - metal) * diffuse).view(shape)
    residual = gloss.view(shape) + frame.emission
    clear = torch.exp(-scene.sky[:, lights.HAZE_DENSITY].view(-1, 1, 1, 1) * frame.t)
    haze = scene.sky[:, lights.HAZE].view(-1, 3, 1, 1) * (1 - clear)
    seen = frame.hit
    background = _background(scene, flat["ray"], seen).view(shape)
    return shading * clear * seen, torch.where(seen, residual * clear + haze, background)


def _background(scene: Scene, ray: Tensor, hit: Tensor) -> Tensor:
    """The sky [B, 3, M] behind every pixel, in full only where nothing is hit."""
    batch, _, pixels = ray.shape
    free = (~hit).flatten().nonzero()[:, 0]
    result = torch.zeros(batch * pixels, 3, device=ray.device)
    owner = free // pixels
    direction = unit(ray.transpose(1, 2).reshape(-1, 3)[free], 1)
    result[free] = lights.sky(scene.sky[owner], direction.unsqueeze(-1))[..., 0]
    return result.view(batch, pixels, 3).transpose(1, 2)
