"""From a scene to a `Sample`: surfaces, light, and the exact fields of every pixel.

The picture obeys image = albedo * shading + residual in linear light, before the camera's own effects.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from torch import Tensor

from marigold.core.sample import Sample
from marigold_scenes import camera, scene, trace
from marigold_scenes.families import FAMILIES
from marigold_scenes.gbuffer import trace_camera
from marigold_scenes.scene import Scene
from marigold_scenes.shading import illuminate
from marigold_scenes.tiles import Raster
from marigold_scenes.vectors import dot

RANGE = 6.0
"""Depth is valid up to this multiple of the picture's median depth."""


def render(
    seed: int, indexes: list[int], height: int, width: int, device: str = "cpu", families: tuple[str, ...] = FAMILIES
) -> Sample:
    """Scenes number `indexes` of `seed` as one `Sample` with a leading batch dimension."""
    return shoot(scene.build(seed, indexes, families).to(device), height, width)


@torch.no_grad()
def shoot(scene: Scene, height: int, width: int, with_linear: bool = False) -> Sample:
    """Photographs scenes; `with_linear` adds the map `linear`, the picture before the camera's effects.

    Sky has no valid field; its depth is the scene's limit and its normal faces the camera. Depth beyond `RANGE` medians
    is not valid either.
    """
    with exactly(scene.eye.device.type):
        maps, known = _maps(scene, Raster(height, width))
        linear = maps["albedo"] * maps["shading"] + maps["residual"]
        seen = antialiased(linear, maps["depth"], maps["normals"])
        image = camera.photograph(seen, maps["depth"], scene.lens, scene.seeds)
        valid = dict.fromkeys(maps, known) | {"depth": in_range(maps["depth"], known)}
        return Sample(" ".join(scene.keys), image, maps | ({"linear": linear} if with_linear else {}), valid)


@contextmanager
def exactly(device: str) -> Iterator[None]:
    """Full single precision inside, whatever a training loop has chosen for its networks: rays need it.

    On a CPU one thread, too: the chunks of rays are small, and threads that wait for each other cost more than they
    save. Several processes use several cores well.
    """
    chosen, threads = torch.get_float32_matmul_precision(), torch.get_num_threads()
    torch.set_float32_matmul_precision("highest")
    if device == "cpu":
        torch.set_num_threads(1)
    try:
        with torch.autocast(device, enabled=False):
            yield
    finally:
        torch.set_float32_matmul_precision(chosen)
        torch.set_num_threads(threads)


def _maps(scene: Scene, raster: Raster) -> tuple[dict[str, Tensor], Tensor]:
    """The fields of every pixel [B, C, H, W] by name, and where they are known [B, 1, H, W]."""
    table = trace.tables(scene.solids)
    gbuffer = trace_camera(scene, table, raster)
    shading, residual = illuminate(scene, table, gbuffer)
    limit = scene.far.view(-1, 1, 1, 1)
    known = gbuffer.hit & (gbuffer.t < limit)
    # C^T n: world normals in camera axes, each the product with a column of the turn
    normals = dot(scene.turn[..., None, None], gbuffer.normal.unsqueeze(2), 1)[:, 0]
    facing = normals.new_tensor([0.0, 0.0, 1.0]).view(1, 3, 1, 1)
    maps = {
        "depth": torch.minimum(gbuffer.t, limit),
        "normals": torch.where(known, normals, facing),
        "albedo": gbuffer.albedo,
        "roughness": gbuffer.roughness,
        "metallicity": gbuffer.metallicity,
        "shading": shading,
        "residual": residual,
    }
    # From whole tiles to the picture
    crop = (..., slice(raster.height), slice(raster.width))
    return {name: x[crop].contiguous() for name, x in maps.items()}, known[crop]


def in_range(depth: Tensor, known: Tensor) -> Tensor:
    """Where depth [B, 1, H, W] is known and within `RANGE` medians of its picture, as a depth sensor's range ends too.

    A gap that opens on far hills would otherwise take most of an affine-invariant map for a few pixels.
    """
    median = depth.masked_fill(~known, torch.nan).flatten(1).nanmedian(dim=1).values.view(-1, 1, 1, 1)
    return known & (depth <= RANGE * median)


def antialiased(linear: Tensor, depth: Tensor, normals: Tensor) -> Tensor:
    """A picture [B, 3, H, W] whose outlines are blended over a pixel, as a sensor's cells would blend them.

    One ray per pixel makes stairs of outlines; inside of a surface, textures have been filtered already.
    """
    # [B, 4, H, W] what changes at an outline: relative depth and direction
    kinds = torch.cat((depth.clamp_min(1e-3).log() * 8, normals), 1)
    edge = torch.zeros_like(depth)
    for axis in (-1, -2):
        # [B, 1, H, W - 1] or [B, 1, H - 1, W]: the change counts for the pixels on both of its sides
        change = kinds.diff(dim=axis).abs().amax(1, keepdim=True)
        first, last = [0, 0, 0, 0], [0, 0, 0, 0]
        first[-2 * axis - 2], last[-2 * axis - 1] = 1, 1
        edge = torch.maximum(edge, torch.maximum(F.pad(change, first), F.pad(change, last)))
    # A binomial blur of three by three pixels, along x and then along y
    kernel = linear.new_tensor([0.25, 0.5, 0.25])
    soft = F.pad(linear, (1, 1, 1, 1), mode="replicate").unfold(3, 3, 1) @ kernel
    soft = soft.unfold(2, 3, 1) @ kernel
    return torch.lerp(linear, soft, (edge * 4 - 0.5).clamp(0, 1))
